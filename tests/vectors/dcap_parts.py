"""Evidence put together from its parts, each of which can be another than the vendor's."""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from oracle.attestation.codecs.dcap import DcapQuote, parse_certificate
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.pki import Authority, Chain
from oracle.devnet.silicon.quotes import ModuleVersions, QuoteForm

MEASUREMENT = hashlib.sha384(b"an image for tests").digest()
_QE_REPORT_SIZE = 384
#: Signature of the quote and attestation key, then the QE report.
_BEFORE_QE_REPORT = 128


@dataclass(frozen=True, slots=True)
class Parts:
    """What a piece of evidence is put together from."""

    form: QuoteForm
    body: bytes
    mrsigner: bytes = quotes.QE_MRSIGNER
    product: int | None = None
    attributes: bytes = quotes.QE_ATTRIBUTES
    miscselect: bytes = bytes(4)
    svn: int = quotes.QE_SVN
    binding_tail: bytes = bytes(32)
    auth: bytes = bytes(range(32))
    bind_other_key: bool = False
    vendor_id: bytes = quotes.QE_VENDOR_ID
    point: bytes | None = None


def evidence(parts: Parts, pck: ec.EllipticCurvePrivateKey) -> bytes:
    """On-chain evidence with a new attestation key, certified by `pck`."""
    key = ec.generate_private_key(ec.SECP256R1())
    bound = ec.generate_private_key(ec.SECP256R1()) if parts.bind_other_key else key
    shown = parts.point or quotes.raw_public_key(key)
    named = parts.point or quotes.raw_public_key(bound)
    binding = hashlib.sha256(named + parts.auth).digest()
    report = quotes.sgx_report_body(
        cpu_svn=bytes(16),
        attributes=parts.attributes,
        mrenclave=quotes.QE_MRENCLAVE,
        mrsigner=parts.mrsigner,
        product=quotes.QE_PRODUCT[parts.form.tee] if parts.product is None else parts.product,
        svn=parts.svn,
        report_data=binding + parts.binding_tail,
    )
    report = report[:16] + parts.miscselect + report[20:]
    head = parts.form.head(qe_svn=0, pce_svn=0, vendor_id=parts.vendor_id, user_data=bytes(20))
    signed = head + parts.body
    return b"".join(
        (
            signed,
            quotes.raw_signature(key, signed),
            shown,
            report,
            quotes.raw_signature(pck, report),
            parts.auth,
        )
    )


def quote_of(parts: Parts, made: bytes, chain: Chain, pck: Authority) -> DcapQuote:
    """Evidence as if it had been split from a whole quote."""
    start = made.index(parts.body) + len(parts.body) + _BEFORE_QE_REPORT
    ids = [parse_certificate(each.der) for each in (pck, chain.platform_ca, chain.root)]
    report = made[start : start + _QE_REPORT_SIZE]
    return DcapQuote(parts.form.tee, parts.body, made, report, *ids)


def sgx_body(attributes: bytes = quotes.ENCLAVE_ATTRIBUTES, data: bytes = bytes(64)) -> bytes:
    """Report body of the test image."""
    return quotes.sgx_report_body(
        cpu_svn=bytes(range(16)),
        attributes=attributes,
        mrenclave=MEASUREMENT[:32],
        mrsigner=quotes.ENCLAVE_MRSIGNER,
        product=0,
        svn=0,
        report_data=data,
    )


def tdx_body(
    attributes: bytes = quotes.TD_ATTRIBUTES,
    data: bytes = bytes(64),
    *,
    svns: bytes = quotes.TEE_TCB_SVN,
    present: bytes | None = None,
    seam: bytes = bytes(56),
) -> bytes:
    """TD report body of the test image.

    Args:
        attributes: TDATTRIBUTES.
        data: Report data.
        svns: TEE_TCB_SVN.
        present: TEE_TCB_SVN2 of a TD 1.5 body; without it the body is TD 1.0's.
        seam: MRSIGNERSEAM and SEAMATTRIBUTES.
    """
    body = quotes.td_report_body(
        tee_tcb_svn=svns, td_attributes=attributes, mrtd=MEASUREMENT, report_data=data
    )
    body = body[:64] + seam + body[120:]
    return body if present is None else quotes.td15_report_body(body, tee_tcb_svn_2=present)


def body_of(
    form: QuoteForm, *, data: bytes = bytes(64), module: ModuleVersions = quotes.SAME_MODULE
) -> bytes:
    """Report body of the test image in one of the forms."""
    return quotes.enclave_body(
        form, cpu_svn=bytes(range(16)), measurement=MEASUREMENT, data=data, module=module
    )
