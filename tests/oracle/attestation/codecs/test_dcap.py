"""Quotes are taken apart to the last byte, or refused."""

import base64
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dcap_qvl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import MalformedEvidence, SignatureInvalid
from enclave.domain.evidence import TeeKind, image_id
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import (
    DcapQuote,
    parse_certificate,
    parse_evidence,
    parse_pem_chain,
    report_body,
    split_quote,
)
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor

FORMS = list(QuoteForm)
NOW = datetime(2031, 6, 1, tzinfo=UTC)
VENDOR = SiliconVendor(now=NOW)
QUOTES = {
    form: VENDOR.quote(form, measurement=bytes(range(48)), report_data=bytes(range(64)))
    for form in FORMS
}
PEM = VENDOR.chain.pem
VECTORS = os.environ.get("ORACLE_VECTORS")


def _signed_size(form: QuoteForm) -> int:
    """Bytes that the attestation key signs: all before the signature data's length."""
    return 48 + (6 if form.version == 5 else 0) + form.body_size


def _with_chain(form: QuoteForm, pem: bytes) -> bytes:
    """The quote with another PEM chain, and every length to match."""
    raw = QUOTES[form]
    at = raw.index(PEM)
    grown = len(pem) - len(PEM)
    altered = bytearray(raw[:at] + pem + raw[at + len(PEM) :])
    lengths = [_signed_size(form), at - 4]
    if form.version > 3:
        lengths.append(_signed_size(form) + 4 + 128 + 2)
    for where in lengths:
        (old,) = struct.unpack_from("<I", altered, where)
        struct.pack_into("<I", altered, where, old + grown)
    return bytes(altered)


@pytest.mark.parametrize("form", FORMS)
def test_a_quote_becomes_evidence_without_lengths_and_chain(form: QuoteForm) -> None:
    raw = QUOTES[form]
    quote = split_quote(raw)
    end = _signed_size(form)
    assert quote.tee is form.tee
    assert quote.body == report_body(raw) == raw[end - form.body_size : end]
    assert quote.report_data == bytes(range(64))
    assert quote.image_id == image_id(form.tee, quote.body)
    assert quote.evidence[:end] == raw[:end]
    assert quote.evidence[end : end + 128] == raw[end + 4 : end + 4 + 128]
    assert len(quote.evidence) == end + 128 + 384 + 64 + 32


@pytest.mark.parametrize("form", FORMS)
def test_certificates_are_named_by_their_signed_part(form: QuoteForm) -> None:
    quote = split_quote(QUOTES[form])
    chain = VENDOR.chain
    for seen, wanted in (
        (quote.pck, chain.pck),
        (quote.ca, chain.platform_ca),
        (quote.root, chain.root),
    ):
        assert seen is not None
        assert seen.der == wanted.der
        assert seen.id == keccak256(wanted.certificate.tbs_certificate_bytes)


@pytest.mark.parametrize("form", FORMS)
def test_a_drivers_buffer_of_zeros_is_left_out(form: QuoteForm) -> None:
    assert split_quote(QUOTES[form] + bytes(3000)) == split_quote(QUOTES[form])


@pytest.mark.parametrize("form", FORMS)
def test_other_bytes_after_the_quote_are_refused(form: QuoteForm) -> None:
    with pytest.raises(MalformedEvidence, match="not zero"):
        split_quote(QUOTES[form] + bytes(10) + b"\x01")


@pytest.mark.parametrize("form", FORMS)
def test_a_quote_cut_anywhere_is_refused(form: QuoteForm) -> None:
    raw = QUOTES[form]
    for size in (*range(0, len(raw), 97), len(raw) - 1):
        with pytest.raises(MalformedEvidence):
            split_quote(raw[:size])


def test_a_file_larger_than_any_quote_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="wanted at most 16384"):
        split_quote(QUOTES[QuoteForm.SGX_V3] + bytes(16_384))


@pytest.mark.parametrize(
    "head",
    [
        "0200020000000000",
        "0600020081000000",
        "0300030000000000",
        "0500030081000000",
        "0300020081000000",
        "0500020001000000",
    ],
)
def test_other_kinds_of_quote_are_refused(head: str) -> None:
    with pytest.raises(MalformedEvidence, match=f"begins {head}"):
        split_quote(bytes.fromhex(head) + QUOTES[QuoteForm.SGX_V3][8:])


@pytest.mark.parametrize(
    ("form", "seen"),
    [
        (QuoteForm.SGX_V5, "020048020000"),
        (QuoteForm.SGX_V5, "010048020000"),
        (QuoteForm.TDX_V5_TD10, "010080010000"),
        (QuoteForm.TDX_V5_TD10, "020088020000"),
        (QuoteForm.TDX_V5_TD15, "030048020000"),
        (QuoteForm.TDX_V5_TD15, "040088020000"),
    ],
)
def test_bodies_that_the_tee_has_not_are_refused(form: QuoteForm, seen: str) -> None:
    raw = QUOTES[form]
    with pytest.raises(MalformedEvidence, match=f"body type and size {seen}, wanted"):
        split_quote(raw[:48] + bytes.fromhex(seen) + raw[54:])


def test_other_certification_data_is_refused() -> None:
    tdx = bytearray(QUOTES[QuoteForm.TDX_V4])
    tdx[48 + 584 + 4 + 128] = 5
    with pytest.raises(MalformedEvidence, match="type 5, wanted type 6"):
        split_quote(bytes(tdx))
    sgx = bytearray(QUOTES[QuoteForm.SGX_V3])
    sgx[sgx.index(PEM) - 6] = 3
    with pytest.raises(MalformedEvidence, match="type 3, wanted type 5"):
        split_quote(bytes(sgx))


@pytest.mark.parametrize("form", FORMS)
def test_bytes_inside_the_signature_data_are_not_left_over(form: QuoteForm) -> None:
    raw = bytearray(QUOTES[form])
    where = _signed_size(form)
    (size,) = struct.unpack_from("<I", raw, where)
    struct.pack_into("<I", raw, where, size + 1)
    with pytest.raises(MalformedEvidence, match="1 bytes left over"):
        split_quote(bytes(raw) + b"\0")


def test_bytes_after_the_inner_chain_are_not_left_over() -> None:
    raw = bytearray(QUOTES[QuoteForm.TDX_V4])
    for where in (48 + 584, 48 + 584 + 4 + 128 + 2):
        (size,) = struct.unpack_from("<I", raw, where)
        struct.pack_into("<I", raw, where, size + 1)
    with pytest.raises(MalformedEvidence, match="certification data has 1 bytes left over"):
        split_quote(bytes(raw) + b"\0")


def test_authentication_data_is_limited() -> None:
    raw = bytearray(QUOTES[QuoteForm.SGX_V3])
    struct.pack_into("<H", raw, 48 + 384 + 4 + 128 + 384 + 64, 1025)
    with pytest.raises(MalformedEvidence, match="1025 bytes, wanted <= 1024"):
        split_quote(bytes(raw))


@pytest.mark.parametrize("form", FORMS)
def test_a_chain_is_of_three_certificates(form: QuoteForm) -> None:
    parts = PEM.removesuffix(b"\0").split(b"-----END CERTIFICATE-----\n")
    blocks = [part + b"-----END CERTIFICATE-----\n" for part in parts[:-1]]
    for count in (0, 1, 2, 4):
        pem = b"".join((blocks * 2)[:count])
        with pytest.raises(MalformedEvidence, match=f"chain of {count} certificates, wanted 3"):
            split_quote(_with_chain(form, pem))


@pytest.mark.parametrize("form", FORMS)
def test_line_ends_and_the_closing_nul_may_vary(form: QuoteForm) -> None:
    plain = PEM.removesuffix(b"\0")
    for pem in (plain, plain.rstrip(b"\n"), plain.replace(b"\n", b"\r\n") + b"\0"):
        assert split_quote(_with_chain(form, pem)) == split_quote(QUOTES[form])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"-----BEGIN CERTIFICATE-----\n", b"text\n-----BEGIN CERTIFICATE-----\n", "other text"),
        (b"BEGIN CERTIFICATE", b"BEGIN PUBLIC KEY!", "other text"),
        (b"\nMII", b"\n=II", "not base64"),
        (b"\nMII", b"\nAII", "wanted one DER certificate"),
        (b"\nMII", b"\n\xffII", "not ASCII"),
        (b"\n", b"\0\n", "other text"),
    ],
)
def test_other_text_in_the_chain_is_refused(old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(MalformedEvidence, match=said):
        parse_pem_chain(PEM.replace(old, new, 1))


def test_only_one_nul_may_close_the_chain() -> None:
    with pytest.raises(MalformedEvidence, match="other text"):
        parse_pem_chain(PEM + b"\0")


def test_a_certificate_is_limited() -> None:
    with pytest.raises(MalformedEvidence, match="wanted <= 4096"):
        parse_certificate(bytes(4097))


def test_bytes_after_a_certificate_are_refused() -> None:
    with pytest.raises(MalformedEvidence, match="wanted one DER certificate"):
        parse_certificate(VENDOR.chain.pck.der + b"\0")


@given(st.binary(max_size=2000))
def test_noise_is_refused_with_a_typed_error(noise: bytes) -> None:
    for form in FORMS:
        with pytest.raises(MalformedEvidence):
            split_quote(QUOTES[form][:8] + noise)
    with pytest.raises(MalformedEvidence):
        parse_certificate(noise)


@given(st.sampled_from(FORMS), st.data())
def test_an_altered_byte_is_refused_or_shows(form: QuoteForm, data: st.DataObject) -> None:
    raw = QUOTES[form]
    where = data.draw(st.integers(0, len(raw) - 1))
    value = data.draw(st.integers(1, 255))
    altered = raw[:where] + bytes((raw[where] ^ value,)) + raw[where + 1 :]
    try:
        seen = split_quote(altered)
    except MalformedEvidence:
        return
    assert seen != split_quote(raw)


def _recorded() -> Iterator[tuple[Path, dict[str, Any]]]:
    for tee in ("sgx", "tdx") if VECTORS else ():
        folder = Path(str(VECTORS)) / tee
        for case in json.loads((folder / "manifest.json").read_text()):
            if case["role"] == "evidence":
                yield folder / case["file"], case


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
@pytest.mark.parametrize(
    ("path", "case"), tuple(_recorded()), ids=lambda value: getattr(value, "name", "")
)
def test_recorded_quotes_are_split_as_the_reference_parser_reads_them(
    path: Path, case: dict[str, Any]
) -> None:
    raw = path.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == case["sha256"]
    if b"-----BEGIN" not in raw:
        # The PPID is encrypted and no chain comes with it: another format.
        with pytest.raises(MalformedEvidence, match="seen type 3, wanted type 5"):
            split_quote(raw)
        return
    quote = split_quote(raw)
    read = dcap_qvl.parse_quote(raw)
    assert quote.tee is (TeeKind.TDX if read.is_tdx() else TeeKind.SGX)
    assert quote.report_data == read.report.report_data
    pem = (read.cert_chain_pem_bytes() or b"").rstrip(b"\0")
    wanted = [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(pem)]
    assert quote.root is not None
    assert [quote.pck.der, quote.ca.der, quote.root.der] == wanted
    tail = quote.evidence[quote.evidence.index(quote.body) + len(quote.body) :]
    digest = hashlib.sha256(tail[64:128] + tail[576:]).digest()
    assert tail[128 + 320 :][:32] == digest
    _check_body(quote, case["facts"]["body"])
    # Manifests tell more of what hardware made.
    if "trust_root" not in case:
        _check_facts(quote, case["facts"], tail[128:512])
    for change in case.get("derived_negatives", ()):
        altered = bytearray(raw)
        altered[change["xor_offset"]] ^= change["xor"]
        with suppress(MalformedEvidence):
            assert split_quote(bytes(altered)).evidence != quote.evidence


#: Offsets and sizes of what the manifests tell of bodies.
FIELDS = {
    TeeKind.SGX: {
        "cpusvn": (0, 16),
        "miscselect": (16, 4),
        "attributes": (48, 16),
        "mrenclave": (64, 32),
        "mrsigner": (128, 32),
        "report_data": (320, 64),
    },
    TeeKind.TDX: {
        "tee_tcb_svn": (0, 16),
        "mrseam": (16, 48),
        "mrsignerseam": (64, 48),
        "seamattributes": (112, 8),
        "td_attributes": (120, 8),
        "xfam": (128, 8),
        "mrtd": (136, 48),
        "mrconfigid": (184, 48),
        "mrowner": (232, 48),
        "mrownerconfig": (280, 48),
        "rtmr0": (328, 48),
        "rtmr1": (376, 48),
        "rtmr2": (424, 48),
        "rtmr3": (472, 48),
        "report_data": (520, 64),
        "tee_tcb_svn_2": (584, 16),
        "mrservicetd": (600, 48),
    },
}


def _check_body(quote: DcapQuote, said: dict[str, Any]) -> None:
    """Every field of the body is where the manifest's reader found it."""
    for name, (at, size) in FIELDS[quote.tee].items():
        if at + size <= len(quote.body):
            assert quote.body[at : at + size].hex() == said[name], name


def _check_facts(quote: DcapQuote, facts: dict[str, Any], report: bytes) -> None:
    """The parts are those that the manifest says; version 5 has type and size of the body."""
    body_size = 384 if quote.tee is TeeKind.SGX else facts.get("body_size", 584)
    assert len(quote.body) == body_size
    version = facts["quote_version"]
    assert int.from_bytes(quote.evidence[:2], "little") == version
    if version == 5:
        said = struct.unpack("<HI", quote.evidence[48:54])
        assert said == (facts["body_type"], facts["body_size"])
    for name in ("mrsigner", "mrenclave", "attributes"):
        at, size = FIELDS[TeeKind.SGX][name]
        assert report[at : at + size].hex() == facts["qe_report"][name], name


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
def test_recorded_quotes_come_in_every_version() -> None:
    assert {path.read_bytes()[0] for path, _ in _recorded()} == {3, 4, 5}


def test_base64_has_no_unused_bits() -> None:
    assert base64.b64decode("AB==") == base64.b64decode("AA==")
    with pytest.raises(MalformedEvidence, match="canonical"):
        parse_pem_chain(b"-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n")


def test_a_carriage_return_ends_no_line() -> None:
    with pytest.raises(MalformedEvidence, match="other text"):
        parse_pem_chain(PEM.replace(b"-----\n-----", b"-----\r-----", 1))


@pytest.mark.parametrize("form", FORMS)
def test_registered_evidence_is_joined_with_the_certificates_it_lacks(form: QuoteForm) -> None:
    quote = split_quote(QUOTES[form])
    joined = parse_evidence(quote.evidence, pck=quote.pck, ca=quote.ca)
    assert joined == replace(quote, root=None)


def test_registered_evidence_of_another_machine_is_refused() -> None:
    quote = split_quote(QUOTES[FORMS[0]])
    other = parse_certificate(SiliconVendor(now=NOW).chain.pck.der)
    with pytest.raises(SignatureInvalid, match="QE report, by the machine: not signed"):
        parse_evidence(quote.evidence, pck=other, ca=quote.ca)


def test_registered_evidence_of_another_form_is_refused() -> None:
    quote = split_quote(QUOTES[FORMS[0]])
    certificates = {"pck": quote.pck, "ca": quote.ca}
    for size in (40, 400, 800, 1_000):
        with pytest.raises(MalformedEvidence, match="ends at"):
            parse_evidence(quote.evidence[:size], **certificates)
    with pytest.raises(MalformedEvidence, match="authentication data of more than 1024 bytes"):
        parse_evidence(quote.evidence + bytes(1_024), **certificates)


def test_a_machine_with_another_kind_of_key_is_refused() -> None:
    quote = split_quote(QUOTES[FORMS[0]])
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "machine")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, None)
    )
    pck = parse_certificate(certificate.public_bytes(Encoding.DER))
    with pytest.raises(MalformedEvidence, match="no elliptic curve"):
        parse_evidence(quote.evidence, pck=pck, ca=quote.ca)
