"""Chains that take back, outprice or censor: every call lands once, soon after that ends."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fakes.geth_node import GethNode
from tests.integration.fault_bench import (
    CONVERGED,
    GWEI,
    Bench,
    fault_bench,
    fault_node,
    fund,
    until,
)

pytestmark = pytest.mark.faults

STATES = ("in the pool", "just mined", "mined before others", "replaced by a higher fee")
_DEEPEST = 64
_CENSORED_BLOCKS = 50


def _depths() -> list[int]:
    """Some of 1 to 64; at night all."""
    is_whole = settings.get_current_profile_name() == "nightly"
    return list(range(1, _DEEPEST + 1)) if is_whole else [1, 2, 7, 33, _DEEPEST]


@pytest.mark.parametrize("is_reinjected", [True, False], ids=["reinjected", "gone"])
@pytest.mark.parametrize("state", STATES)
async def test_whatever_a_reorganisation_takes_lands_again(
    tmp_path: Path, state: str, is_reinjected: bool
) -> None:
    """Depths 1 to 64, also below `finalized`, at each state of a transaction."""
    cases, failures = 0, []
    names = {f"{state} {depth} {is_reinjected}": depth for depth in _depths()}
    async with fault_node() as node:
        for name in names:
            await fund(node, name)
        # So deep that no reorganisation takes the funds.
        await node.mine(_DEEPEST)
        for name, depth in names.items():
            cases += 1
            found = await _reorganised(node, tmp_path, name, state, depth, is_reinjected)
            if found:
                failures.append(f"{state}, depth {depth}, reinjected {is_reinjected}: {found}")
    print(f"{cases} reorganisations of a transaction {state}, reinjected {is_reinjected}")
    assert not failures, f"{len(failures)} of {cases}; the first: {failures[0]}"


async def _reorganised(
    node: GethNode, folder: Path, name: str, state: str, depth: int, is_reinjected: bool
) -> list[str]:
    opened = fault_bench(node, folder, name, seed=1)
    async with opened as bench, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(bench.deliver())
        await until(lambda: first.done() or bool(node.pool.get(bench.address)))
        await _bring_to(bench, first, state, depth)
        await node.reorg(depth, is_reinjected=is_reinjected)
        return await bench.ends_well(tasks, first)


async def _bring_to(bench: Bench, task: "asyncio.Task[None]", state: str, depth: int) -> None:
    """Have the call in the state in which the chain takes its blocks back."""
    node = bench.node
    match state:
        case "in the pool":
            node.censors.add(bench.address)
            await node.mine()
            node.censors.clear()
        case "replaced by a higher fee":
            node.censors.add(bench.address)
            await until(lambda: bench.submitter.stats.bumped > 0)
            node.censors.clear()
            await bench.blocks_to_the_end(task, limit=CONVERGED)
        case _:
            await bench.blocks_to_the_end(task, limit=CONVERGED)
            if state == "mined before others":
                await node.mine(depth - 1)


@pytest.mark.parametrize("depth", [1, 7])
async def test_a_foreign_transaction_in_a_reorganisation_blocks_nothing(
    tmp_path: Path, depth: int
) -> None:
    """It takes the nonce of what was mined; the next call lands in time, after it."""
    async with (
        fault_node() as node,
        fault_bench(node, tmp_path, "foreign", seed=1) as bench,
        asyncio.TaskGroup() as tasks,
    ):
        first = tasks.create_task(bench.deliver())
        await bench.blocks_to_the_end(first, limit=CONVERGED)
        await node.mine(depth - 1)
        fields = {"type": 2, "chainId": node.chain_id, "nonce": 0, "to": bench.key.address}
        price = {"gas": 21_000, "maxFeePerGas": 100 * GWEI, "maxPriorityFeePerGas": GWEI}
        foreign, _ = bench.key.sign({**fields, **price, "value": 0, "data": b""})
        await node.reorg(depth, is_reinjected=False, foreign=[foreign])
        second = tasks.create_task(bench.deliver())
        assert await bench.blocks_to_the_end(second, limit=CONVERGED + 1) <= CONVERGED
        assert [each.nonce for each in bench.included] == [*range(len(bench.included))]
        assert bench.included[0].raw == foreign
        assert bench.included[-1].data == bench.calls[-1].data


@pytest.mark.parametrize("cap_gwei", [100, 1_000])
async def test_fifty_censored_blocks_and_a_base_fee_of_500_gwei_are_outlived(
    tmp_path: Path, cap_gwei: int
) -> None:
    """Delivered in three blocks once the price allows it, which is never above the cap."""
    async with (
        fault_node() as node,
        fault_bench(node, tmp_path, "fees", seed=1, cap_wei=cap_gwei * GWEI) as bench,
        asyncio.TaskGroup() as tasks,
    ):
        await node.mine(base_fee_wei=GWEI)
        node.censors.add(bench.address)
        first = tasks.create_task(bench.deliver())
        await until(lambda: bool(node.pool.get(bench.address)))
        for _ in range(_CENSORED_BLOCKS):
            looks = bench.proxies[0].count("eth_getTransactionReceipt")
            await node.mine(base_fee_wei=500 * GWEI)
            await bench.proxies[0].until(
                lambda looks=looks: (  # type: ignore[misc]  # its default is its argument
                    bench.proxies[0].count("eth_getTransactionReceipt") > looks
                )
            )
        node.censors.clear()
        if cap_gwei < 500:
            await node.mine(base_fee_wei=GWEI)
        print(f"{len(bench.fees())} forms, up to {max(bench.fees()) // GWEI} gwei")
        assert await bench.ends_well(tasks, first) == []


async def test_a_base_fee_that_jumps_to_500_gwei_is_followed(tmp_path: Path) -> None:
    """Nobody censors and the cap allows it: three blocks, whatever was offered first."""
    async with (
        fault_node() as node,
        fault_bench(node, tmp_path, "jump", seed=1) as bench,
        asyncio.TaskGroup() as tasks,
    ):
        await node.mine(base_fee_wei=GWEI)
        first = tasks.create_task(bench.deliver())
        await until(lambda: bool(node.pool.get(bench.address)))
        await node.mine(base_fee_wei=500 * GWEI)
        assert await bench.ends_well(tasks, first) == []
