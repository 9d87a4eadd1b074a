"""Endpoints that lie or lag: with one honest of three no call is late, and no lie is believed."""

import asyncio
import random
from pathlib import Path

import pytest

from oracle.chain.rpc.pool import LAG_BLOCKS
from tests.fakes.geth_node import GethNode
from tests.fakes.rpc_faults import ELSEWHERE, LIES, Fault
from tests.integration.fault_bench import CONVERGED, fault_bench, fault_node, seeds

pytestmark = pytest.mark.faults

BELIEVED_BY_NOBODY = sorted(LIES | ELSEWHERE)
#: Within so many blocks a call is known to have landed, if not within three. Who is at most three
#: blocks behind has a say (`LAG_BLOCKS`), as it may be the only honest one:
#: one that stands still counts as lagging when the fourth block is there, and one that is always
#: three behind learns of the second block, in which the call is, with the fifth.
_LATER = {Fault.FROZEN: LAG_BLOCKS + 1, Fault.LAGGING: LAG_BLOCKS + 2}


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
        found = (
            await bench.ends_well(tasks, first, within=_LATER.get(fault, CONVERGED))
            + bench.untrue()
        )
        return [f"endpoints {[n + 1 for n in lying]} lie: {each}" for each in found]


async def test_one_endpoint_alone_that_estimates_too_little_holds_up_nothing(
    tmp_path: Path,
) -> None:
    """No limit of gas is one that no pool takes."""
    async with (
        fault_node() as node,
        fault_bench(node, tmp_path, "estimate", seed=1) as bench,
        asyncio.TaskGroup() as tasks,
    ):
        await bench.proxies[0].arm(Fault.LYING_ESTIMATE, methods={"eth_estimateGas"})
        assert await bench.ends_well(tasks, tasks.create_task(bench.deliver())) == []
