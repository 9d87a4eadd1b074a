"""Rounds: fetch, parse, aggregate; exactly one round is held, for a short time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from enclave.aggregate import Gate
from enclave.domain.errors import ConfigError, RequestRefused, SourceError
from enclave.domain.observation import Answer, SourceFailure
from enclave.domain.wire import AnswerView, FailureView, RoundResult
from enclave.guard import Fetcher
from enclave.log import Log
from enclave.plan import EMPTY, PlannedFeed, PlannedSource, make_plan
from enclave.settle import FeedOutcome, Reading, Settlement, read_reply, settle
from enclave.sources.base import Adapter, HttpRequest

#: Oldest round that may be signed, seconds by the monotonic clock.
MAX_ROUND_AGE_S = 10.0
#: Feeds whose last answer is remembered. It bounds memory by refusing: a forgotten answer would
#: let a jump pass.
MAX_GATES = 4_096
#: Source failures in one result, so that it fits a frame; further ones are left out.
MAX_FAILURES = 2_048


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a round may take.

    Attributes:
        request_s: One request, all in all, seconds.
        round_s: All requests of one round, seconds.
    """

    request_s: float = 5.0
    round_s: float = 8.0


DEADLINES = Deadlines()


@dataclass(frozen=True, slots=True)
class ClosedRound:
    """Answers that may be signed.

    Attributes:
        round_id: Counter since start, from 1.
        observed_at: Seconds since the epoch, by the sources.
        answers: Of the feeds asked for.
        closed_at: Monotonic seconds.
        tolerances: Each feed's `max_dispersion_bps`, by id, as it was loaded for the round.
    """

    round_id: int
    observed_at: int
    answers: tuple[Answer, ...]
    closed_at: float
    tolerances: Mapping[bytes, int]


class Rounds:
    """Runs rounds over the loaded definitions, one at a time.

    Args:
        fetcher: Gets replies.
        adapters: By versioned name.
        monotonic: Seconds that only grow; for durations only.
        log: Gets one line a round.
        deadlines: How long a round may take.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        adapters: Mapping[str, Adapter],
        monotonic: Callable[[], float],
        log: Log,
        deadlines: Deadlines = DEADLINES,
    ) -> None:
        self._deadlines = deadlines
        self._fetcher = fetcher
        self._adapters = adapters
        self._monotonic = monotonic
        self._log = log
        self._plan = EMPTY
        self._gates: dict[bytes, Gate] = {}
        self._closed: ClosedRound | None = None
        self._last_report_at = 0
        self._count = 0
        self._one_at_a_time = asyncio.Lock()

    @property
    def count(self) -> int:
        """Rounds run since start."""
        return self._count

    @property
    def feeds(self) -> int:
        """Feeds loaded now."""
        return len(self._plan.feeds)

    def load(self, definitions: Sequence[bytes]) -> tuple[bytes, ...]:
        """Replace the loaded definitions, all or none; the jump gate's memory stays.

        Returns:
            Feed ids in the given order.

        Raises:
            ConfigError: See `make_plan`; or more feeds since start than can be remembered.
        """
        plan = make_plan(definitions, self._adapters)
        remembered = len(self._gates.keys() | plan.feeds.keys())
        if remembered > MAX_GATES:
            raise ConfigError(
                f"{remembered} feeds since start, wanted at most {MAX_GATES}; restart the enclave"
            )
        for feed_id in plan.feeds:
            self._gates.setdefault(feed_id, Gate())
        self._plan = plan
        return plan.loaded

    async def run(self, feed_ids: Sequence[bytes]) -> RoundResult:
        """Run one round; the round before is held until this one closes.

        Raises:
            RequestRefused: A feed repeats or is not loaded, or none is asked for.
        """
        async with self._one_at_a_time:
            started = self._monotonic()
            feeds = self._plan.select(feed_ids)
            readings = await self._collect(feeds, self._plan.requests)
            settlement = settle(
                feeds,
                readings,
                gate_of=self._gates.__getitem__,
                last_report_at=self._last_report_at,
            )
            self._gates.update(settlement.gates)
            self._count += 1
            tolerances = {
                feed.feed_id: feed.definition.aggregation.max_dispersion_bps for feed in feeds
            }
            return self._close(feed_ids, settlement, started, tolerances)

    def closed(self, round_id: int) -> ClosedRound:
        """The held round, to be signed.

        Raises:
            RequestRefused: Another round or none is held, it has no answer, or it is too old.
        """
        held = self._closed
        if held is None or held.round_id != round_id:
            raise RequestRefused(
                f"round {round_id} is not held, wanted {held.round_id if held else 'a new round'}"
            )
        return self.held()

    def held(self) -> ClosedRound:
        """The held round, whichever it is.

        Raises:
            RequestRefused: None is held, the last one had no answer, or it is too old.
        """
        held = self._closed
        if held is None:
            raise RequestRefused("no round is held, wanted one with an answer")
        age_s = self._monotonic() - held.closed_at
        if age_s > MAX_ROUND_AGE_S:
            raise RequestRefused(
                f"round {held.round_id} is {age_s:.1f} s old, wanted at most {MAX_ROUND_AGE_S} s"
            )
        return held

    def reported(self, closed: ClosedRound) -> None:
        """Note that a round was signed: its second gets no other report."""
        self._last_report_at = closed.observed_at

    async def _collect(
        self, feeds: Sequence[PlannedFeed], requests: Sequence[HttpRequest]
    ) -> dict[int, Reading | SourceError]:
        """Readings by source slot; what has not come by the round's deadline is not in it."""
        wanted: dict[int, list[PlannedSource]] = {}
        for feed in feeds:
            for source in feed.sources:
                wanted.setdefault(source.request, []).append(source)
        readings: dict[int, Reading | SourceError] = {}
        try:
            async with asyncio.timeout(self._deadlines.round_s), asyncio.TaskGroup() as group:
                for position, sources in wanted.items():
                    group.create_task(self._read(requests[position], sources, readings))
        except TimeoutError:
            self._log.warning("round_deadline", requests=len(wanted), readings=len(readings))
        return readings

    async def _read(
        self,
        request: HttpRequest,
        sources: Sequence[PlannedSource],
        readings: dict[int, Reading | SourceError],
    ) -> None:
        """Fetch one reply and read every source that it serves; the body is not kept."""
        try:
            reply = await self._fetcher.fetch(request, deadline_s=self._deadlines.request_s)
        except SourceError as error:
            readings.update((source.slot, error) for source in sources)
            return
        for source in sources:
            readings[source.slot] = read_reply(
                source,
                status=reply.status,
                body=reply.body,
                dates=reply.dates,
                ages=reply.ages,
            )

    def _close(
        self,
        feed_ids: Sequence[bytes],
        settlement: Settlement,
        started: float,
        tolerances: Mapping[bytes, int],
    ) -> RoundResult:
        """Hold the answers to be signed, and say what the round made.

        A round without an answer takes the one before away all the same: what the sources say
        now is the word of this enclave.
        """
        outcomes = [settlement.outcomes[feed_id] for feed_id in feed_ids]
        answers = tuple(
            outcome.result for outcome in outcomes if isinstance(outcome.result, Answer)
        )
        observed_at = settlement.observed_at if answers else 0
        now = self._monotonic()
        self._closed = (
            ClosedRound(self._count, observed_at, answers, now, tolerances) if answers else None
        )
        self._log.info(
            "round_closed",
            round=self._count,
            observed_at=observed_at,
            answers=len(answers),
            feeds=len(outcomes),
            lost_sources=sum(len(outcome.failures) for outcome in outcomes),
            elapsed_ms=round((now - started) * 1000),
        )
        return make_result(self._count, observed_at, outcomes)


def make_result(round_id: int, observed_at: int, outcomes: Sequence[FeedOutcome]) -> RoundResult:
    """What the host sees of a round; source failures beyond `MAX_FAILURES` are left out."""
    answers: list[AnswerView] = []
    failed: list[FailureView] = []
    room = MAX_FAILURES
    for outcome in outcomes:
        failures = outcome.failures[:room]
        room -= len(failures)
        if isinstance(outcome.result, Answer):
            answers.append(_view(outcome.result, failures))
        else:
            failed.append(FailureView(outcome.result, failures))
    return RoundResult(round_id, observed_at, tuple(answers), tuple(failed))


def _view(answer: Answer, failures: tuple[SourceFailure, ...]) -> AnswerView:
    return AnswerView(
        feed_id=answer.feed_id,
        value=answer.value,
        decimals=answer.decimals,
        dispersion=answer.dispersion,
        sources_used=answer.sources_used,
        sources_asked=answer.sources_asked,
        failures=failures,
    )
