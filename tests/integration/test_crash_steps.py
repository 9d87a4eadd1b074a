"""The submitter dies at every step, the chain goes on without it, and it is started again.

After the restart: a new call is in one of the next three blocks; no call took effect twice, none
after a newer one; the account's nonces are without a gap; the journal says of each nonce what the
chain says. Steps and what the chain does meanwhile: `tests.integration.crash_steps`.
"""

import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.geth_node import GethNode
from tests.integration.crash_steps import STEPS, Outage, Step, Story, Write
from tests.integration.fault_bench import fault_node
from tests.integration.step_bench import Recovery, applies, happen, step_case
from tests.integration.step_tales import Tale
from tests.integration.submitter_lives import Lives, submitter_lives

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kind", ["writes", "requests"])
async def test_a_submitter_that_dies_at_any_step_loses_and_doubles_nothing(
    kind: str,
) -> None:
    """Every named step x everything that the chain may do meanwhile."""
    counts, failures = Counter[str](), []
    steps = [step for step in STEPS if isinstance(step.place, Write) == (kind == "writes")]
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="t-") as name:
        folder = Path(name)
        async with fault_node() as node, submitter_lives(folder) as lives:
            for step in steps:
                for outage in Outage:
                    found = await _dies(node, lives, folder, step, outage)
                    counts["crashes" if found is not None else "cannot be"] += 1
                    if found:
                        failures.append(f"«{step.name}», then the chain {outage.value}: {found}")
    print(f"{len(steps)} steps x {len(Outage)}: {dict(counts)}")
    assert not failures, f"{len(failures)} of {counts['crashes']}; the first: {failures[0]}"


async def _dies(
    node: GethNode, lives: Lives, folder: Path, step: Step, outage: Outage
) -> list[str] | None:
    """What does not hold afterwards; `None` if the chain cannot do that then."""
    # Every other new call comes only when what the process left open has ended.
    waits = (STEPS.index(step) + list(Outage).index(outage)) % 2 == 1
    try:
        async with step_case(node, lives, folder, f"{step.name} {outage.name}") as case:
            await Tale(case, step).tell()
            if not await applies(outage, case):
                return None
            await happen(outage, case)
            return await Recovery(case, outage, waits=waits).wrongs()
    except BaseException as error:
        error.add_note(f"«{step.name}», then the chain {outage.value}")
        raise


def test_every_step_has_a_name_of_its_own() -> None:
    names = [step.name for step in STEPS]
    assert len(names) == len(set(names))
    assert {step.story for step in STEPS} == set(Story)
