"""Loaded feed definitions, checked as a whole and in the order in which they can be computed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from enclave.domain.errors import ConfigError, RequestRefused
from enclave.domain.feed import Conversion, FeedDefinition, SourceSpec, decode_definition, feed_id
from enclave.domain.observation import Quote
from enclave.sources.base import Adapter, HttpRequest

MAX_DEFINITIONS = 1_024
#: Distinct requests of all loaded definitions: what one round may cost at most.
MAX_REQUESTS = 4_096


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """A source that is ready to be fetched.

    Attributes:
        slot: Number of this source in the plan, from 0.
        spec: As defined.
        request: Position of its request in `Plan.requests`.
        parse: The adapter's reader.
    """

    slot: int
    spec: SourceSpec
    request: int
    parse: Callable[[SourceSpec, int, bytes], Quote]


@dataclass(frozen=True, slots=True)
class PlannedFeed:
    """A feed that is ready to be computed.

    Attributes:
        feed_id: 32 bytes.
        definition: As loaded.
        sources: In the definition's order.
        converts_by: Feeds whose answers of the same round it needs.
    """

    feed_id: bytes
    definition: FeedDefinition
    sources: tuple[PlannedSource, ...]
    converts_by: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All loaded feeds.

    Attributes:
        loaded: Feed ids in the order in which they were given.
        feeds: By id, each after the feeds that it converts by.
        requests: Every distinct request.
    """

    loaded: tuple[bytes, ...]
    feeds: dict[bytes, PlannedFeed]
    requests: tuple[HttpRequest, ...]

    def select(self, feed_ids: Sequence[bytes]) -> tuple[PlannedFeed, ...]:
        """These feeds and what they convert by, in the order of computation.

        Raises:
            RequestRefused: None are asked for, one repeats, or one is not loaded.
        """
        wanted = set(feed_ids)
        if not feed_ids or len(wanted) != len(feed_ids):
            raise RequestRefused(f"{len(feed_ids)} feeds asked for, {len(wanted)} of them distinct")
        for missing in wanted - self.feeds.keys():
            raise RequestRefused(f"feed 0x{missing.hex()} is not loaded")
        # Dependencies come first in `feeds`, so one pass backwards closes the set.
        for planned in reversed(self.feeds.values()):
            if planned.feed_id in wanted:
                wanted.update(planned.converts_by)
        return tuple(planned for planned in self.feeds.values() if planned.feed_id in wanted)


EMPTY = Plan(loaded=(), feeds={}, requests=())


def make_plan(definitions: Sequence[bytes], adapters: Mapping[str, Adapter]) -> Plan:
    """Check definitions and prepare them, all or none.

    Args:
        definitions: Canonical bytes, at most 1024 of at most 16 KiB.
        adapters: By versioned name.

    Raises:
        ConfigError: One is malformed or repeats, names an unknown adapter or a parameter that
            its adapter refuses, or converts by a feed that is missing, of other units, or that
            depends on it; or there are too many.
    """
    if len(definitions) > MAX_DEFINITIONS:
        raise ConfigError(f"{len(definitions)} definitions, wanted at most {MAX_DEFINITIONS}")
    decoded = {feed_id(canonical): decode_definition(canonical) for canonical in definitions}
    if len(decoded) != len(definitions):
        raise ConfigError(f"{len(definitions) - len(decoded)} definitions are given twice")
    builder = _Builder(adapters)
    feeds: dict[bytes, PlannedFeed] = {}
    for identity in in_dependency_order(decoded):
        feeds[identity] = builder.feed(identity, decoded[identity], feeds)
    return Plan(tuple(decoded), feeds, builder.requests())


class _Builder:
    """Numbers sources and requests while feeds are prepared."""

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters
        self._slots = 0
        self._positions: dict[HttpRequest, int] = {}

    def requests(self) -> tuple[HttpRequest, ...]:
        if len(self._positions) > MAX_REQUESTS:
            raise ConfigError(
                f"definitions make {len(self._positions)} distinct requests,"
                f" wanted at most {MAX_REQUESTS}"
            )
        return tuple(self._positions)

    def feed(
        self, identity: bytes, definition: FeedDefinition, before: Mapping[bytes, PlannedFeed]
    ) -> PlannedFeed:
        for spec in definition.sources:
            for conversion in spec.convert:
                _check_conversion(definition, spec, conversion, before)
        return PlannedFeed(
            feed_id=identity,
            definition=definition,
            sources=tuple(self._source(definition, spec) for spec in definition.sources),
            converts_by=_converts_by(definition),
        )

    def _source(self, definition: FeedDefinition, spec: SourceSpec) -> PlannedSource:
        adapter = self._adapters.get(spec.adapter)
        if adapter is None:
            raise ConfigError(
                f"{definition.name} source {spec.name}: adapter {spec.adapter!r} is unknown,"
                f" wanted one of {sorted(self._adapters)}"
            )
        request = adapter.request(spec)
        position = self._positions.setdefault(request, len(self._positions))
        self._slots += 1
        return PlannedSource(self._slots - 1, spec, position, adapter.parse)


def _converts_by(definition: FeedDefinition) -> tuple[bytes, ...]:
    return tuple({conversion.feed_id for spec in definition.sources for conversion in spec.convert})


def _check_conversion(
    definition: FeedDefinition,
    spec: SourceSpec,
    conversion: Conversion,
    before: Mapping[bytes, PlannedFeed],
) -> None:
    """The units cancel: X/Y * Y/Z or X/Y / Z/Y makes X/Z."""
    by = before[conversion.feed_id].definition
    wanted = (spec.pair[1], definition.quote)
    if conversion.operation == "divide":
        wanted = (wanted[1], wanted[0])
    if (by.base, by.quote) != wanted:
        raise ConfigError(
            f"{definition.name} source {spec.name}: to {conversion.operation}"
            f" {'/'.join(spec.pair)} takes {'/'.join(wanted)}, not {by.name}"
        )


def in_dependency_order(decoded: Mapping[bytes, FeedDefinition]) -> Iterable[bytes]:
    """Ids, each after those it converts by.

    A definition cannot hold its own hash, so a circle would be a collision; it is refused all the
    same. There is no recursion: definitions come from the host.

    Raises:
        ConfigError: A missing dependency or a circle.
    """
    waiting = {identity: set(_converts_by(definition)) for identity, definition in decoded.items()}
    for identity, needs in waiting.items():
        for missing in needs - waiting.keys():
            raise ConfigError(
                f"{decoded[identity].name} converts by 0x{missing.hex()}, which is not loaded"
            )
    order: list[bytes] = []
    while waiting:
        ready = [identity for identity, needs in waiting.items() if not needs & waiting.keys()]
        if not ready:
            names = sorted(decoded[identity].name for identity in waiting)
            raise ConfigError(f"conversions go in a circle among {names[:8]}")
        for identity in ready:
            del waiting[identity]
        order += ready
    return order
