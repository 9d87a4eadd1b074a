"""Intel SGX: quotes of enclaves, versions 3, 4 and 5.

Reference: Intel SGX ECDSA QuoteLib reference, tables 2 to 9; Intel TDX DCAP Quoting Library API,
appendix 3 (versions 4 and 5); Intel SDM volume 3D, section 37.7 (ATTRIBUTES).
"""

from typing import Final

from enclave.domain.evidence import TeeKind
from oracle.attestation.claims import Claims, DebugState, Measurement, Tee
from oracle.attestation.codecs.quote_tree import show_quote
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence
from oracle.attestation.findings import Step
from oracle.attestation.roots import Roots
from oracle.attestation.tees.intel_quote import FRESHNESS, numbered_steps, verify_quote

STEPS: Final[tuple[Step, ...]] = numbered_steps("sgx")

#: Bits of ATTRIBUTES.
_INIT, _DEBUG, _PROVISION_KEY, _EINITTOKEN_KEY = 0x01, 0x02, 0x10, 0x20
#: What an enclave that is none of the platform's own has of these.
_PRODUCTION = _INIT | _PROVISION_KEY | _EINITTOKEN_KEY
_MEASUREMENTS: Final = (("mrenclave", "sha256"), ("mrsigner", "sha256"), ("configid", ""))
_NUMBERS: Final = ("isvprodid", "isvsvn", "configsvn")
_RAW: Final = ("attributes", "miscselect", "cpusvn", "isvextprodid", "isvfamilyid")


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that an enclave's quote is genuine.

    1. quote-format: one whole quote of version 3, 4 or 5 with certification data of type 5, at most
       16,384 bytes, made by Intel's quoting enclave; its first certificate is a PCK certificate.
    2. collateral-format: `Endorsements.intel` has TCB information, quoting enclave identity, each
       with signature and signer, and both revocation lists, in Intel's form.
    3. trusted-root: the chains of the three end at one root of `Anchors.INTEL_SGX`.
    4. validity: `now` is in the window of every certificate, list and document.
    5. pck-chain: the root issued the CA, and the CA the PCK certificate.
    6. revocation: root and CA signed their lists, which name neither certificate.
    7. collateral-signature: a signer that the root issued and did not revoke signed both documents.
    8. qe-report-signature: the PCK signed the quoting enclave's report.
    9. qe-report-binding: that is SHA-256 of attestation key and authentication data, and zeros.
    10. quote-signature: the attestation key signed header and body.
    11. qe-identity: MISCSELECT, ATTRIBUTES, MRSIGNER, ISVPRODID are those of the identity.
    12. tcb-info: FMSPC and PCE id are those of the PCK certificate.
    13. tcb-level: quoting enclave and platform meet a level; statuses are merged.
    14. second-opinion: dcap-qvl finds the same status, advisories and platform id.

    Not established: when the quote was made, and that nothing newer than the collateral exists.
    Debug mode, attributes, TCB status and measurements are claims for a policy to judge.

    Args:
        evidence: The quote; bytes after it have to be zeros.
        endorsements: Its `intel` fields alone.
        roots: Trusted.
        now: Seconds since the epoch.

    Raises:
        Refusal: Malformed, Unsigned, Expired or Unacceptable, with its step.
    """
    # 1. to 14. are those of every quote.
    genuine = verify_quote(
        evidence, endorsements, tee=TeeKind.SGX, steps=STEPS, roots=roots, now=now
    )
    body = genuine.body
    flags = body["attributes"][0]
    measurements = (Measurement(name, kind, body[name]) for name, kind in _MEASUREMENTS)
    numbers = {name: int.from_bytes(body[name], "little") for name in _NUMBERS}
    return Claims(
        format=evidence.format,
        tee=Tee.SGX,
        root_id=genuine.root.id,
        measurements=tuple(measurements),
        tcb=genuine.tcb,
        debug=DebugState.ENABLED if flags & _DEBUG else DebugState.DISABLED_SINCE_BOOT,
        hardware_id=genuine.machine.ppid,
        report_data=body["report_data"],
        issued_at=None,
        expires_at=genuine.expires_at,
        facts=genuine.facts
        | numbers
        | {name: body[name] for name in _RAW}
        | {
            "init": bool(flags & _INIT),
            "provisioning-key": bool(flags & _PROVISION_KEY),
            "einittoken-key": bool(flags & _EINITTOKEN_KEY),
            "production-attributes": flags & _PRODUCTION == _INIT,
        },
        unchecked=(*genuine.unchecked, *FRESHNESS),
    )


def show(evidence: Evidence) -> Node:
    """The quote as a tree; nothing is verified.

    Raises:
        MalformedEvidence: Not a quote.
    """
    return show_quote(evidence.raw)
