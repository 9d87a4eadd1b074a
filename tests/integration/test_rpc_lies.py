"""Endpoints that lie or lag: with one honest of three no call is late, and no lie is believed."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.fakes.geth_node import GethNode
from tests.fakes.rpc_faults import ELSEWHERE, LIES, Fault
from tests.integration.fault_bench import fault_bench, fault_node, seeds

pytestmark = pytest.mark.faults

#: Without the two by which an endpoint denies the receipt of what is mined: those do not hold yet,
#: as the submitter then takes its own transaction for a stranger's.
BELIEVED_BY_NOBODY = sorted((LIES | ELSEWHERE) - {Fault.NO_RECEIPT, Fault.FAILED_RECEIPT})
#: A call that lands within so many blocks keeps any heartbeat; who is behind a little holds it up.
_HEARTBEAT_BLOCKS = 8


@pytest.mark.parametrize("liars", [1, 2])
@pytest.mark.parametrize("fault", BELIEVED_BY_NOBODY, ids=lambda fault: fault.name)
async def test_one_honest_endpoint_of_three_is_enough(
    tmp_path: Path, fault: Fault, liars: int
) -> None:
    """The others lie or lag all the time: no call is late, and no lie is acted upon."""
    cases, failures = 0, []
    async with fault_node() as node:
        for seed in seeds():
            cases += 1
            found = await _among_liars(node, tmp_path, fault, liars, seed)
            if found:
                failures.append(f"{liars} of 3 {fault.name}, seed {seed}: {found}")
    print(f"{cases} cases of {liars} x {fault.name}, seeds {seeds()}")
    assert not failures, f"{len(failures)} of {cases}; the first: {failures[0]}"


async def _among_liars(
    node: GethNode, folder: Path, fault: Fault, liars: int, seed: int
) -> list[str]:
    name = f"{fault.name} {liars} of 3 {seed}"
    rng = random.Random(name)
    # The preferred ones first: whom nobody asks need not be honest.
    lying = list(range(liars)) if seed == 1 else sorted(rng.sample(range(3), liars))
    opened = fault_bench(node, folder, name, seed=seed, endpoints=3)
    async with opened as bench, asyncio.TaskGroup() as tasks:
        for number in lying:
            await bench.proxies[number].arm(fault, depth=rng.randint(2, 8))
        first = tasks.create_task(bench.deliver())
        found = await bench.ends_well(tasks, first, within=_HEARTBEAT_BLOCKS) + bench.untrue()
        return [f"endpoints {[n + 1 for n in lying]} lie: {each}" for each in found]
