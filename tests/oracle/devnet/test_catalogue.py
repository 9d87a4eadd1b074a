"""Every source of every catalogue feed finds its price in the devnet."""

import re
import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from enclave.domain.feed import SourceSpec
from enclave.domain.fixed_point import FixedPoint, Rounding
from enclave.sources import ADAPTERS
from oracle.devnet.market import ANCHORS, Market
from oracle.devnet.venues import VENUES
from oracle.devnet.venues.base import Floor, VenueRequest
from oracle.feeds.catalogue import load_catalogue

SOURCES = {
    f"{feed.name}:{source.name}": source
    for feed in load_catalogue().values()
    for source in feed.definition.sources
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_devnet_serves_what_the_adapter_reads(name: str) -> None:
    source = SOURCES[name]
    request = ADAPTERS[source.adapter].request(source)
    parts = urlsplit(request.path)
    now = int(time.time())
    floor = Floor(Market(1), lambda: now * 1000)
    reply = VENUES[request.host](VenueRequest(parts.path, dict(parse_qsl(parts.query))), floor)
    quote = ADAPTERS[source.adapter].parse(source, reply.status, reply.body)
    assert is_near(quote.price, source)
    if quote.published_at is not None:
        assert now - source.max_age_s <= quote.published_at <= now
    if quote.bid is not None and quote.ask is not None:
        assert ratio(quote.bid) <= ratio(quote.price) <= ratio(quote.ask)


def ratio(price: FixedPoint) -> int:
    return price.rescale(30, Rounding.EXACT).units


def is_near(price: FixedPoint, source: SourceSpec) -> bool:
    """Whether the price lies within 5 % of the ratio of the two anchors."""
    wanted: int = ANCHORS[source.base] * 10**price.scale // ANCHORS[source.quote]
    return abs(price.units - wanted) * 20 <= wanted


def test_every_host_of_the_catalogue_is_served_under_its_own_name() -> None:
    hosts = {ADAPTERS[source.adapter].request(source).host for source in SOURCES.values()}
    assert hosts <= VENUES.keys()
    assert all(re.fullmatch(r"[a-z0-9.-]+", host) for host in hosts)
