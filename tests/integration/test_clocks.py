"""Real chains that stand still or run ahead, and a host whose clock steps."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.daemon import Daemon, ReportLanded, ReportPlanned, RoundMade, every_answer
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed
from oracle.telemetry.state import ChainState
from tests.integration.nodes import Events

_LIMIT_S = 100.0


class HostClock:
    """The host's clock with an error."""

    def __init__(self) -> None:
        self.error_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.error_s


class Node:
    """A node that has landed its first report, its world, its events and its host's clock."""

    def __init__(self, daemon: Daemon, local: World, events: Events, clock: HostClock) -> None:
        self.daemon = daemon
        self.local = local
        self.events = events
        self.clock = clock

    @property
    def chain(self) -> ChainState:
        """How its only chain is doing."""
        return self.daemon.state.chains[0]

    async def rounds(self, number: int) -> None:
        for _ in range(number):
            await self.events.next(RoundMade, lambda event: bool(event.result.observed_at))

    async def until(self, area: str, *, is_problem: bool = False, is_there: bool = True) -> str:
        """Wait for a notice or a problem of an area to come, or to go."""
        async with asyncio.timeout(_LIMIT_S):
            while True:
                node, chain = self.daemon.state, self.chain
                lines = node.problems | chain.problems
                if not is_problem:
                    lines = node.notices | chain.notices
                if (area in lines) == is_there:
                    return lines.get(area, "")
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _node(
    feeds: tuple[Feed, ...], sources: PriceSources, **chain: Any
) -> AsyncIterator[Node]:
    options = WorldOptions(
        tee=TeeKind.TDX,
        definitions=tuple(feed.canonical for feed in feeds),
        settings={"daemon": {"poll_s": 0.5}, "chain": chain},
        block_time_s=None,
    )
    async with world(options, TlsSources(sources.ca, sources.ports)) as local:
        events, clock = Events(), HostClock()
        daemon = Daemon(
            [local.config],
            feeds,
            resolve=local.resolve,
            schedule=every_answer,
            observer=events.observe,
            wall_clock=clock,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.run())
            await events.next(ReportLanded)
            yield Node(daemon, local, events, clock)
            daemon.stop()


@pytest.mark.timeout(300)
async def test_a_halted_chain_gets_no_backlog_and_a_fresh_report_when_it_goes_on(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with _node(feeds, sources, halt_s=1) as node:
        chain = node.local.chain
        await chain.call("evm_setAutomine", False)
        line = await node.until("block time")
        assert line.startswith("the chain has made no block after ")
        planned = [event for event in node.events.seen if isinstance(event, ReportPlanned)]
        await node.rounds(4)
        assert int((await chain.call("txpool_status"))["pending"], 16) == 1
        assert int((await chain.call("txpool_status"))["queued"], 16) == 0
        again = [event for event in node.events.seen if isinstance(event, ReportPlanned)]
        assert again == planned

        resumed_at = int(time.time())
        await chain.call("evm_setAutomine", True)
        await chain.call("evm_mine")
        waiting = await node.events.next(ReportLanded)
        assert waiting.report == planned[-1].report
        fresh = await node.events.next(ReportLanded)
        assert fresh.report.observed_at >= resumed_at - 2
        await node.until("block time", is_there=False)
        assert node.chain.reports_refused == 0


@pytest.mark.timeout(300)
async def test_a_chain_from_the_future_gets_no_report_that_it_would_refuse(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with _node(feeds, sources) as node:
        await node.local.chain.advance(3_600)
        line = await node.until("block time", is_problem=True)
        assert line == "the chain's blocks are more than a minute ahead: no report is sent" or (
            "minutes ahead: no report is sent" in line
        )
        planned = [event for event in node.events.seen if isinstance(event, ReportPlanned)]
        refused = node.chain.reports_refused
        await node.rounds(4)
        again = [event for event in node.events.seen if isinstance(event, ReportPlanned)]
        assert again == planned
        assert node.chain.reports_refused == refused


@pytest.mark.timeout(300)
async def test_steps_of_the_hosts_clock_are_said_and_change_nothing(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with _node(feeds, sources) as node:
        for error_s in (1, -1, 30, -30, 3_600, -3_600, 86_400, -86_400):
            node.clock.error_s = error_s
            await node.events.next(ReportLanded)
            await node.rounds(1)
            if abs(error_s) >= 30:
                side = "ahead of" if error_s > 0 else "behind"
                assert f"{side} the sources'" in node.daemon.state.notices["clock"]
            assert abs(node.daemon.state.clock() - time.time()) <= 7
            assert node.daemon.state.is_accepted
            assert node.daemon.state.all_problems() == []
        node.clock.error_s = 0
        await node.until("clock", is_there=False)
        assert node.chain.reports_refused == 0
