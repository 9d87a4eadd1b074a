"""Recorded replies of real venues as feeds of one source each.

A reply that a definition can read without its time is served byte for byte. Where the adapter
reads the reply's own time, that one field is moved to now and spelled in the same way: a recorded
time is years old and would be refused, rightly. No other byte is touched.
"""

import itertools
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from enclave.domain.errors import ConfigError
from enclave.domain.feed import Json, SourceSpec, encode_definition
from enclave.domain.fixed_point import FixedPoint
from enclave.sources import ADAPTERS

_RECORDED = frozenset({"recorded", "recorded-as-shipped", "recorded-reserialised"})
_MAX_DECIMALS = 18
_MAX_INT64 = 2**63 - 1
#: Parameters that adapters want, if they want any.
_PARAMS: tuple[dict[str, Json], ...] = (
    {},
    {"endpoint": "v1/pubticker"},
    {"endpoint": "v2/ticker"},
)
_SYMBOL = re.compile(r"[A-Z0-9.]{1,16}")


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """One reply and the feed that reads it.

    Attributes:
        name: Venue and file.
        host: Where it is served.
        path: Path and query at which it is served.
        content_type: As recorded.
        body: What is served.
        price: The price as spelled in the body.
        definition: Canonical feed definition with this one source.
        is_redated: Whether the body's time was moved to now.
    """

    name: str
    host: str
    path: str
    content_type: str
    body: bytes
    price: FixedPoint
    definition: bytes
    is_redated: bool

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What a request for it looks like to the server."""
        parts = urlsplit(self.path)
        return self.host, parts.path, tuple(sorted(parse_qsl(parts.query)))


def recorded_replies(folder: Path, now: datetime) -> list[RecordedReply]:
    """Every reply under `folder` that states a price and was recorded from a venue."""
    return [
        _reply(entry, (manifest.parent / entry["file"]).read_bytes(), now)
        for manifest in sorted(folder.glob("*/manifest.json"))
        for entry in json.loads(manifest.read_bytes())
        if _is_usable(entry)
    ]


def layers(replies: list[RecordedReply]) -> list[list[RecordedReply]]:
    """Split into lists in which no two replies are served at the same address."""
    split: list[dict[Any, RecordedReply]] = []
    for reply in replies:
        layer = next((layer for layer in split if reply.key not in layer), None)
        if layer is None:
            layer = {}
            split.append(layer)
        layer[reply.key] = reply
    return [list(layer.values()) for layer in split]


def _is_usable(entry: dict[str, Any]) -> bool:
    expected = entry["expected"]
    if entry["kind"] not in _RECORDED or expected.get("error") or expected.get("price") is None:
        return False
    is_text = entry["file"].endswith(".json") or entry["venue"] == "ecb"
    parts = urlsplit(entry["endpoint_url"])
    is_address = parts.scheme == "https" and not set(" {}()") & set(entry["endpoint_url"])
    pair = (expected.get("base") or "", expected.get("quote") or "")
    is_pair = all(_SYMBOL.fullmatch(symbol) for symbol in pair)
    price = FixedPoint.parse(expected["price"])
    fits = price.scale <= _MAX_DECIMALS and 0 < price.units <= _MAX_INT64
    return is_text and is_address and is_pair and fits and entry["file"].endswith((".json", ".xml"))


def _reply(entry: dict[str, Any], body: bytes, now: datetime) -> RecordedReply:
    parts = urlsplit(entry["endpoint_url"])
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    host, expected = parts.hostname or "", entry["expected"]
    price = FixedPoint.parse(expected["price"])
    found = _adapter(expected, host, path)
    if found is None:
        adapter, params, served = "http_json/1", _http_json(host, path, expected), body
    else:
        adapter, params, path = found
        served = _redate(body, expected["timestamp"], now) if "timestamp" in expected else body
    return RecordedReply(
        name=f"{entry['venue']}/{entry['file']}",
        host=host,
        path=path,
        content_type=entry["content_type"] or "application/json",
        body=served,
        price=price,
        definition=_definition(expected, price.scale, adapter, params),
        is_redated=served != body,
    )


def _adapter(
    expected: dict[str, Any], host: str, path: str
) -> tuple[str, dict[str, Json], str] | None:
    """The adapter that asks this question, its parameters, and its way of asking.

    It may spell symbols in other letters and leave out parameters that change nothing.
    """
    pair = (expected["base"], expected["quote"])
    for (name, adapter), params in itertools.product(ADAPTERS.items(), _PARAMS):
        spec = SourceSpec("only", name, *pair, False, 1, convert=(), params=params)
        try:
            request = adapter.request(spec)
        except ConfigError:
            continue
        if request.host == host and _asks_the_same(request.path, path):
            return name, params, request.path
    return None


def _asks_the_same(asked: str, recorded: str) -> bool:
    mine, theirs = urlsplit(asked.casefold()), urlsplit(recorded.casefold())
    return mine.path == theirs.path and set(parse_qsl(mine.query)) <= set(parse_qsl(theirs.query))


def _http_json(host: str, path: str, expected: dict[str, Any]) -> dict[str, Json]:
    return {
        "host": host,
        "path": path,
        "price": expected["price_path"],
        "bid": "",
        "ask": "",
        "time": "",
        "time_format": "",
        "scale": "0",
        "require": [],
        "auth": "none",
    }


def _definition(
    expected: dict[str, Any], decimals: int, adapter: str, params: dict[str, Json]
) -> bytes:
    base, quote = expected["base"], expected["quote"]
    return encode_definition(
        {
            "schema": "feed/1",
            "base": base,
            "quote": quote,
            "decimals": str(decimals),
            "rounding": "down",
            "deviation_bps": "1",
            "heartbeat_s": "1",
            "aggregation": {
                "algorithm": "lower-median/1",
                "min_sources": "1",
                "outlier_floor_bps": "1",
                "outlier_mad": "1",
                "max_dispersion_bps": "1",
                "jump_bps": "1",
            },
            "sources": [
                {
                    "name": "only",
                    "adapter": adapter,
                    "base": base,
                    "quote": quote,
                    "invert": False,
                    "max_age_s": "604800",
                    "convert": [],
                    "params": params,
                }
            ],
        }
    )


def _redate(body: bytes, stated: str, now: datetime) -> bytes:
    """The body with its own time, spelled `stated`, moved to now in the same spelling."""
    spelled = _spell(stated, now)
    if body.count(stated.encode()) < 1:
        raise ValueError(f"the body does not hold its time {stated!r}")
    return body.replace(stated.encode(), spelled.encode())


def _spell(stated: str, now: datetime) -> str:
    if stated.isdecimal():
        return str(int(now.timestamp() * 1_000_000))[: len(stated)]
    if re.fullmatch(r"\d{4}-\d\d-\d\d", stated):
        return f"{now.astimezone(UTC):%Y-%m-%d}"
    fraction = len(stated.partition(".")[2].rstrip("Z"))
    text = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    return (text[: 20 + fraction] if fraction else text[:19]) + "Z"
