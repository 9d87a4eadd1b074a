"""Intel TDX: quotes of trust domains, version 4 and 5, TD 1.0 and 1.5, with their event logs.

Reference: Intel TDX DCAP Quoting Library API, appendix 3; Intel TDX Module ABI specification,
"ATTRIBUTES" and TDREPORT; Intel TDX Guest-Hypervisor Communication Interface, section 4.3.3 (CCEL).
"""

from typing import Final

from enclave.domain.errors import SignatureInvalid
from enclave.domain.evidence import TeeKind
from oracle.attestation.claims import Claims, DebugState, Fact, Measurement, Tee, Unchecked
from oracle.attestation.codecs.event_log import parse_event_log, replay, show_event_log
from oracle.attestation.codecs.quote_tree import show_quote
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, Part
from oracle.attestation.findings import Remedy, Step, performing
from oracle.attestation.roots import Roots
from oracle.attestation.tees.intel_quote import (
    FRESHNESS,
    GenuineQuote,
    numbered_steps,
    verify_quote,
)

STEPS: Final[tuple[Step, ...]] = numbered_steps(
    "tdx", ("event-log", "The event log, if there is one, replays to RTMR0 to RTMR3.")
)

#: Bits of TDATTRIBUTES; the first eight open the domain to a debugger or to profiling.
_UNDER_DEBUG = 0xFF
#: Those that make a domain no weaker, whatever they are: ICSSD, LASS, PKS, PERFMON; and two that
#: have claims of their own.
_HARMLESS = 1 << 16 | 1 << 27 | 1 << 30 | 1 << 63 | 1 << 28 | _UNDER_DEBUG
_FLAGS: Final = {
    "sept-ve-disable": 28,
    "migratable": 29,
    "service-td-extension": 17,
    "protection-keys": 30,
    "key-locker": 31,
    "performance-counters": 63,
}
_MEASUREMENTS: Final = (
    ("mrtd", "sha384"),
    ("rtmr0", "sha384"),
    ("rtmr1", "sha384"),
    ("rtmr2", "sha384"),
    ("rtmr3", "sha384"),
    ("mrseam", "sha384"),
    ("mrsignerseam", "sha384"),
    ("mrconfigid", ""),
    ("mrowner", ""),
    ("mrownerconfig", ""),
    ("mrservicetd", "sha384"),
)
_RTMR_SIZE = 48
#: Registers as a CCEL numbers them; 0 would be MRTD, which no event extends.
_RTMRS: Final = {1: "rtmr0", 2: "rtmr1", 3: "rtmr2", 4: "rtmr3"}


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that a trust domain's quote is genuine.

    1. quote-format: one whole quote of version 4 or 5 with certification data of type 5, at most
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
    13. tcb-level: quoting enclave, platform and TDX module (whose MRSIGNERSEAM and SEAMATTRIBUTES
        are Intel's) meet a level, under the module that the domain began with and the present one;
        statuses are merged.
    14. second-opinion: dcap-qvl finds the same status, advisories and platform id.
    15. event-log: `Part.EVENT_LOG`, if given, replays to the four RTMRs of the quote.

    Not established: when the quote was made, that nothing newer than the collateral exists, and
    what the data of events say. Debug mode, attributes, service domains, TCB status and
    measurements are claims for a policy to judge.

    Args:
        evidence: The quote; bytes after it have to be zeros. `Part.EVENT_LOG` is optional.
        endorsements: Its `intel` fields alone.
        roots: Trusted.
        now: Seconds since the epoch.

    Raises:
        Refusal: Malformed, Unsigned, Expired or Unacceptable, with its step.
    """
    # 1. to 14. are those of every quote.
    genuine = verify_quote(
        evidence, endorsements, tee=TeeKind.TDX, steps=STEPS, roots=roots, now=now
    )
    # 15. event-log
    with performing(STEPS[14], subject="event log", remedy=Remedy.NEW_EVIDENCE):
        unexplained = _replay(evidence.parts.get(Part.EVENT_LOG), genuine)
    body = genuine.body
    measurements = ((name, kind) for name, kind in _MEASUREMENTS if name in body)
    is_open = body["td_attributes"][0] & _UNDER_DEBUG
    return Claims(
        format=evidence.format,
        tee=Tee.TDX,
        root_id=genuine.root.id,
        measurements=tuple(Measurement(name, kind, body[name]) for name, kind in measurements),
        tcb=genuine.tcb,
        debug=DebugState.ENABLED if is_open else DebugState.DISABLED_SINCE_BOOT,
        hardware_id=genuine.machine.ppid,
        report_data=body["report_data"],
        issued_at=None,
        expires_at=genuine.expires_at,
        facts=genuine.facts | _facts(genuine),
        unchecked=(*genuine.unchecked, *unexplained, *_unbound(genuine), *FRESHNESS),
    )


def show(evidence: Evidence) -> Node:
    """The quote, and the event log if it is given, as a tree; nothing is verified.

    Raises:
        MalformedEvidence: Not a quote, or not a log.
    """
    quote, log = show_quote(evidence.raw), evidence.parts.get(Part.EVENT_LOG)
    if log is None:
        return quote
    return Node("evidence", children=(quote, show_event_log(log)))


def _facts(genuine: GenuineQuote) -> dict[str, Fact]:
    body = genuine.body
    attributes = int.from_bytes(body["td_attributes"], "little")
    flags: dict[str, Fact] = {name: bool(attributes >> bit & 1) for name, bit in _FLAGS.items()}
    raw = {"td-attributes": "td_attributes", "xfam": "xfam", "seamattributes": "seamattributes"}
    flags["production-attributes"] = attributes & ~_HARMLESS == 0
    return flags | {name: body[field] for name, field in raw.items()}


def _replay(raw: bytes | None, genuine: GenuineQuote) -> tuple[Unchecked, ...]:
    """That the log explains the registers; what is left unchecked."""
    if raw is None:
        reason = "none was given: what RTMR0 to RTMR3 were extended with is not explained"
        return (Unchecked("event log", reason),)
    found = replay(parse_event_log(raw), "sha384")
    if strange := found.keys() - _RTMRS.keys():
        raise SignatureInvalid(f"extends registers {sorted(strange)}, wanted 1 to 4")
    for register, name in _RTMRS.items():
        value = found.get(register, bytes(_RTMR_SIZE))
        if value != genuine.body[name]:
            seen, wanted = value.hex(), genuine.body[name].hex()
            raise SignatureInvalid(f"{name} replays to {seen}, wanted {wanted} as in the quote")
    reason = "the quote covers the digests of events; what their data say was not held against them"
    return (Unchecked("data of events", reason),)


def _unbound(genuine: GenuineQuote) -> tuple[Unchecked, ...]:
    """A TD 1.0 report does not tell of service domains."""
    if "mrservicetd" in genuine.body:
        return ()
    reason = "a TD 1.0 report does not say whether one is bound that could move the domain"
    return (Unchecked("service domain", reason),)
