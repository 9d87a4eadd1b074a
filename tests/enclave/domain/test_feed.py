"""A definition has one canonical form, and its hash is the feed's identity."""

import copy
import json
from typing import Any

import pytest
from eth_utils.crypto import keccak

from enclave.domain.errors import ConfigError
from enclave.domain.feed import decode_definition, encode_definition, feed_id

USDT_FEED = "0x" + "ab" * 32


def definition() -> dict[str, Any]:
    """A complete definition as JSON data."""
    source = {
        "name": "kraken",
        "adapter": "kraken/1",
        "base": "ETH",
        "quote": "USD",
        "invert": False,
        "max_age_s": "60",
        "convert": [],
        "params": {"symbol": "ETHUSD"},
    }
    tether = source | {
        "name": "binance",
        "adapter": "binance/1",
        "quote": "USDT",
        "convert": [{"by": USDT_FEED, "operation": "multiply", "rounding": "half-even"}],
    }
    return {
        "schema": "feed/1",
        "base": "ETH",
        "quote": "USD",
        "decimals": "8",
        "rounding": "half-even",
        "deviation_bps": "50",
        "heartbeat_s": "3600",
        "aggregation": {
            "algorithm": "lower-median/1",
            "min_sources": "2",
            "outlier_floor_bps": "50",
            "outlier_mad": "5",
            "max_dispersion_bps": "200",
            "jump_bps": "1000",
        },
        "sources": [source, tether],
    }


def test_the_id_is_the_hash_of_prefix_decimals_and_canonical_bytes() -> None:
    canonical = encode_definition(definition())
    assert feed_id(canonical) == keccak(b"\x01\x08" + canonical)


def test_key_order_and_spacing_do_not_change_the_id() -> None:
    shuffled = dict(reversed(list(definition().items())))
    assert encode_definition(shuffled) == encode_definition(definition())


def test_every_part_is_read() -> None:
    feed = decode_definition(encode_definition(definition()))
    assert (feed.name, feed.decimals, feed.aggregation.min_sources) == ("ETH/USD", 8, 2)
    assert feed.sources[1].convert[0].feed_id == bytes.fromhex(USDT_FEED[2:])
    assert feed.sources[0].pair == ("ETH", "USD")


@pytest.mark.parametrize(
    "change", ["source", "transform", "quorum", "decimals", "heartbeat", "params"]
)
def test_any_change_is_another_feed(change: str) -> None:
    data = definition()
    edits: dict[str, Any] = {
        "source": data["sources"].pop,
        "transform": lambda: data["sources"][1]["convert"][0].update(rounding="down"),
        "quorum": lambda: data["aggregation"].update(min_sources="1"),
        "decimals": lambda: data.update(decimals="9"),
        "heartbeat": lambda: data.update(heartbeat_s="3601"),
        "params": lambda: data["sources"][0]["params"].update(symbol="XETHZUSD"),
    }
    edits[change]()
    if change == "source":
        data["aggregation"]["min_sources"] = "1"
    assert feed_id(encode_definition(data)) != feed_id(encode_definition(definition()))


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key of every object, as a path; the adapter's own params are left out."""
    found: list[tuple[Any, ...]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        here = (*at, key)
        if isinstance(value, dict):
            found.append(here)
        if isinstance(item, dict | list) and key != "params":
            found += paths(item, here)
    return found


@pytest.mark.parametrize("path", paths(definition()), ids=str)
def test_no_field_has_a_default(path: tuple[Any, ...]) -> None:
    data = definition()
    target = data
    for key in path[:-1]:
        target = target[key]
    del target[path[-1]]
    with pytest.raises(ConfigError, match="missing"):
        encode_definition(data)


@pytest.mark.parametrize("where", ["feed", "aggregation", "source", "convert"])
def test_an_unknown_field_is_refused(where: str) -> None:
    data = definition()
    objects = {
        "feed": data,
        "aggregation": data["aggregation"],
        "source": data["sources"][0],
        "convert": data["sources"][1]["convert"][0],
    }
    objects[where]["extra"] = "1"
    with pytest.raises(ConfigError, match=r"unknown fields \['extra'\]"):
        encode_definition(data)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("decimals", "19", "wanted 0..18"),
        ("decimals", "08", "wanted text"),
        ("base", "eth", "wanted text"),
        ("rounding", "up", "wanted one of"),
        ("schema", "feed/2", "wanted one of"),
        ("sources", [], "list of 1..32"),
        ("sources", "x", "list of 1..32"),
        ("sources", ["x"], "not an object"),
        ("aggregation", [], "not an object"),
        ("decimals", "8\n", "printable"),
        ("base", "ÉTH", "printable ASCII"),
    ],
)
def test_a_field_out_of_range_is_named(key: str, value: Any, message: str) -> None:
    data = definition() | {key: value}
    with pytest.raises(ConfigError, match=message):
        encode_definition(data)


@pytest.mark.parametrize("value", [1, 1.5, None])
def test_numbers_and_null_are_refused(value: object) -> None:
    data: Any = definition() | {"decimals": value}
    with pytest.raises(ConfigError, match="wanted text or a boolean"):
        encode_definition(data)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"invert": "no"}, "true or false"),
        ({"params": []}, "params is not an object"),
        ({"quote": "EUR"}, "quotes ETH/EUR, wanted ETH/USD or a conversion"),
        ({"name": "binance"}, "names repeat"),
        ({"invert": True}, "quotes USD/ETH"),
    ],
)
def test_a_source_that_does_not_fit_is_refused(edit: dict[str, Any], message: str) -> None:
    data = definition()
    data["sources"][0].update(edit)
    with pytest.raises(ConfigError, match=message):
        encode_definition(data)


def test_a_conversion_does_not_change_the_base() -> None:
    data = definition()
    data["sources"][1]["base"] = "BTC"
    with pytest.raises(ConfigError, match="prices BTC"):
        encode_definition(data)


def test_more_sources_needed_than_named_is_refused() -> None:
    data = definition()
    data["aggregation"]["min_sources"] = "3"
    with pytest.raises(ConfigError, match="min_sources is 3"):
        encode_definition(data)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        json.dumps(definition()).encode(),
        b" " + encode_definition(definition()),
    ],
)
def test_bytes_that_are_not_canonical_are_refused(raw: bytes) -> None:
    with pytest.raises(ConfigError):
        decode_definition(raw)


def test_size_and_depth_are_bounded() -> None:
    data = definition()
    data["sources"][0]["params"] = {"a": "x" * 17_000}
    with pytest.raises(ConfigError, match="at most 16384"):
        encode_definition(data)
    deep: Any = "x"
    for _ in range(8):
        deep = [deep]
    data = copy.deepcopy(definition())
    data["sources"][0]["params"] = {"a": deep}
    with pytest.raises(ConfigError, match="nested deeper"):
        encode_definition(data)
