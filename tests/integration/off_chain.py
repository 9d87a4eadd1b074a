"""The verifier's own verdict on a recorded quote, without a chain."""

from oracle.attestation import tees
from oracle.attestation.appraisal.appraise import appraise
from oracle.attestation.appraisal.policy import ANY_ADVISORY
from oracle.attestation.appraisal.policy import Policy as Rules
from oracle.attestation.claims import Claims
from oracle.attestation.codecs.tcb_tables import STATUS_NAMES
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.findings import Refusal
from oracle.attestation.roots import Anchors, Root, Roots
from tests.integration.recorded_evidence import Policy, Recorded

_FORMATS = {False: EvidenceFormat.SGX_QUOTE, True: EvidenceFormat.TDX_QUOTE}


def verified(case: Recorded, raw: bytes) -> Claims | Refusal:
    """What a quote proves under the case's collateral and root, or why it proves nothing."""
    evidence = Evidence(_FORMATS[raw[4:8] == b"\x81\0\0\0"], raw)
    roots = Roots((Root(Anchors.INTEL_SGX, "recorded", case.root),))
    endorsements = Endorsements(intel=case.fields or {})
    try:
        return tees.verify(evidence, endorsements, roots=roots, now=case.now or 0)
    except Refusal as refusal:
        return refusal


def accepts(case: Recorded, found: Claims | Refusal, policy: Policy) -> bool:
    """Whether a policy that demands what the contracts do takes the claims."""
    if isinstance(found, Refusal):
        return False
    rules = Rules(
        statuses=frozenset(STATUS_NAMES[status] for status in policy.statuses),
        advisories=frozenset({ANY_ADVISORY}),
        denied_advisories=policy.denied,
    )
    return appraise(found, rules, (), now=case.now or 0).is_accepted
