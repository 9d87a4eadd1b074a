"""Every signature behind one of Intel's ECDSA quotes, one by one, each in its step.

Reference: Intel SGX ECDSA QuoteLib reference, section 4.4 of appendix A; Intel SGX PCK Certificate
and CRL Profile Specification, revision 1.5, section 1.3.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from enclave.domain.errors import SignatureInvalid
from oracle.attestation.codecs.certificates import serial_of
from oracle.attestation.codecs.chains import check_revocation, verify_chain
from oracle.attestation.codecs.dcap import DcapQuote, require_signed
from oracle.attestation.codecs.intel_collateral import IntelCollateral
from oracle.attestation.codecs.pck import Machine
from oracle.attestation.findings import Remedy, Step, Unsigned, performing
from oracle.attestation.roots import Root

_QE_REPORT_DATA = slice(320, 384)


@dataclass(frozen=True, slots=True)
class QuoteCase:
    """What there is to check.

    Attributes:
        raw: The quote's file.
        quote: Taken apart.
        machine: What the PCK certificate says.
        collateral: Taken apart.
        root: At which all chains end, by their own account.
        now: Seconds since the epoch.
    """

    raw: bytes
    quote: DcapQuote
    machine: Machine
    collateral: IntelCollateral
    root: Root
    now: int


def check_signatures(case: QuoteCase, steps: tuple[Step, ...]) -> None:
    """Steps 5 to 10, one by one.

    Args:
        case: In date; its root is trusted.
        steps: Of the verifier.

    Raises:
        Refusal: Of some kind, with its step.
    """
    quote, collateral = case.quote, case.collateral
    pck, ca, root = quote.pck.parsed, quote.ca.parsed, case.root.certificate
    # 5. pck-chain
    with performing(steps[4], subject="certificate of the machine"):
        chain = verify_chain(pck, (ca,), (root,), now=case.now)
    # 6. revocation
    with performing(steps[5], subject="certificate of the machine"):
        lists = (collateral.root_crl, collateral.pck_crl)
        _require_lists(check_revocation(chain, lists, now=case.now).has_crls)
    # 7. collateral-signature
    with performing(steps[6], subject="collateral", remedy=Remedy.REFRESH_COLLATERAL):
        _require_collateral_signatures(collateral, case)
    # 8. qe-report-signature
    with performing(steps[7], subject="quoting enclave's report"):
        require_signed(quote.qe_report, quote.qe_signature, pck.public_key(), what="by the machine")
    # 9. qe-report-binding
    with performing(steps[8], subject="quoting enclave's report data", remedy=Remedy.NEW_EVIDENCE):
        bound = hashlib.sha256(quote.attestation_key + quote.qe_auth).digest() + bytes(32)
        if quote.qe_report[_QE_REPORT_DATA] != bound:
            seen = quote.qe_report[_QE_REPORT_DATA].hex()
            raise SignatureInvalid(f"report data are {seen}, wanted {bound.hex()}")
    # 10. quote-signature
    with performing(steps[9], subject="quote"):
        _require_quote_signature(quote)


def _require_lists(has_crls: tuple[bool, ...]) -> None:
    if not all(has_crls):
        raise Unsigned(
            "a list that another authority signed",
            "the root's list and that of the CA which issued the machine's certificate",
            subject="revocation list",
            remedy=Remedy.REFRESH_COLLATERAL,
        )


def _require_collateral_signatures(collateral: IntelCollateral, case: QuoteCase) -> None:
    documents = {
        "TCB information": collateral.info_signed,
        "quoting enclave identity": collateral.identity_signed,
    }
    for signer in dict.fromkeys(signed.signer for signed in documents.values()):
        verify_chain(signer, (), (case.root.certificate,), now=case.now)
        # The list is the root's: step 6 has established it.
        if collateral.root_crl.get_revoked_certificate_by_serial_number(serial_of(signer)):
            raise SignatureInvalid(f"serial {serial_of(signer):#x} is on the root's list")
    for name, signed in documents.items():
        key, text = signed.signer.public_key(), signed.text
        require_signed(text.text, text.signature, key, what=f"{name}, by the TCB signer")


def _require_quote_signature(quote: DcapQuote) -> None:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), b"\x04" + quote.attestation_key
        )
    except ValueError as error:
        raise SignatureInvalid("the attestation key is no point of P-256") from error
    require_signed(quote.signed, quote.signature, key, what="by the attestation key")
