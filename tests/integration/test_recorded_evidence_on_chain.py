"""Every recorded quote of Intel's platforms is judged on-chain as its manifest says."""

from collections.abc import Iterator

from tests.integration.agreement import faults, table
from tests.integration.collateral import needs_vectors
from tests.integration.recorded_evidence import Policy, Recorded, recorded_evidence
from tests.integration.verdicts import Verdict, court, judge

NEVER = 2**64 - 1


@needs_vectors
async def test_recorded_evidence_is_judged_as_the_manifests_say() -> None:
    cases = recorded_evidence()
    verdicts = [await judge(case) for case in cases]
    for case, verdict in zip(cases, verdicts, strict=True):
        print(*table(case, verdict), sep="\n")
    wrong = [
        f"{case.name}: {fault}"
        for case, verdict in zip(cases, verdicts, strict=True)
        for fault in faults(case, verdict)
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
