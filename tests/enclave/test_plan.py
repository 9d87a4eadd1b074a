"""Definitions are loaded all or none, checked as a whole, and ordered by what they need."""

from typing import Any

import pytest

from enclave.domain.errors import ConfigError, RequestRefused
from enclave.domain.feed import MAX_DEFINITION_BYTES, decode_definition, feed_id
from enclave.plan import EMPTY, MAX_DEFINITIONS, MAX_REQUESTS, Plan, in_dependency_order, make_plan
from enclave.sources.base import HttpRequest
from tests.fakes.feeds import aggregation, conversion, definition, source
from tests.fakes.venues import ADAPTERS

TETHER = definition([source(name, base="USDT") for name in "de"], base="USDT")
TETHER_ID = feed_id(TETHER)
INVERSE = definition(
    [source(name, base="USD", quote="USDT") for name in "de"], base="USD", quote="USDT"
)


def plan(*definitions: bytes) -> Plan:
    return make_plan(definitions, ADAPTERS)


def converted(by: bytes, operation: str = "multiply", **changes: Any) -> bytes:
    tether = source("t", quote="USDT", convert=conversion(by, operation))
    return definition([source("a"), tether], **changes)


def test_ids_come_in_the_order_of_the_definitions() -> None:
    one, other = definition(), definition(decimals="6")
    assert plan(other, one).loaded == (feed_id(other), feed_id(one))


def test_nothing_may_be_loaded() -> None:
    assert plan() == EMPTY


def test_equal_requests_are_one() -> None:
    made = plan(definition(), definition(decimals="6"))
    assert made.requests == tuple(HttpRequest(f"{name}.example", "/price") for name in "abc")
    sources = [one for feed in made.feeds.values() for one in feed.sources]
    assert [one.request for one in sources] == [0, 1, 2, 0, 1, 2]
    assert [one.slot for one in sources] == [0, 1, 2, 3, 4, 5]


def test_a_feed_comes_after_those_that_it_converts_by() -> None:
    first = converted(TETHER_ID)
    made = plan(first, TETHER)
    assert made.loaded == (feed_id(first), TETHER_ID)
    assert tuple(made.feeds) == (TETHER_ID, feed_id(first))


def test_a_selection_holds_what_it_converts_by_and_nothing_else() -> None:
    first, alone = converted(TETHER_ID), definition(decimals="2")
    made = plan(alone, first, TETHER)
    selected = made.select([feed_id(first)])
    assert [feed.feed_id for feed in selected] == [TETHER_ID, feed_id(first)]
    assert [feed.feed_id for feed in made.select([TETHER_ID])] == [TETHER_ID]


def test_a_chain_of_conversions_is_selected_to_its_end() -> None:
    middle = definition(
        [source("m", base="ETH", quote="USDT", convert=conversion(TETHER_ID))],
        aggregation(min_sources="1"),
        base="ETH",
    )
    last = definition(
        [source("l", quote="ETH", convert=conversion(feed_id(middle)))],
        aggregation(min_sources="1"),
    )
    made = plan(last, middle, TETHER)
    ids = [feed.feed_id for feed in made.select([feed_id(last)])]
    assert ids == [TETHER_ID, feed_id(middle), feed_id(last)]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "0 feeds asked for, 0 of them distinct"),
        ([TETHER_ID, TETHER_ID], "2 feeds asked for, 1 of them distinct"),
        ([bytes(32)], f"feed 0x{'00' * 32} is not loaded"),
    ],
)
def test_a_selection_of_nothing_twice_or_unknown_is_refused(ids: list[bytes], message: str) -> None:
    with pytest.raises(RequestRefused, match=message):
        plan(TETHER).select(ids)


def test_a_malformed_definition_is_refused() -> None:
    with pytest.raises(ConfigError, match="not in canonical form"):
        plan(definition(), b" " + definition(decimals="6"))


def test_a_definition_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 definitions are given twice"):
        plan(definition(), TETHER, definition())


def test_too_many_definitions_are_refused_unread() -> None:
    with pytest.raises(ConfigError, match=f"{MAX_DEFINITIONS + 1} definitions"):
        plan(*[b"not read"] * (MAX_DEFINITIONS + 1))


def test_a_definition_that_is_too_large_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"wanted at most {MAX_DEFINITION_BYTES}"):
        plan(b" " * (MAX_DEFINITION_BYTES + 1))


def test_an_unknown_adapter_is_refused() -> None:
    with pytest.raises(
        ConfigError,
        match=r"BTC/USD source b: adapter 'fake/2' is unknown, wanted one of \['fake/1'",
    ):
        plan(definition([source("a"), source("b", adapter="fake/2")]))


def test_what_the_adapter_refuses_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"params\.host is missing"):
        plan(definition([source("a"), source("b", params={})]))


def test_a_missing_conversion_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"converts by 0x{TETHER_ID.hex()}, which is not loaded"):
        plan(converted(TETHER_ID))


def test_a_circle_of_conversions_is_refused() -> None:
    one, other = b"1" * 32, b"2" * 32
    circle = {one: decode_definition(converted(other)), other: decode_definition(converted(one))}
    with pytest.raises(ConfigError, match=r"in a circle among \['BTC/USD', 'BTC/USD'\]"):
        in_dependency_order(circle | {TETHER_ID: decode_definition(TETHER)})


def test_a_feed_that_converts_by_itself_is_refused() -> None:
    one = b"1" * 32
    with pytest.raises(ConfigError, match="in a circle"):
        in_dependency_order({one: decode_definition(converted(one))})


@pytest.mark.parametrize(("by", "operation"), [(TETHER, "multiply"), (INVERSE, "divide")])
def test_conversions_whose_units_cancel_are_loaded(by: bytes, operation: str) -> None:
    first = converted(feed_id(by), operation)
    assert plan(by, first).feeds[feed_id(first)].converts_by == (feed_id(by),)


@pytest.mark.parametrize(
    ("by", "operation", "wanted"),
    [
        (TETHER, "divide", "to divide BTC/USDT takes USD/USDT, not USDT/USD"),
        (INVERSE, "multiply", "to multiply BTC/USDT takes USDT/USD, not USD/USDT"),
    ],
)
def test_conversions_of_other_units_are_refused(by: bytes, operation: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"BTC/USD source t: {wanted}"):
        plan(by, converted(feed_id(by), operation))


def test_too_many_requests_are_refused() -> None:
    per_feed = 32
    feeds = [
        definition(
            [
                source(f"s{one}", params={"host": f"s{one}.f{feed}.example"})
                for one in range(per_feed)
            ]
        )
        for feed in range(MAX_REQUESTS // per_feed)
    ]
    assert len(plan(*feeds).requests) == MAX_REQUESTS
    with pytest.raises(ConfigError, match=f"{MAX_REQUESTS + 3} distinct requests"):
        plan(*feeds, definition())
