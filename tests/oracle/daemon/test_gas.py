"""The alarm of the daily gas budget."""

import asyncio
from dataclasses import dataclass

import pytest

from oracle.daemon.gas import AREA, watch_budget
from oracle.daemon.problems import Problems
from oracle.telemetry.metrics import render_metrics
from oracle.telemetry.state import ChainState, NodeState


@dataclass
class FakeSpender:
    """Says one after the other what is left; the last one from then on."""

    left: list[int | None]
    looks: int = 0

    async def budget_left_wei(self) -> int | None:
        self.looks += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


async def _watch(spender: FakeSpender, state: ChainState, looks: int) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(
            watch_budget(spender, 100, state=state, problems=Problems(state), look_s=0.001)
        )
        while spender.looks < looks:
            await asyncio.sleep(0.001)
        watching.cancel()


@pytest.mark.parametrize(
    ("left", "is_alarmed"),
    [([21], False), ([20], True), ([0], True), ([5, 90], False), ([90, 5], True), ([None], False)],
)
async def test_the_alarm_is_on_while_a_fifth_or_less_is_left(
    left: list[int | None], is_alarmed: bool
) -> None:
    state = ChainState("here", is_dry_run=False)
    last = left[-1]
    await _watch(FakeSpender(left), state, looks=3)
    assert (AREA in state.notices) is is_alarmed
    assert state.budget_left_wei == last
    line = (
        b""
        if last is None
        else f'oracle_gas_budget_left_wei{{chain="here"}} {float(last)}'.encode()
    )
    assert line in render_metrics(NodeState(0, chains=(state,)))


async def test_without_a_budget_nothing_is_watched() -> None:
    state, spender = ChainState("here", is_dry_run=False), FakeSpender([1])
    await watch_budget(spender, None, state=state, problems=Problems(state))
    assert (spender.looks, state.budget_left_wei) == (0, None)
    assert b"gas_budget" not in render_metrics(NodeState(0, chains=(state,)))
