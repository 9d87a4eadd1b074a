"""What the tests of every verifier ask: a case for each step, and no bit that nobody looks at."""

import random
import secrets
from collections.abc import Callable, Iterable, Sequence

import pytest

from oracle.attestation.findings import Refusal, Step


def assert_each_step_has_a_case(steps: Sequence[Step], cases: Iterable[Step | str]) -> None:
    """Cases, by step or by its name, stand in the order of the steps, which are numbered from 1."""
    names = [case if isinstance(case, str) else case.name for case in cases]
    assert names == [step.name for step in steps]
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def assert_refused(
    verify: Callable[[], object], step: Step | str, kind: type[Refusal] = Refusal
) -> None:
    """The refusal is of this kind and in this step: a part's verifier has its steps within one."""
    with pytest.raises(kind) as refused:
        verify()
    found = refused.value.within or refused.value.step
    assert found is not None
    assert found.name == (step if isinstance(step, str) else step.name)


def assert_each_flip_is_refused(
    raw: bytes, verify: Callable[[bytes], object], *, last: int = 0
) -> None:
    """One bit of every byte, and every bit of so many bytes at the end; what it was verifies."""
    verify(raw)
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    flips = [(at, 1 << chosen.randrange(8)) for at in range(len(raw))]
    flips += [(at, 1 << bit) for at in range(len(raw) - last, len(raw)) for bit in range(8)]
    for at, bit in flips:
        changed = bytearray(raw)
        changed[at] ^= bit
        with pytest.raises(Refusal) as refused:
            verify(bytes(changed))
        assert refused.value.step is not None, (at, bit)
