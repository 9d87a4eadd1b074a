"""Market-data cases: recorded bodies and the price, bid, ask and time that are in them.

A body is read by the venue's adapter if there is one for its endpoint, else by `http_json` with
the manifest's paths. Error bodies are read the way a body without error of the same venue is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from enclave.domain.errors import ConfigError, SourceError
from enclave.domain.feed import Json, SourceSpec
from enclave.domain.fixed_point import FixedPoint
from enclave.domain.observation import Quote
from enclave.sources import ADAPTERS
from enclave.sources.strict_json import decode
from scripts.vector_kinds.outcome import Entry, Outcome, Verdict

_BODY_SUFFIXES = (".json", ".xml", ".html", ".txt")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """An endpoint that an adapter reads.

    Attributes:
        venue: As manifests call it.
        path: Beginning of path and query.
        adapter: Versioned name.
        params: The adapter's parameters for this endpoint.
    """

    venue: str
    path: re.Pattern[str]
    adapter: str
    params: dict[str, Json]


_ENDPOINTS = (
    _Endpoint("binance", re.compile(r"/api/v3/ticker/24hr\?symbol="), "binance/1", {}),
    _Endpoint("coinbase-exchange", re.compile(r"/products/[^/]+/ticker$"), "coinbase/1", {}),
    _Endpoint("ecb", re.compile(r"/stats/eurofxref/eurofxref-daily\.xml$"), "ecb/1", {}),
    _Endpoint("gemini", re.compile(r"/v1/pubticker/"), "gemini/1", {"endpoint": "v1/pubticker"}),
    _Endpoint("gemini", re.compile(r"/v2/ticker/"), "gemini/1", {"endpoint": "v2/ticker"}),
    _Endpoint("kraken", re.compile(r"/0/public/Ticker\?"), "kraken/1", {}),
    _Endpoint("okx", re.compile(r"/api/v5/market/ticker\?"), "okx/1", {}),
)
#: Paths for an error body whose venue has no other: any path must come to the same error.
_ANY_PATHS: Entry = {"price": "1", "price_path": "$.price"}


def accepts(entries: Any) -> bool:
    """Whether a manifest is of this kind."""
    return isinstance(entries, list) and all(
        isinstance(entry, dict) and {"venue", "endpoint_url", "expected"} <= entry.keys()
        for entry in entries
    )


def run(folder: Path, entries: Sequence[Entry]) -> Iterator[Outcome]:
    """Run every case of one venue."""
    for entry in entries:
        case = f"{folder.name}/{entry['file']}"
        try:
            if entry["expected"].get("error"):
                yield _run_error(case, folder, entry, entries)
            else:
                yield _run_price(case, folder, entry)
        except (OSError, KeyError, ValueError, ConfigError) as error:
            yield Outcome(case, Verdict.FAILED, f"{type(error).__name__}: {error}")


def _run_price(case: str, folder: Path, entry: Entry) -> Outcome:
    expected = entry["expected"]
    reason = _not_applicable(entry)
    if reason is not None:
        return Outcome(case, Verdict.NOT_APPLICABLE, reason)
    body = (folder / entry["file"]).read_bytes()
    spec = _spec(entry, expected, _requirements(body))
    try:
        quote = ADAPTERS[spec.adapter].parse(spec, entry["http_status"] or 200, body)
    except SourceError as error:
        return Outcome(case, Verdict.FAILED, f"{spec.adapter}: {type(error).__name__}: {error}")
    faults = list(_differences(quote, expected, spec))
    if faults:
        return Outcome(case, Verdict.FAILED, f"{spec.adapter}: {'; '.join(faults)}")
    if expected.get("price") is None:
        return Outcome(case, Verdict.NOT_APPLICABLE, "holds no price; bid and ask are as expected")
    return Outcome(case, Verdict.PASSED, spec.adapter)


def _not_applicable(entry: Entry) -> str | None:
    """Why no adapter can be asked for a price, if so."""
    expected = entry["expected"]
    suffix = Path(entry["file"]).suffix
    if suffix not in _BODY_SUFFIXES:
        return f"{suffix.removeprefix('.').upper()}, wanted JSON or ECB's XML"
    if _endpoint(entry) is None and suffix != ".json":
        return "XML of another publisher, wanted ECB's"
    if expected.get("price") is None and not {"bid_path", "ask_path"} <= expected.keys():
        return "holds no price"
    return None


def _run_error(case: str, folder: Path, entry: Entry, entries: Sequence[Entry]) -> Outcome:
    sibling = _sibling(entry, entries)
    expected = sibling["expected"] if sibling else _ANY_PATHS
    good = (folder / sibling["file"]).read_bytes() if sibling else b"{}"
    spec = _spec(entry, expected, _requirements(good))
    wanted = bool(entry["expected"]["retryable"])
    body = (folder / entry["file"]).read_bytes()
    try:
        ADAPTERS[spec.adapter].parse(spec, entry["http_status"] or 200, body)
    except SourceError as error:
        text = f"{spec.adapter}: {type(error).__name__}: {error}"
        verdict = Verdict.PASSED if error.retryable is wanted else Verdict.FAILED
        return Outcome(case, verdict, text)
    return Outcome(case, Verdict.FAILED, f"{spec.adapter}: a price, wanted an error")


def _sibling(entry: Entry, entries: Sequence[Entry]) -> Entry | None:
    """A case of the venue that holds a price, of the same endpoint if there is one."""
    good = [
        other
        for other in entries
        if other["expected"].get("price") is not None
        and (_endpoint(other) is not None or "price_path" in other["expected"])
        and Path(other["file"]).suffix in (".json", ".xml")
    ]
    same = [other for other in good if _path(other) == _path(entry)]
    alike = [other for other in good if _endpoint(other) == _endpoint(entry)]
    return next(iter(same or alike or good), None)


def _path(entry: Entry) -> str:
    return str(entry["endpoint_url"]).partition("?")[0]


def _endpoint(entry: Entry) -> _Endpoint | None:
    """The adapter's endpoint that the body is of."""
    path = re.sub(r"^https?://[^/]+", "", entry["endpoint_url"])
    for endpoint in _ENDPOINTS:
        if endpoint.venue == entry["venue"] and endpoint.path.match(path):
            return endpoint
    return None


def _spec(entry: Entry, expected: Entry, require: list[Json]) -> SourceSpec:
    endpoint = _endpoint(entry)
    if endpoint is None:
        adapter, params = "http_json/1", _http_json_params(expected, require)
    else:
        adapter, params = endpoint.adapter, endpoint.params
    return SourceSpec(
        name="vector",
        adapter=adapter,
        base=expected.get("base", "BTC"),
        quote=expected.get("quote", "USD"),
        invert=False,
        max_age_s=60,
        convert=(),
        params=params,
    )


def _http_json_params(expected: Entry, require: list[Json]) -> dict[str, Json]:
    """The manifest's paths as parameters; a stated exponent is required as it stands."""
    timed = "timestamp_path" in expected
    if "expo_path" in expected:
        require = [*require, {"path": expected["expo_path"], "equals": expected["expo"]}]
    return {
        "host": "venue.test",
        "path": "/",
        "price": expected.get("price_path") or "",
        "bid": expected.get("bid_path") or "",
        "ask": expected.get("ask_path") or "",
        "time": expected["timestamp_path"] if timed else "",
        "time_format": time_format(str(expected["timestamp"])) if timed else "",
        "scale": expected.get("expo", "0"),
        "require": require,
        "auth": "none",
    }


def _requirements(good: bytes) -> list[Json]:
    """What a good body says by its outermost booleans: a source's flags, such as `success`."""
    try:
        document = decode(good)
    except SourceError:
        return []
    members = document.items() if isinstance(document, dict) else ()
    return [
        {"path": f"$.{name}", "equals": member}
        for name, member in members
        if isinstance(member, bool) and re.fullmatch(r"[A-Za-z0-9_-]+", name)
    ]


def _differences(quote: Quote, expected: Entry, spec: SourceSpec) -> Iterator[str]:
    """Every value that is not what the manifest says, digit for digit."""
    price = expected.get("scaled_price", expected.get("price"))
    sides: list[tuple[str, Any, FixedPoint | None]] = []
    if price is not None:
        sides.append(("price", price, quote.price))
    sides += [
        (name, expected[name], side)
        for name, side in (("bid", quote.bid), ("ask", quote.ask))
        if name in expected
    ]
    for name, wanted, seen in sides:
        if not same_number(seen, None if wanted is None else str(wanted)):
            yield f"{name} is {spell(seen)}, wanted {wanted}"
    if "timestamp" in expected and (spec.adapter != "http_json/1" or "timestamp_path" in expected):
        wanted_at = seconds(str(expected["timestamp"]))
        if quote.published_at != wanted_at:
            yield f"time is {quote.published_at}, wanted {wanted_at}"


def same_number(seen: FixedPoint | None, wanted: str | None) -> bool:
    """Whether a number has the spelled value and, unless spelled with an exponent, its digits."""
    if seen is None or wanted is None:
        return seen is None and wanted is None
    if "e" in wanted.lower():
        return Decimal(spell(seen)) == Decimal(wanted)
    return spell(seen) == wanted


def spell(number: FixedPoint | None) -> str:
    """The decimal notation with all digits that the scale has."""
    if number is None:
        return "absent"
    digits = str(abs(number.units)).rjust(number.scale + 1, "0")
    whole, fraction = digits[: len(digits) - number.scale], digits[len(digits) - number.scale :]
    return ("-" if number.units < 0 else "") + whole + (f".{fraction}" if fraction else "")


def time_format(text: str) -> str:
    """The format of a moment, by its spelling."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        digits = len(text.partition(".")[0])
        return "s" if digits <= 10 else "ms" if digits <= 13 else "us" if digits <= 16 else "ns"
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return "date"
    return "iso8601" if re.search(r"(Z|[+-]\d\d(:?\d\d)?)$", text[10:]) else "utc"


def seconds(text: str) -> int:
    """A spelled moment in seconds, by other means than the adapters use."""
    power = {"s": 0, "ms": 3, "us": 6, "ns": 9}.get(time_format(text))
    if power is not None:
        return int(Decimal(text).scaleb(-power))
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
