"""A venue that is down is seen, left alone, and heard again when it is back."""

import asyncio
from collections.abc import Callable

import pytest

from oracle.daemon.sources import AREA, EVERY_S
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.servers import Failure
from oracle.devnet.world import TlsSources
from oracle.feeds.catalogue import Feed
from oracle.telemetry.metrics import render_metrics
from oracle.telemetry.state import FeedState
from tests.integration.nodes import running_node

HOST = "api.kraken.com"


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(45):
        while not condition():
            await asyncio.sleep(EVERY_S / 50)


@pytest.mark.timeout(180)
async def test_a_venue_that_is_down_is_seen_left_alone_and_heard_again(
    sources: PriceSources, feeds: tuple[Feed, ...]
) -> None:
    async with running_node(feeds, TlsSources(sources.ca, sources.ports)) as node:
        state = node.daemon.state
        feed: FeedState = state.feeds[feeds[-1].feed_id]

        def counted(name: str) -> int:
            return sum(getattr(one, name) for one in state.sources if one.host == HOST)

        await _until(lambda: counted("requests") > 0 and feed.sources_used == feed.sources_asked)
        assert AREA not in state.notices

        await sources.fail(HOST, Failure.UNAVAILABLE)
        await _until(lambda: HOST in state.notices.get(AREA, "") and counted("refused") > 0)
        assert f'oracle_source_failing{{source="{HOST}"}} 1.0' in render_metrics(state).decode()
        left_alone_at = feed.observed_at
        await _until(lambda: feed.observed_at > left_alone_at)
        assert feed.sources_used == feed.sources_asked - 1

        await sources.mend(HOST)
        await _until(lambda: AREA not in state.notices and feed.sources_used == feed.sources_asked)
        assert f'oracle_source_failing{{source="{HOST}"}} 0.0' in render_metrics(state).decode()
