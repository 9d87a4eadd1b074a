"""Claims against a policy and reference values: every check, whatever the others came to."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from oracle.attestation.appraisal.checks import MODULE_RULES, holds, skipped
from oracle.attestation.appraisal.policy import Policy, ReferenceImage, loosenings
from oracle.attestation.appraisal.result import AttestationResult, Check, Judgement, modules
from oracle.attestation.claims import Claims, Tee
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Remedy, Step
from oracle.attestation.roots.issuers import AZURE_SHARED, GOOGLE

#: Accepted issuers of tokens, unless a policy pins others: services whose rules their vendor sets.
KNOWN_ISSUERS: Final = {
    EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN: frozenset(GOOGLE),
    EvidenceFormat.MAA_TOKEN: frozenset(AZURE_SHARED),
}
_MAX_LISTED: Final = 3
_ABSENT: Final = "absent"
#: What a platform leaves open that is not a confidential machine by itself.
_UNPROTECTED: Final = {
    Tee.TPM: "a TPM alone says what was booted; it protects nothing that runs from its host",
    Tee.SEV: "SEV without SNP encrypts memory but does not protect its integrity: the host can"
    " replay and remap it",
}


def appraise(
    claims: Claims,
    policy: Policy,
    reference_values: Sequence[ReferenceImage],
    *,
    now: int,
) -> AttestationResult:
    """Say whether what the evidence proves is acceptable.

    1. What the evidence as a whole says: TEE, format, image, machine, issuer, audience, report
       data, age, validity.
    2. What each module of it says, those of submodules too: debug state, firmware, launch policy.

    Args:
        claims: As a verifier of `tees` returned them; unverified claims prove nothing.
        policy: What is acceptable.
        reference_values: Known builds; any one of them must match. None: the image is unchecked.
        now: Moment of appraisal, seconds since the epoch.

    Returns:
        Every check with what it came to, also after a failure. `require()` raises for it.
    """
    checks: list[Check] = []
    # 1.
    for step, rule in zip(STEPS, _WHOLE_RULES, strict=False):
        judged = rule[2](claims, policy, reference_values, now)
        checks += [Check(step, "", judgement) for judgement in judged]
    # 2.
    for step, (_, _, judge) in zip(STEPS[len(_WHOLE_RULES) :], MODULE_RULES, strict=True):
        for path, module in modules(claims):
            checks += [Check(step, path, judgement) for judgement in judge(module, policy)]
    return AttestationResult(claims, tuple(checks), loosenings(policy))


_WholeRule = Callable[[Claims, Policy, Sequence[ReferenceImage], int], Iterator[Judgement]]


def _tee(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], __: int
) -> Iterator[Judgement]:
    wanted = policy.tees or frozenset(Tee)
    yield holds(
        "TEE", claims.tee in wanted, claims.tee, " or ".join(sorted(wanted)), Remedy.OTHER_PLATFORM
    )
    if claims.tee in _UNPROTECTED:
        yield skipped("isolation", _UNPROTECTED[claims.tee])


def _format(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], __: int
) -> Iterator[Judgement]:
    if policy.formats:
        wanted = " or ".join(sorted(policy.formats))
        is_met = claims.format in policy.formats
        yield holds("format", is_met, claims.format, wanted, Remedy.OTHER_PLATFORM)


def _image(
    claims: Claims, policy: Policy, images: Sequence[ReferenceImage], now: int
) -> Iterator[Judgement]:
    """The registers of the nearest image, one judgement each."""
    del policy, now
    if not images:
        yield skipped(
            "image",
            "no reference values were given: the evidence says which code runs, and nothing here"
            " says that it is the right one",
        )
        return
    seen = _registers(claims)
    nearest = min(images, key=lambda image: len(_differing(image, seen)))
    for name, wanted in nearest.measurements.items():
        values = seen.get(name, [])
        yield holds(
            f"{name} of image {nearest.name}",
            wanted in values,
            " or ".join(value.hex() for value in values) or _ABSENT,
            wanted.hex(),
            Remedy.ADD_IMAGE,
        )


def _registers(claims: Claims) -> dict[str, list[bytes]]:
    """Values by name; a register may be there in several algorithms."""
    found: dict[str, list[bytes]] = {}
    for path, module in modules(claims):
        for measured in module.measurements:
            name = f"{path}/{measured.name}" if path else measured.name
            found.setdefault(name, []).append(measured.value)
    return found


def _differing(image: ReferenceImage, seen: dict[str, list[bytes]]) -> list[str]:
    wanted = image.measurements.items()
    return [name for name, value in wanted if value not in seen.get(name, [])]


def _platform(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], __: int
) -> Iterator[Judgement]:
    if not policy.platform_ids:
        yield skipped(
            "machine",
            "the policy lists no machines: any genuine one is accepted, also one whose owner has"
            " opened it",
        )
        return
    wanted = f"one of {len(policy.platform_ids)} listed"
    is_met = bool(claims.hardware_id) and claims.hardware_id in policy.platform_ids
    shown = claims.hardware_id.hex() or "masked or absent"
    yield holds("machine", is_met, shown, wanted, Remedy.ALLOW_PLATFORM)


def _issuer(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], __: int
) -> Iterator[Judgement]:
    known = KNOWN_ISSUERS.get(claims.format)
    if known is None:
        return
    wanted = known if policy.issuers is None else policy.issuers
    seen = claims.facts.get("issuer", _ABSENT)
    listed = " or ".join(sorted(wanted)[:_MAX_LISTED])
    more = f" or {len(wanted) - _MAX_LISTED} others" if len(wanted) > _MAX_LISTED else ""
    yield holds("issuer", seen in wanted, seen, f"{listed}{more}", Remedy.ALLOW_ISSUER)


def _audience(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], __: int
) -> Iterator[Judgement]:
    seen = claims.facts.get("audience", _ABSENT)
    if policy.audience is not None:
        is_met = seen == policy.audience
        yield holds("audience", is_met, seen, policy.audience, Remedy.NEW_EVIDENCE)
    elif claims.format is EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN:
        yield skipped("audience", "the policy names none: the token may be for somebody else")


def _report_data(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], __: int
) -> Iterator[Judgement]:
    exact, prefix, seen = policy.report_data, policy.report_data_prefix, claims.report_data
    shown = seen.hex() or _ABSENT
    if exact is not None:
        yield holds("report data", seen == exact, shown, exact.hex(), Remedy.FRESH_NONCE)
    if prefix:
        is_met, wanted = seen.startswith(prefix), f"{prefix.hex()}…"
        yield holds("report data", is_met, shown, wanted, Remedy.FRESH_NONCE)
    if policy.nonce is not None:
        nonces = _nonces(claims)
        shown = " or ".join(each.hex() for each in nonces if each) or _ABSENT
        yield holds("nonce", policy.nonce in nonces, shown, policy.nonce.hex(), Remedy.FRESH_NONCE)
    if policy.user_data is not None:
        given = claims.facts.get("user-data")
        shown = given.hex() if isinstance(given, bytes) else _ABSENT
        wanted = policy.user_data.hex()
        yield holds("user data", given == policy.user_data, shown, wanted, Remedy.FRESH_NONCE)
    if exact is None and not prefix and policy.nonce is None and policy.user_data is None:
        yield skipped(
            "report data",
            "the policy expects none: the evidence may be an old one, or answer somebody else, and"
            " binds no key of yours",
        )


def _nonces(claims: Claims) -> list[bytes]:
    """A nonce of its own, or report data; of a token with several nonces, each."""
    own = claims.facts.get("nonce")
    if isinstance(own, bytes):
        return [own]
    listed: object = None
    if claims.format is EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN:
        # One nonce may be any text, also such as looks like a list.
        with suppress(ValueError, RecursionError):
            listed = json.loads(claims.report_data)
    several = listed if isinstance(listed, list) else []
    texts = (each for each in several if isinstance(each, str))
    return [claims.report_data, *(text.encode("utf-8", "surrogatepass") for text in texts)]


def _age(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], now: int
) -> Iterator[Judgement]:
    most, made = policy.maximum_age_s, claims.issued_at
    if most is None:
        yield skipped("age", "the policy sets no maximum: the evidence may be an old one")
    elif made is None:
        yield holds("age", False, "no time in it", f"at most {most} s", Remedy.FRESH_NONCE)
    else:
        age, wanted = now - made, f"0 to {most} s"
        yield holds("age", 0 <= age <= most, f"{age} s", wanted, Remedy.NEW_EVIDENCE)


def _validity(
    claims: Claims, policy: Policy, _: Sequence[ReferenceImage], now: int
) -> Iterator[Judgement]:
    """Evidence without an end, such as under a pinned key, stays valid."""
    if claims.expires_at is None:
        return
    left, least = claims.expires_at - now, policy.minimum_validity_s
    wanted = f"at least {least} s"
    yield holds("validity left", left >= least, f"{left} s", wanted, Remedy.REFRESH_COLLATERAL)


#: What each check is called and what holds once it has passed.
_WHOLE_RULES: Final[tuple[tuple[str, str, _WholeRule], ...]] = (
    ("tee", "The code is protected by an accepted kind of hardware.", _tee),
    ("format", "The evidence is of an accepted format.", _format),
    ("image", "What runs is a known build.", _image),
    ("platform", "The machine is one of those accepted.", _platform),
    ("issuer", "The token is from an accepted issuer.", _issuer),
    ("audience", "The token was made for this relying party.", _audience),
    ("report-data", "The code bound what was expected to the evidence.", _report_data),
    ("age", "The evidence is recent.", _age),
    ("validity", "Everything used stays valid long enough.", _validity),
)
#: The numbered checks.
STEPS: Final = tuple(
    Step(number, f"appraisal.{name}", proves)
    for number, (name, proves, _) in enumerate((*_WHOLE_RULES, *MODULE_RULES), start=1)
)
