"""The fault matrix: whatever an endpoint does, a call lands once, soon after, and is known to."""

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from tests.fakes.geth_node import GethNode
from tests.fakes.rpc_faults import LIES, Fault
from tests.fakes.rpc_proxy import CONFIRM, SEND, RpcProxy
from tests.integration.fault_bench import (
    TIMEOUT_S,
    Bench,
    fault_bench,
    fault_node,
    seeds,
    until,
)

pytestmark = pytest.mark.faults

STAGES = ("read", "send", "confirm")
#: Well-formed lies of a single endpoint cannot be told from the truth; those need others, but for
#: a limit of gas that no pool takes.
ALONE = [fault for fault in Fault if fault not in LIES - {Fault.LYING_ESTIMATE}]
#: How often a fault is met in one case at most; those that keep the client waiting, once.
_MEETINGS = 3
_SLOW = frozenset({Fault.DELAYED, Fault.HANGING, Fault.SLOW_DRIP, Fault.HALF_CLOSED})


@pytest.mark.parametrize("fault", ALONE, ids=lambda fault: fault.name)
async def test_one_endpoint_with_a_fault_delays_at_most(tmp_path: Path, fault: Fault) -> None:
    """Faults x stages x seeds: at most three blocks after it ends all is well, and stays so."""
    cases, failures = 0, []
    async with fault_node() as node:
        for seed in seeds():
            for stage in STAGES:
                cases += 1
                found = await _alone(node, tmp_path, fault, stage, seed)
                if found:
                    failures.append(f"{fault.name} at {stage}, seed {seed}: {found}")
    print(f"{cases} cases of {fault.name}, seeds {seeds()}")
    assert not failures, f"{len(failures)} of {cases}; the first: {failures[0]}"


async def _alone(node: GethNode, folder: Path, fault: Fault, stage: str, seed: int) -> list[str]:
    """One case; what does not hold."""
    name = f"{fault.name} {stage} {seed}"
    rng = random.Random(name)
    meetings = 1 if fault in _SLOW else rng.randint(1, _MEETINGS)
    depth, is_mined_first = rng.randint(1, 8), rng.random() < 0.5
    async with fault_bench(node, folder, name, seed=seed) as bench, asyncio.TaskGroup() as tasks:
        proxy = bench.proxies[0]
        if stage != "confirm":
            await _arm(proxy, fault, stage, depth)
        first = tasks.create_task(bench.deliver())
        if stage == "confirm":
            await until(lambda: first.done() or bool(node.pool.get(bench.address)))
            await _arm(proxy, fault, stage, depth)
            if is_mined_first:
                await node.mine()
        await _meet(bench, first, fault, meetings)
        met = proxy.count(fault=fault)
        proxy.clear()
        found = await bench.ends_well(tasks, first) + bench.untrue()
        return found if met else [*found, "the fault was never met"]


async def _arm(proxy: RpcProxy, fault: Fault, stage: str, depth: int) -> None:
    match stage:
        case "read":
            await proxy.arm(fault, spared=SEND | CONFIRM, depth=depth)
        case "send":
            await proxy.arm(fault, methods=SEND, depth=depth)
        case _:
            await proxy.arm(fault, spared=SEND, depth=depth)


async def _meet(bench: Bench, task: "asyncio.Task[None]", fault: Fault, meetings: int) -> None:
    """Mine until the fault was met so often, or some blocks were in vain."""
    proxy = bench.proxies[0]
    for _ in range(2 * _MEETINGS):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * TIMEOUT_S):
                await until(lambda: task.done() or proxy.count(fault=fault) >= meetings)
        if task.done() or proxy.count(fault=fault) >= meetings:
            return
        await bench.node.mine()


async def test_an_endpoint_whose_tls_fails_is_passed_over(tmp_path: Path) -> None:
    async with (
        fault_node() as node,
        fault_bench(node, tmp_path, "tls", seed=1, endpoints=2, tls=True) as bench,
        asyncio.TaskGroup() as tasks,
    ):
        assert await bench.ends_well(tasks, tasks.create_task(bench.deliver())) == []
        assert bench.proxies[0].count() == 0


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async with (
        fault_node() as node,
        fault_bench(node, tmp_path, "redirect", seed=1, endpoints=2) as bench,
        asyncio.TaskGroup() as tasks,
    ):
        await bench.proxies[0].arm(Fault.REDIRECT)
        assert await bench.ends_well(tasks, tasks.create_task(bench.deliver())) == []
        assert bench.proxies[0].count(fault=Fault.REDIRECT) > 0
        assert bench.proxies[0].redirected == 0
