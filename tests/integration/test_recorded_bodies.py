"""Real exchange replies from TLS to a contract's reading, digit for digit."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from enclave.domain.feed import decode_definition, feed_id
from oracle.daemon import ReportLanded, RoundMade
from oracle.devnet.deploy import read_price
from oracle.devnet.pki import make_pki
from oracle.devnet.servers import serve
from oracle.devnet.venues.base import VenueReply, VenueRequest
from oracle.devnet.world import TlsSources
from oracle.feeds.catalogue import Feed
from tests.integration.nodes import running_node
from tests.integration.recorded import RecordedReply, layers, recorded_replies

VECTORS = os.environ.get("ORACLE_VECTORS")
LAYERS = layers(recorded_replies(Path(VECTORS) / "market", datetime.now(UTC))) if VECTORS else []

needs_vectors = pytest.mark.skipif(
    VECTORS is None, reason="ORACLE_VECTORS is not set: no recorded exchange replies"
)


def as_feed(reply: RecordedReply) -> Feed:
    canonical = reply.definition
    return Feed(reply.name, canonical, feed_id(canonical), decode_definition(canonical))


@needs_vectors
@pytest.mark.parametrize("layer", range(max(1, len(LAYERS))))
async def test_recorded_replies_reach_the_consumer_digit_for_digit(
    layer: int, tmp_path: Path
) -> None:
    by_id = {as_feed(reply).feed_id: reply for reply in LAYERS[layer]}
    served = {reply.key: reply for reply in LAYERS[layer]}
    feeds = [as_feed(reply) for reply in by_id.values()]

    async def respond(host: str, request: VenueRequest) -> VenueReply:
        reply = served[host, request.path, tuple(sorted(request.query.items()))]
        return VenueReply(200, reply.content_type, reply.body)

    pki = make_pki(tmp_path, {reply.host for reply in LAYERS[layer]})
    async with (
        serve(pki, respond, lambda: time.time_ns() // 1_000_000) as ports,
        running_node(feeds, TlsSources(pki.ca, ports)) as node,
    ):
        made = await node.events.next(RoundMade)
        assert [(failed.failure.message, failed.failures) for failed in made.result.failed] == []
        landed = await node.events.next(ReportLanded)
        readings = {
            by_id[feed.feed_id].name: await read_price(
                node.world.chain, feed.consumer, block=landed.receipt.block
            )
            for feed in node.world.deployment.feeds
        }
    assert readings == {
        reply.name: (reply.price.units, reply.price.scale, landed.report.observed_at)
        for reply in by_id.values()
    }


@needs_vectors
def test_most_recorded_replies_are_served_byte_for_byte() -> None:
    replies = [reply for layer in LAYERS for reply in layer]
    redated = {reply.name for reply in replies if reply.is_redated}
    assert len(replies) >= 50
    # Their adapters read the reply's own time, which lies years back; the price is not touched.
    assert redated == {
        "binance/ticker_24hr_btc-usdt.json",
        "coinbase-exchange/ticker_btc-usdt_2024.json",
        "ecb/eurofxref-daily_2015-01-07.xml",
        "ecb/eurofxref-daily_2018-06-11.xml",
        "gemini/v1_pubticker_btc-usd_2017.json",
        "okx/ticker_btc-usdt_2023.json",
    }
