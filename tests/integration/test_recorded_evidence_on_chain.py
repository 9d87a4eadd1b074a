"""Every recorded quote of Intel's platforms is judged on-chain as its manifest says."""

from collections.abc import Iterator

from oracle.attestation.codecs.tcb_tables import TcbStatus
from tests.integration.collateral import needs_vectors
from tests.integration.recorded_evidence import (
    NAMES,
    STATUSES,
    Policy,
    Recorded,
    recorded_evidence,
)
from tests.integration.verdicts import Shown, Verdict, court, hardware_id, judge

#: The library reads these and does not verify them.
UNDECIDED = "SGX TEE quote must have version 3"
NEVER = 2**64 - 1


@needs_vectors
async def test_recorded_evidence_is_judged_as_the_manifests_say() -> None:
    cases = recorded_evidence()
    verdicts = [await judge(case) for case in cases]
    for case, verdict in zip(cases, verdicts, strict=True):
        print(*_row(case, verdict), sep="\n")
    wrong = [
        f"{case.name}: {fault}"
        for case, verdict in zip(cases, verdicts, strict=True)
        for fault in _faults(case, verdict)
    ]
    print(f"{len(cases)} cases, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    # Else nothing was tried.
    assert {verdict.accepts(case.policies[0]) for case, verdict in _pairs(cases, verdicts)} == {
        True,
        False,
    }


def _pairs(cases: list[Recorded], verdicts: list[Verdict]) -> Iterator[tuple[Recorded, Verdict]]:
    return zip(cases, verdicts, strict=True)


def _row(case: Recorded, verdict: Verdict) -> Iterator[str]:
    """Lines of the table: case, verdict, status, gas; then why, and the other policies."""
    shown = verdict.shown
    status = NAMES[TcbStatus(shown.claims["tcbStatus"])] if shown else "-"
    gas = " ".join(f"{name} {used:,}" for name, used in verdict.gas.items())
    for policy in case.policies:
        word = "accept" if verdict.accepts(policy) else "reject"
        yield f"{case.name:32} {word} ({policy.expected}) {status} {gas}  [{policy.name}]"
        why = verdict.refusal or verdict.by_policy[policy.name]
        if why:
            yield f"{'':33}{why}"
    for name in case.inexpressible:
        yield f"{'':33}not tried: {name}"


def _faults(case: Recorded, verdict: Verdict) -> Iterator[str]:
    for policy in case.policies:
        word = "accept" if verdict.accepts(policy) else "reject"
        if policy.expected not in (word, "either"):
            yield f"{policy.name}: {word}, wanted {policy.expected}"
    yield from (f"taken: {why}" for why in verdict.taken)
    if verdict.shown is not None:
        yield from _claim_faults(case, verdict.shown)
    elif case.entry.get("tcb_status") in STATUSES:
        yield f"no status, wanted {case.entry['tcb_status']}"
    yield from _disagreement(case, verdict)


def _claim_faults(case: Recorded, shown: Shown) -> Iterator[str]:
    claims, hints, quote = shown.claims, shown.hints, shown.quote
    status = NAMES[TcbStatus(claims["tcbStatus"])]
    told = case.entry.get("tcb_status", status)
    if status != told:
        yield f"status {status}, wanted {told}"
    wanted = {
        "tee": quote.tee,
        "tier": 1 if case.is_intel else 4,
        "tcbStatus": hints.status,
        "imageId": quote.image_id,
        "hwId": hardware_id(hints.machine.ppid),
        "reportData0": quote.report_data[:32],
        "reportData1": quote.report_data[32:],
        "advisories": ",".join(f'"{name}"' for name in hints.advisories).encode(),
    }
    for name, value in wanted.items():
        if claims[name] != value:
            yield f"claim {name} is {claims[name]!r}, wanted {value!r}"


def _disagreement(case: Recorded, verdict: Verdict) -> Iterator[str]:
    """Where the vendor library decides otherwise."""
    decision, shown = case.decision, verdict.shown
    if isinstance(decision, str):
        if shown is not None and UNDECIDED not in decision:
            yield f"verified, but the library says {decision}"
    elif shown is None:
        yield f"refused, but the library says {decision}: {verdict.refusal}"
    else:
        own = (NAMES[shown.hints.status], frozenset(shown.hints.advisories))
        if own != decision:
            yield f"{own}, but the library says {decision}"


@needs_vectors
async def test_recorded_numbers_say_when_the_collaterals_was_superseded() -> None:
    cases = [case for case in recorded_evidence() if case.numbers is not None]
    assert cases
    for case in cases:
        assert case.numbers is not None
        dates = {entry.number: entry.recovery_at for entry in case.numbers.numbers.numbers}
        async with court(case) as contracts:
            shown = await contracts.verify(case.raw)
            number = shown.claims["evaluationNumber"]
            later = [at for other, at in dates.items() if other > number]
            assert shown.claims["publicSince"] == dates[number]
            assert shown.claims["supersededAt"] == min(later, default=NEVER)
            every = Policy("every", frozenset({shown.hints.status}), frozenset(), "accept")
            assert await contracts.appraise(shown, every) == ""
            assert later, "no recorded number is superseded"
            refusal = await contracts.appraise(shown, every, recovery_grace_s=0)
            assert "RecoveryGraceOver" in refusal
            left = await contracts.appraise(shown, every, recovery_grace_s=NEVER >> 32)
            assert left == ""
            grace = (case.now or 0) - min(later)
            assert "Over" in await contracts.appraise(shown, every, recovery_grace_s=grace)
            assert await contracts.appraise(shown, every, recovery_grace_s=grace + 1) == ""
