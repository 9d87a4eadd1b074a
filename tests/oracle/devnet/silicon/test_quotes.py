"""The emulated vendor's quotes are in the vendor's format and signed all the way up."""

import hashlib
from datetime import UTC, datetime

import dcap_qvl
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap import split_quote
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor

MEASUREMENT = bytes(range(48))
REPORT_DATA = bytes(range(64, 128))
TEES = [TeeKind.SGX, TeeKind.TDX]
FORMS = list(QuoteForm)
#: The reference parser's class of each form's report.
REPORTS = {384: dcap_qvl.SgxEnclaveReport, 584: dcap_qvl.TdReport10, 648: dcap_qvl.TdReport15}


@pytest.fixture(scope="module")
def vendor() -> SiliconVendor:
    return SiliconVendor(now=datetime(2031, 6, 1, tzinfo=UTC))


def _quote(vendor: SiliconVendor, tee: TeeKind | QuoteForm) -> bytes:
    return vendor.quote(tee, measurement=MEASUREMENT, report_data=REPORT_DATA)


def _verify(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> None:
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))


def _key(raw: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + raw)


def test_dcap_qvl_reads_an_sgx_quote(vendor: SiliconVendor) -> None:
    quote = dcap_qvl.parse_quote(_quote(vendor, TeeKind.SGX))
    assert (quote.header.version, quote.header.attestation_key_type) == (3, 2)
    assert quote.header.tee_type == 0
    assert quote.header.qe_vendor_id == quotes.QE_VENDOR_ID
    assert isinstance(quote.report, dcap_qvl.SgxEnclaveReport)
    assert quote.report.mr_enclave == MEASUREMENT[:32]
    assert quote.report.mr_signer == quotes.ENCLAVE_MRSIGNER
    assert quote.report.attributes == quotes.ENCLAVE_ATTRIBUTES
    assert quote.report.report_data == REPORT_DATA
    assert quote.fmspc() == vendor.platform.fmspc.hex().upper()


def test_dcap_qvl_reads_a_tdx_quote(vendor: SiliconVendor) -> None:
    quote = dcap_qvl.parse_quote(_quote(vendor, TeeKind.TDX))
    assert (quote.header.version, quote.header.attestation_key_type) == (4, 2)
    assert quote.header.tee_type == 0x81
    assert isinstance(quote.report, dcap_qvl.TdReport10)
    assert quote.report.mr_td == MEASUREMENT
    assert quote.report.td_attributes == quotes.TD_ATTRIBUTES
    assert quote.report.mr_seam == quotes.MRSEAM
    assert quote.report.report_data == REPORT_DATA
    assert quote.fmspc() == vendor.platform.fmspc.hex().upper()


@pytest.mark.parametrize("form", FORMS)
def test_dcap_qvl_reads_every_form(vendor: SiliconVendor, form: QuoteForm) -> None:
    quote = dcap_qvl.parse_quote(_quote(vendor, form))
    assert (quote.header.version, quote.header.attestation_key_type) == (form.version, 2)
    assert quote.header.tee_type == (0 if form.tee is TeeKind.SGX else 0x81)
    assert isinstance(quote.report, REPORTS[form.body_size])
    assert quote.report.report_data == REPORT_DATA
    if isinstance(quote.report, dcap_qvl.TdReport15):
        assert quote.report.tee_tcb_svn2 == quotes.TEE_TCB_SVN
        assert quote.report.mr_service_td == bytes(48)


def test_a_tee_means_its_oldest_form(vendor: SiliconVendor) -> None:
    assert _quote(vendor, TeeKind.SGX)[:8] == _quote(vendor, QuoteForm.SGX_V3)[:8]
    assert _quote(vendor, TeeKind.TDX)[:8] == _quote(vendor, QuoteForm.TDX_V4)[:8]


@pytest.mark.parametrize("form", FORMS)
def test_a_body_of_another_form_is_not_signed(vendor: SiliconVendor, form: QuoteForm) -> None:
    with pytest.raises(ValueError, match=f"wanted {form.body_size}"):
        vendor.sign_body(form, bytes(form.body_size - 1))


@pytest.mark.parametrize("tee", FORMS)
def test_every_signature_from_root_to_body_verifies(vendor: SiliconVendor, tee: QuoteForm) -> None:
    quote = split_quote(_quote(vendor, tee))
    end = 48 + (6 if tee.version == 5 else 0) + len(quote.body)
    tail = quote.evidence[end:]
    signature, key, report = tail[:64], tail[64:128], tail[128:512]
    _verify(_key(key), signature, quote.evidence[:end])
    pck = x509.load_der_x509_certificate(quote.pck.der).public_key()
    assert isinstance(pck, ec.EllipticCurvePublicKey)
    _verify(pck, tail[512:576], report)
    assert report[320:] == hashlib.sha256(key + tail[576:]).digest() + bytes(32)
    assert quote.root is not None
    ca, root = (x509.load_der_x509_certificate(link.der) for link in (quote.ca, quote.root))
    x509.load_der_x509_certificate(quote.pck.der).verify_directly_issued_by(ca)
    ca.verify_directly_issued_by(root)


@pytest.mark.parametrize("form", FORMS)
def test_the_quoting_enclave_is_of_its_tee(vendor: SiliconVendor, form: QuoteForm) -> None:
    quote = split_quote(_quote(vendor, form))
    # The authentication data are 32 bytes.
    report = quote.evidence[-(384 + 64 + 32) :]
    assert report[48:64] == quotes.QE_ATTRIBUTES
    assert report[128:160] == quotes.QE_MRSIGNER
    product = int.from_bytes(report[256:258], "little")
    assert product == {TeeKind.SGX: 1, TeeKind.TDX: 2}[form.tee]


def test_another_instance_signs_with_other_keys(vendor: SiliconVendor) -> None:
    other = SiliconVendor(now=datetime(2031, 6, 1, tzinfo=UTC))
    quote = split_quote(_quote(other, TeeKind.SGX))
    tail = quote.evidence[48 + 384 :]
    key = vendor.chain.pck.key.public_key()
    with pytest.raises(InvalidSignature):
        _verify(key, tail[512:576], tail[128:512])


@pytest.mark.parametrize("tee", TEES)
@pytest.mark.parametrize(("measurement", "report_data"), [(47, 64), (49, 64), (48, 63), (48, 65)])
def test_other_lengths_are_refused(
    vendor: SiliconVendor, tee: TeeKind, measurement: int, report_data: int
) -> None:
    with pytest.raises(ValueError, match="wanted"):
        vendor.quote(tee, measurement=bytes(measurement), report_data=bytes(report_data))


def test_other_platforms_are_refused(vendor: SiliconVendor) -> None:
    with pytest.raises(ValueError, match="no quotes for NITRO"):
        vendor.sign_body(TeeKind.NITRO, bytes(384))
