"""The checks of one module of the evidence: what protects it, and how."""

from collections.abc import Callable, Iterator
from typing import Final

from oracle.attestation.appraisal.policy import ANY_ADVISORY, Policy
from oracle.attestation.appraisal.result import Judgement, Verdict
from oracle.attestation.claims import Claims, DebugState, Tee
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Remedy

_INTEL: Final = (EvidenceFormat.SGX_QUOTE, EvidenceFormat.TDX_QUOTE)
_TPM: Final = (EvidenceFormat.TPM_QUOTE, EvidenceFormat.GOOGLE_VTPM)
_NOT_DEBUGGED: Final = (
    DebugState.DISABLED,
    DebugState.DISABLED_SINCE_BOOT,
    DebugState.DISABLED_PERMANENTLY,
)
#: Google's tokens say more than that debugging is off now: it never was on.
_SINCE_BOOT: Final = (DebugState.DISABLED_SINCE_BOOT,)
_ABSENT: Final = "absent"

#: Intel's words; where there is something to do besides waiting.
_STATUS_REMEDIES: Final = {
    "OutOfDate": Remedy.UPDATE_FIRMWARE,
    "OutOfDateConfigurationNeeded": Remedy.UPDATE_FIRMWARE,
    "ConfigurationNeeded": Remedy.RECONFIGURE_PLATFORM,
    "Revoked": Remedy.REPLACE_MACHINE,
}

Rule = Callable[[Claims, Policy], Iterator[Judgement]]


def holds(
    subject: str,
    is_met: bool,
    seen: object,
    wanted: object,
    remedy: Remedy,
    reason: str = "",
) -> Judgement:
    """A judgement that has been made; remedy and reason are those of a failure."""
    if is_met:
        return Judgement(Verdict.PASSED, subject, str(seen), str(wanted))
    return Judgement(Verdict.FAILED, subject, str(seen), str(wanted), reason, remedy)


def skipped(subject: str, reason: str) -> Judgement:
    """A check that could not be, or was not asked to be, made."""
    return Judgement(Verdict.UNCHECKED, subject, reason=reason)


def debug(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """No debugger can read or change what runs."""
    is_token = claims.format is EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN
    if claims.tee is Tee.TPM and claims.debug is DebugState.UNKNOWN and not is_token:
        return
    accepted: tuple[DebugState, ...] = _SINCE_BOOT if is_token else _NOT_DEBUGGED
    if policy.allow_debug:
        accepted = tuple(DebugState)
    remedy = Remedy.RELAUNCH_GUEST if is_token else Remedy.PRODUCTION_MODE
    yield holds(
        "debug state", claims.debug in accepted, claims.debug, " or ".join(accepted), remedy
    )
    image = claims.measurement("pcr0")
    if claims.format is EvidenceFormat.NITRO_DOCUMENT and image is not None:
        is_met = policy.allow_debug or any(image)
        yield holds("pcr0", is_met, image.hex(), "not all zero", Remedy.PRODUCTION_MODE)


def status(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """The vendor's word for the firmware's level is an accepted one."""
    tcb = claims.tcb
    if tcb is not None and tcb.status:
        yield holds(
            "TCB status",
            tcb.status in policy.statuses,
            tcb.status,
            " or ".join(sorted(policy.statuses)),
            _STATUS_REMEDIES.get(tcb.status, Remedy.AWAIT_TCB_RECOVERY),
            str(claims.facts.get("tcb-shortfall", "")),
        )
    elif claims.format in _INTEL:
        yield holds("TCB status", False, _ABSENT, "a status", Remedy.REFRESH_COLLATERAL)
    elif claims.tee is not Tee.TPM and not _minimum(claims, policy):
        yield skipped(
            "firmware level",
            "this vendor states no status of a firmware level, and the policy no minimum: the"
            " firmware may have known faults",
        )


def advisories(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """Every open advisory of the firmware's level is accepted."""
    for advisory in claims.tcb.advisories if claims.tcb else ():
        is_allowed = ANY_ADVISORY in policy.advisories or advisory in policy.advisories
        yield holds(
            f"advisory {advisory}",
            is_allowed and advisory not in policy.denied_advisories,
            "open",
            "closed, or allowed by the policy",
            Remedy.AWAIT_TCB_RECOVERY,
        )


def minimum(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """Each component of the firmware is at least as new as the policy wants."""
    components = claims.tcb.components if claims.tcb else {}
    for name, least in _minimum(claims, policy).items():
        seen = components.get(name)
        yield holds(
            f"TCB component {name}",
            seen is not None and seen >= least,
            _ABSENT if seen is None else seen,
            f"at least {least}",
            Remedy.UPDATE_FIRMWARE,
        )


def evaluation_number(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """Intel's collateral is of the evaluation wanted, or of a later one."""
    least = policy.minimum_evaluation_number
    if least is None or claims.format not in _INTEL:
        return
    seen = claims.tcb.evaluation_number if claims.tcb else None
    yield holds(
        "TCB evaluation data number",
        seen is not None and seen >= least,
        _ABSENT if seen is None else seen,
        f"at least {least}",
        Remedy.REFRESH_COLLATERAL,
    )


def trust_domain(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """A TDX guest handles no page that the host took away, and no service TD is bound to it."""
    if claims.format is EvidenceFormat.TDX_QUOTE and policy.require_sept_ve_disable:
        yield _fact(claims, "sept-ve-disable", True, Remedy.RELAUNCH_GUEST)
    service = claims.measurement("mrservicetd")
    if service is not None and policy.require_mrservicetd_zero:
        yield holds(
            "mrservicetd",
            not any(service),
            service.hex(),
            f"{len(service)} zero bytes",
            Remedy.RELAUNCH_GUEST,
        )


def attributes(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """An enclave or trust domain has the attributes of one for production, as on the chain."""
    if claims.format in _INTEL and policy.require_production_attributes:
        yield _fact(claims, "production-attributes", True, Remedy.RELAUNCH_GUEST)


def guest_policy(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """An SNP guest's launch policy and privilege level are accepted."""
    is_report = claims.format is EvidenceFormat.SNP_REPORT
    if is_report or "vmpl" in claims.facts:
        seen = claims.facts.get("vmpl", _ABSENT)
        wanted = " or ".join(str(level) for level in sorted(policy.vmpls))
        yield holds("vmpl", seen in policy.vmpls, seen, wanted, Remedy.NEW_EVIDENCE)
    for name, bit, is_demanded in (
        ("policy-migrate-ma", False, not policy.allow_migration_agent),
        ("policy-reserved-17", True, policy.require_policy_bit_17),
        ("policy-smt", False, not policy.allow_smt),
    ):
        if is_demanded and (is_report or name in claims.facts):
            yield _fact(claims, name, bit, Remedy.RELAUNCH_GUEST)


def product_line(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """The processor is of no banned product line."""
    banned = policy.banned_product_lines
    if claims.tee not in (Tee.SNP, Tee.SEV) or claims.submodules or not banned:
        return
    seen = claims.facts.get("product-line")
    if seen is None and claims.format is not EvidenceFormat.SNP_REPORT:
        yield skipped(
            "product line",
            f"the evidence does not name the processor's; {', '.join(sorted(banned))} is banned",
        )
        return
    wanted = f"none of {', '.join(sorted(banned))}"
    is_met = seen is not None and seen not in banned
    reason = banned.get(str(seen), "")
    shown = _ABSENT if seen is None else seen
    yield holds("product line", is_met, shown, wanted, Remedy.OTHER_HARDWARE, reason)


def nonce(claims: Claims, policy: Policy) -> Iterator[Judgement]:
    """A TPM's quote answers a nonce."""
    if claims.format in _TPM and policy.require_nonce:
        yield _fact(claims, "nonce-present", True, Remedy.FRESH_NONCE)


#: What each check is called and what holds once it has passed.
MODULE_RULES: Final[tuple[tuple[str, str, Rule], ...]] = (
    ("debug", "No debugger can read or change what runs.", debug),
    ("tcb-status", "The vendor knows no fault of the platform's firmware level.", status),
    ("advisories", "Every open security advisory is one that the policy accepts.", advisories),
    ("minimum-tcb", "Each part of the firmware is as new as the policy wants.", minimum),
    (
        "evaluation-number",
        "The vendor's judgement of the firmware is as recent as the policy wants.",
        evaluation_number,
    ),
    (
        "trust-domain",
        "The host can neither take pages from the guest unseen nor bind a service to it.",
        trust_domain,
    ),
    (
        "attributes",
        "The code is an ordinary enclave or guest, which nothing else may move or weaken.",
        attributes,
    ),
    (
        "guest-policy",
        "The guest was launched with the protection, and asks with the privilege, wanted.",
        guest_policy,
    ),
    ("product-line", "The processor's keys are not known to be extractable.", product_line),
    ("nonce", "The quote was made for somebody who asked.", nonce),
)


def _minimum(claims: Claims, policy: Policy) -> dict[str, int]:
    """The components' minima for what these claims are of."""
    groups = (str(claims.tee), str(claims.facts.get("product-line", "")))
    found: dict[str, int] = {}
    for group in groups:
        found |= policy.minimum_tcb.get(group, {})
    return found


def _fact(claims: Claims, name: str, wanted: bool, remedy: Remedy) -> Judgement:
    seen = claims.facts.get(name)
    shown = _ABSENT if seen is None else seen
    return holds(name, seen is wanted, shown, wanted, remedy)
