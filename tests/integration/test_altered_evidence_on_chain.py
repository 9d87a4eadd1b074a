"""No altered bit of real evidence or of its hints is taken by the verifier."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings

from oracle.chain.abi_codec import revert_name
from oracle.chain.rpc import RpcRefused
from tests.integration.collateral import needs_vectors
from tests.integration.recorded_evidence import FOLDERS, Recorded, recorded_evidence
from tests.integration.verdicts import Court, Refused, Shown, court

SEED = 20_310_601
#: Of the evidence and of the hints each; the nightly search alters every bit.
MUTANTS = 2_000
_BATCH = 250
#: Bytes of which a change may be taken, if it alters no claim: `evidence` or `hints`, and where.
#: None is known: all of the evidence is signed, and all of the hints is held against what is kept.
HARMLESS: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit of the evidence or of the hints."""

    part: str
    bit: int

    def of(self, evidence: bytes, hints: bytes) -> tuple[bytes, bytes]:
        """Both, with the bit the other way."""
        altered = bytearray(evidence if self.part == "evidence" else hints)
        altered[self.bit // 8] ^= 1 << self.bit % 8
        return (bytes(altered), hints) if self.part == "evidence" else (evidence, bytes(altered))


@needs_vectors
@pytest.mark.parametrize("folder", FOLDERS)
async def test_no_altered_bit_of_recorded_evidence_or_hints_is_taken(folder: str) -> None:
    case = await _richest(folder)
    refusals: Counter[str] = Counter()
    async with court(case) as contracts:
        shown = await contracts.verify(case.raw)
        flips = _flips(shown)
        print(f"{case.name}: {len(flips)} mutants, seed {SEED}")
        for begin in range(0, len(flips), _BATCH):
            group = flips[begin : begin + _BATCH]
            for flip, answer in zip(group, await _answers(contracts, shown, group), strict=True):
                refusals[_judged(contracts, shown, flip, answer)] += 1
    print(dict(refusals))
    assert refusals.total() >= 2 * MUTANTS
    # Of either part, by more than one check.
    assert len(refusals) > 4


async def _richest(folder: str) -> Recorded:
    """The case of real hardware whose hints show the most, numbers if any do."""
    found: list[tuple[tuple[bool, int], Recorded]] = []
    for case in recorded_evidence():
        if not (case.is_intel and case.name.startswith(folder)):
            continue
        try:
            async with court(case) as contracts:
                shown = await contracts.verify(case.raw)
        except Refused:
            continue
        found.append(((case.numbers is not None, len(shown.hints.packed)), case))
    return max(found, key=lambda pair: pair[0])[1]


def _flips(shown: Shown) -> list[Flip]:
    """A sample of each part; at night every bit."""
    sizes = {"evidence": len(shown.quote.evidence), "hints": len(shown.hints.packed)}
    is_whole = settings.get_current_profile_name() == "nightly"
    source = random.Random(SEED)
    flips = []
    for part, size in sizes.items():
        count = 8 * size if is_whole else MUTANTS
        flips += [Flip(part, bit) for bit in source.sample(range(8 * size), count)]
    return flips


async def _answers(contracts: Court, shown: Shown, flips: list[Flip]) -> list[Any]:
    """What the verifier says of each mutant: the bytes that it returns, or a refusal."""
    parts = (shown.quote.evidence, shown.hints.packed)
    verifier = contracts.verifier
    calls = [verifier.call("verify", *flip.of(*parts)) for flip in flips]
    return await verifier.chain.answers([("eth_call", (call, "latest")) for call in calls])


def _judged(contracts: Court, shown: Shown, flip: Flip, answer: Any) -> str:
    """Name of the error that refuses a mutant, or a word for one that may be taken."""
    if isinstance(answer, RpcRefused):
        name = revert_name(contracts.verifier.codec, answer.data)
        assert name, f"{flip} is refused without a named error: 0x{answer.data.hex()}"
        return name
    assert (flip.part, flip.bit // 8) in HARMLESS, f"{flip} is taken"
    assert bytes.fromhex(answer[2:]) == shown.raw, f"{flip} is taken with other claims"
    return "taken, the same claims"
