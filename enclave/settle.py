"""Readings of one round to answers, feed by feed (pure).

A reading is what one source's reply said; an answer is what a feed makes of its readings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from enclave.aggregate import Gate, aggregate, pass_gate
from enclave.clock import Stamp, check_report_time, observed_at, price_age_s, read_stamp
from enclave.conversion import Rate, to_feed_units
from enclave.domain.errors import OracleError, QuorumNotReached, SourceError, SourceUnavailable
from enclave.domain.fixed_point import FixedPoint
from enclave.domain.observation import Answer, FeedFailure, Observation, Quote, SourceFailure
from enclave.log import public_text
from enclave.plan import PlannedFeed, PlannedSource

_NO_READING = SourceUnavailable("no reply within the round's time")


@dataclass(frozen=True, slots=True)
class Reading:
    """A price and what its reply says about time."""

    quote: Quote
    stamp: Stamp


#: By source slot.
Readings = Mapping[int, Reading | SourceError]


@dataclass(frozen=True, slots=True)
class FeedOutcome:
    """One feed's answer or the reason for none.

    Attributes:
        result: Answer of the feed, or its failure.
        failures: Of its sources.
    """

    result: Answer | FeedFailure
    failures: tuple[SourceFailure, ...]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a round made.

    Attributes:
        observed_at: The round's time; 0 if no feed has an answer.
        outcomes: By feed id.
        gates: New memory of the jump gate, of the feeds that moved it.
    """

    observed_at: int
    outcomes: Mapping[bytes, FeedOutcome]
    gates: Mapping[bytes, Gate]


def read_reply(
    source: PlannedSource, *, status: int, body: bytes, dates: Sequence[str], ages: Sequence[str]
) -> Reading | SourceError:
    """Read one source's price out of a reply; an error is returned, because it is a result too."""
    try:
        return Reading(source.parse(source.spec, status, body), read_stamp(dates, ages))
    except SourceError as error:
        return error


def settle(
    feeds: Sequence[PlannedFeed],
    readings: Readings,
    *,
    gate_of: Callable[[bytes], Gate],
    last_report_at: int,
) -> Settlement:
    """Make the answers of one round.

    Args:
        feeds: Each after those it converts by.
        readings: By source slot; a source without one has not replied in time.
        gate_of: Memory of the jump gate by feed id.
        last_report_at: Time of the last signed report, 0 if there is none.
    """
    try:
        moment = observed_at(_dates(feeds, readings))
        check_report_time(moment, last_report_at)
    except QuorumNotReached as error:
        return Settlement(0, {feed.feed_id: _no_time(feed, readings, error) for feed in feeds}, {})
    outcomes: dict[bytes, FeedOutcome] = {}
    gates: dict[bytes, Gate] = {}
    for feed in feeds:
        observations, failures = _observe(feed, readings, moment, outcomes)
        try:
            gate, answer = _answer(feed, observations, gate_of(feed.feed_id), moment)
        except QuorumNotReached as error:
            outcomes[feed.feed_id] = _failed(feed, error, failures)
            continue
        gates[feed.feed_id] = gate
        outcomes[feed.feed_id] = (
            _failed(feed, QuorumNotReached(answer), failures)
            if isinstance(answer, str)
            else FeedOutcome(answer, failures)
        )
    has_answer = any(isinstance(outcome.result, Answer) for outcome in outcomes.values())
    return Settlement(moment if has_answer else 0, outcomes, gates)


def _answer(
    feed: PlannedFeed, observations: Sequence[Observation], gate: Gate, moment: int
) -> tuple[Gate, Answer | str]:
    """The gate's new memory and the answer, or why it is held."""
    rules = feed.definition.aggregation
    result = aggregate(observations, rules)
    gate, held = pass_gate(gate, result.value, observed_at=moment, jump_bps=rules.jump_bps)
    if held:
        return gate, held
    return gate, Answer(
        feed_id=feed.feed_id,
        value=result.value,
        decimals=feed.definition.decimals,
        dispersion=result.dispersion,
        sources_used=result.sources_used,
        sources_asked=len(feed.sources),
    )


def _dates(feeds: Sequence[PlannedFeed], readings: Readings) -> list[int]:
    """One date for each reply that gave a price that is not older than its `Age` may be."""
    dates: dict[int, int] = {}
    for feed in feeds:
        for source in feed.sources:
            reading = readings.get(source.slot)
            if isinstance(reading, Reading) and reading.stamp.age_s <= source.spec.max_age_s:
                dates[source.request] = reading.stamp.date
    return list(dates.values())


def _observe(
    feed: PlannedFeed,
    readings: Readings,
    moment: int,
    outcomes: Mapping[bytes, FeedOutcome],
) -> tuple[list[Observation], tuple[SourceFailure, ...]]:
    """The feed's fresh observations, and why its other sources gave none."""
    observations: list[Observation] = []
    failures: list[SourceFailure] = []
    for source in feed.sources:
        try:
            reading = readings.get(source.slot, _NO_READING)
            if isinstance(reading, SourceError):
                raise reading
            observations.append(_observation(feed, source, reading, moment, outcomes))
        except SourceError as error:
            failures.append(_source_failure(source, error))
    return observations, tuple(failures)


def _observation(
    feed: PlannedFeed,
    source: PlannedSource,
    reading: Reading,
    moment: int,
    outcomes: Mapping[bytes, FeedOutcome],
) -> Observation:
    spec, quote = source.spec, reading.quote
    age_s = price_age_s(
        reading.stamp, published_at=quote.published_at, moment=moment, max_age_s=spec.max_age_s
    )
    value = to_feed_units(
        quote.price,
        invert=spec.invert,
        rate=_rate(source, outcomes) if spec.convert else None,
        decimals=feed.definition.decimals,
        rounding=feed.definition.rounding,
    )
    return Observation(spec.name, value, age_s)


def _rate(source: PlannedSource, outcomes: Mapping[bytes, FeedOutcome]) -> Rate:
    """The answer of the feed that the source converts by; it was computed before."""
    (conversion,) = source.spec.convert
    answer = outcomes[conversion.feed_id].result
    if not isinstance(answer, Answer):
        raise SourceUnavailable(
            f"converts by feed 0x{conversion.feed_id.hex()}, which has no answer this round"
        )
    return Rate(
        FixedPoint(answer.value, answer.decimals), conversion.operation, conversion.rounding
    )


def _source_failure(source: PlannedSource, error: SourceError) -> SourceFailure:
    return SourceFailure(
        source.spec.name, type(error).__name__, public_text(error), error.retryable
    )


def _no_time(
    feed: PlannedFeed,
    readings: Readings,
    error: QuorumNotReached,
) -> FeedOutcome:
    failures = tuple(
        _source_failure(source, reading)
        for source in feed.sources
        if isinstance(reading := readings.get(source.slot, _NO_READING), SourceError)
    )
    return _failed(feed, error, failures)


def _failed(
    feed: PlannedFeed, error: OracleError, failures: tuple[SourceFailure, ...]
) -> FeedOutcome:
    failure = FeedFailure(feed.feed_id, type(error).__name__, public_text(error))
    return FeedOutcome(failure, failures)
