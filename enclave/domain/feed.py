"""Feed definitions: content-addressed, with one canonical form.

The canonical form is RFC 8785 JSON with every field present, ASCII text, and only strings,
booleans, lists and objects: numbers are decimal strings, so no reader can differ about them.
`feedId = keccak256(0x01 || decimals || canonical bytes)`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from enclave.domain.errors import ConfigError
from enclave.domain.fixed_point import Rounding
from enclave.domain.report import keccak256

SCHEMA = "feed/1"
FEED_ID_PREFIX = b"\x01"
MAX_DEFINITION_BYTES = 16_384
MAX_SOURCES = 32
MAX_DECIMALS = 18
MAX_DEPTH = 8

#: What a definition may hold; numbers and null are not among it.
Json = str | bool | list["Json"] | dict[str, "Json"]

_SYMBOL = re.compile(r"[A-Z0-9.]{1,16}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_VERSIONED = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}/[1-9][0-9]{0,3}", re.ASCII)
_NATURAL = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_FEED_ID = re.compile(r"0x[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Conversion:
    """Carry a source's price into another quote by another feed's answer of the same round.

    Attributes:
        feed_id: 32 bytes of a feed that is loaded as well.
        operation: `multiply` (price * answer) or `divide` (price / answer).
        rounding: What becomes of digits beyond the feed's decimals.
    """

    feed_id: bytes
    operation: str
    rounding: Rounding


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One source of a feed.

    Attributes:
        name: Unique within the feed.
        adapter: Versioned adapter, such as `kraken/1`.
        base: Base of the pair as the venue quotes it.
        quote: Quote of the pair as the venue quotes it.
        invert: Whether the price is turned into quote/base.
        max_age_s: Oldest price accepted, seconds before the round's time.
        convert: At most one conversion, applied after inversion.
        params: The adapter's own fields; the adapter checks that they are all there.
    """

    name: str
    adapter: str
    base: str
    quote: str
    invert: bool
    max_age_s: int
    convert: tuple[Conversion, ...]
    params: Mapping[str, Json]

    @property
    def pair(self) -> tuple[str, str]:
        """Base and quote after inversion, before conversion."""
        return (self.quote, self.base) if self.invert else (self.base, self.quote)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How observations become an answer.

    Attributes:
        algorithm: `lower-median/1`.
        min_sources: Sources needed inside the outlier bound, at least 1.
        outlier_floor_bps: Distance from the median that is never an outlier.
        outlier_mad: Multiple of the median absolute deviation beyond which a source is dropped.
        max_dispersion_bps: Largest distance of a used source from the answer.
        jump_bps: Largest move from the last answer that needs no second, confirming round.
    """

    algorithm: str
    min_sources: int
    outlier_floor_bps: int
    outlier_mad: int
    max_dispersion_bps: int
    jump_bps: int


@dataclass(frozen=True, slots=True)
class FeedDefinition:
    """All that determines a feed's answer, and nothing else.

    Attributes:
        base: Asset that is priced.
        quote: Unit of the price.
        decimals: Decimals of the answer, 0 to 18.
        rounding: What becomes of source digits beyond `decimals`: `down` or `half-even`.
        deviation_bps: Move that makes an update due.
        heartbeat_s: Longest time between updates.
        aggregation: See `Aggregation`.
        sources: 1 to 32 sources with unique names.
    """

    base: str
    quote: str
    decimals: int
    rounding: Rounding
    deviation_bps: int
    heartbeat_s: int
    aggregation: Aggregation
    sources: tuple[SourceSpec, ...]

    @property
    def name(self) -> str:
        """`BASE/QUOTE`, for people; not an identifier."""
        return f"{self.base}/{self.quote}"


def feed_id(canonical: bytes) -> bytes:
    """Identity of a definition, 32 bytes.

    Raises:
        ConfigError: The bytes are not a canonical definition.
    """
    return _feed_id(decode_definition(canonical).decimals, canonical)


def _feed_id(decimals: int, canonical: bytes) -> bytes:
    return keccak256(FEED_ID_PREFIX, bytes((decimals,)), canonical)


def encode_definition(value: Json) -> bytes:
    """Canonical bytes of a definition given as JSON data; checks its schema.

    Raises:
        ConfigError: A field is missing, unknown or out of range; names the field.
    """
    canonical = _canonical(value)
    decode_definition(canonical)
    return canonical


def decode_definition(canonical: bytes) -> FeedDefinition:
    """Read a canonical definition.

    Raises:
        ConfigError: Not canonical, or a field missing, unknown or out of range.
    """
    if len(canonical) > MAX_DEFINITION_BYTES:
        raise ConfigError(
            f"definition of {len(canonical)} bytes, wanted at most {MAX_DEFINITION_BYTES}"
        )
    try:
        value = json.loads(canonical.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise ConfigError("definition is not ASCII JSON") from error
    if _canonical(value) != canonical:
        raise ConfigError("definition is not in canonical form (RFC 8785, strings only)")
    return _feed(_Fields(value, "feed"))


def _canonical(value: Json) -> bytes:
    _check_json(value, 0)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _check_json(value: object, depth: int) -> None:
    """Refuse everything but printable ASCII strings, booleans, lists and objects."""
    if depth > MAX_DEPTH:
        raise ConfigError(f"definition is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        if not value.isascii() or (value and not value.isprintable()):
            raise ConfigError(f"text is not printable ASCII: {value!r}")
    elif not isinstance(value, bool):
        for item in _children(value):
            _check_json(item, depth + 1)


def _children(value: object) -> list[object]:
    """Keys and values of an object, items of a list."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    raise ConfigError(f"{type(value).__name__} in a definition, wanted text or a boolean")


class _Fields:
    """Typed access to one object; every field is taken exactly once."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} is not an object")
        self._left: dict[str, object] = dict(value)
        self._where = where

    def take(self, name: str) -> object:
        if name not in self._left:
            raise ConfigError(f"{self._where}.{name} is missing")
        return self._left.pop(name)

    def text(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ConfigError(
                f"{self._where}.{name} is {value!r}, wanted text like {pattern.pattern}"
            )
        return value

    def natural(self, name: str, low: int, high: int) -> int:
        value = int(self.text(name, _NATURAL))
        if not low <= value <= high:
            raise ConfigError(f"{self._where}.{name} is {value}, wanted {low}..{high}")
        return value

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise ConfigError(f"{self._where}.{name} is {value!r}, wanted true or false")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.take(name)
        if value not in allowed:
            raise ConfigError(f"{self._where}.{name} is {value!r}, wanted one of {allowed}")
        return str(value)

    def items(self, name: str, low: int, high: int) -> list["_Fields"]:
        value = self.take(name)
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise ConfigError(f"{self._where}.{name} is not a list of {low}..{high} items")
        return [_Fields(item, f"{self._where}.{name}[{i}]") for i, item in enumerate(value)]

    def object(self, name: str) -> "_Fields":
        return _Fields(self.take(name), f"{self._where}.{name}")

    def end(self) -> None:
        if self._left:
            raise ConfigError(f"{self._where} has unknown fields {sorted(self._left)}")


def _feed(fields: _Fields) -> FeedDefinition:
    fields.choice("schema", (SCHEMA,))
    definition = FeedDefinition(
        base=fields.text("base", _SYMBOL),
        quote=fields.text("quote", _SYMBOL),
        decimals=fields.natural("decimals", 0, MAX_DECIMALS),
        rounding=Rounding(fields.choice("rounding", ("down", "half-even"))),
        deviation_bps=fields.natural("deviation_bps", 1, 10_000),
        heartbeat_s=fields.natural("heartbeat_s", 1, 604_800),
        aggregation=_aggregation(fields.object("aggregation")),
        sources=tuple(_source(item) for item in fields.items("sources", 1, MAX_SOURCES)),
    )
    fields.end()
    _check_feed(definition)
    return definition


def _aggregation(fields: _Fields) -> Aggregation:
    aggregation = Aggregation(
        algorithm=fields.choice("algorithm", ("lower-median/1",)),
        min_sources=fields.natural("min_sources", 1, MAX_SOURCES),
        outlier_floor_bps=fields.natural("outlier_floor_bps", 1, 10_000),
        outlier_mad=fields.natural("outlier_mad", 1, 100),
        max_dispersion_bps=fields.natural("max_dispersion_bps", 1, 10_000),
        jump_bps=fields.natural("jump_bps", 1, 100_000),
    )
    fields.end()
    return aggregation


def _source(fields: _Fields) -> SourceSpec:
    params = fields.take("params")
    if not isinstance(params, dict):
        raise ConfigError("source params is not an object")
    source = SourceSpec(
        name=fields.text("name", _NAME),
        adapter=fields.text("adapter", _VERSIONED),
        base=fields.text("base", _SYMBOL),
        quote=fields.text("quote", _SYMBOL),
        invert=fields.flag("invert"),
        max_age_s=fields.natural("max_age_s", 1, 604_800),
        convert=tuple(_conversion(item) for item in fields.items("convert", 0, 1)),
        params=params,
    )
    fields.end()
    return source


def _conversion(fields: _Fields) -> Conversion:
    conversion = Conversion(
        feed_id=bytes.fromhex(fields.text("by", _FEED_ID)[2:]),
        operation=fields.choice("operation", ("multiply", "divide")),
        rounding=Rounding(fields.choice("rounding", ("down", "half-even"))),
    )
    fields.end()
    return conversion


def _check_feed(definition: FeedDefinition) -> None:
    """Rules across fields."""
    names = [source.name for source in definition.sources]
    if len(set(names)) != len(names):
        raise ConfigError(f"source names repeat: {names}")
    if definition.aggregation.min_sources > len(names):
        raise ConfigError(
            f"min_sources is {definition.aggregation.min_sources}, but there are {len(names)}"
        )
    for source in definition.sources:
        if not source.convert and source.pair != (definition.base, definition.quote):
            raise ConfigError(
                f"source {source.name} quotes {'/'.join(source.pair)}, wanted {definition.name}"
                " or a conversion"
            )
        if source.convert and source.pair[0] != definition.base:
            raise ConfigError(f"source {source.name} prices {source.pair[0]}, not the feed's base")
