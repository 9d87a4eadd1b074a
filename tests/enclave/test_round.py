"""Rounds: each request once, everything within the deadline, one round held."""

import asyncio
from collections.abc import Sequence

import pytest

from enclave.domain.errors import ConfigError, RequestRefused, SourceUnavailable
from enclave.domain.feed import feed_id
from enclave.domain.observation import FeedFailure, SourceFailure
from enclave.domain.wire import MAX_FRAME, FailureView, RoundResult, encode_frame, to_map
from enclave.plan import MAX_DEFINITIONS
from enclave.round import (
    DEADLINES,
    MAX_FAILURES,
    MAX_GATES,
    Deadlines,
    Rounds,
    make_result,
)
from enclave.settle import FeedOutcome
from tests.fakes.feeds import aggregation, conversion, definition, source
from tests.fakes.process import FakeMonotonic, MemoryLog
from tests.fakes.venues import ADAPTERS, NOW, FakeFetcher

BTC = definition()
BTC_ID = feed_id(BTC)
BTC6 = definition(decimals="6")
BTC6_ID = feed_id(BTC6)


class World:
    """Rounds with a fake network, clock and log; sources a, b and c say 100."""

    def __init__(self, *definitions: bytes, deadlines: Deadlines = DEADLINES) -> None:
        self.fetcher = FakeFetcher()
        self.fetcher.say(a="100", b="100", c="100")
        self.clock = FakeMonotonic()
        self.log = MemoryLog()
        self.rounds = Rounds(
            fetcher=self.fetcher,
            adapters=ADAPTERS,
            monotonic=self.clock,
            log=self.log,
            deadlines=deadlines,
        )
        self.rounds.load(definitions)

    async def run(self, *feed_ids: bytes) -> RoundResult:
        return await self.rounds.run(feed_ids or (BTC_ID,))


async def test_a_round_gives_the_answers_of_the_feeds_asked_for() -> None:
    world = World(BTC, BTC6)
    result = await world.run(BTC6_ID, BTC_ID)
    assert (result.round_id, result.observed_at, result.failed) == (1, NOW, ())
    assert [(view.feed_id, view.value, view.decimals) for view in result.answers] == [
        (BTC6_ID, 100_000_000, 6),
        (BTC_ID, 10_000_000_000, 8),
    ]
    view = result.answers[0]
    assert (view.dispersion, view.sources_used, view.sources_asked, view.failures) == (0, 3, 3, ())


async def test_each_request_is_fetched_once_a_round() -> None:
    world = World(BTC, BTC6)
    await world.run(BTC_ID, BTC6_ID)
    assert sorted(request.host for request in world.fetcher.asked) == [
        "a.example",
        "b.example",
        "c.example",
    ]


async def test_only_the_sources_of_the_feeds_asked_for_are_fetched() -> None:
    world = World(BTC, definition([source("d"), source("e")]))
    await world.run(BTC_ID)
    assert {request.host[0] for request in world.fetcher.asked} == set("abc")


async def test_what_a_feed_converts_by_is_computed_but_not_reported() -> None:
    tether = definition([source(name, base="USDT") for name in "de"], base="USDT")
    feed = definition([source("a"), source("t", quote="USDT", convert=conversion(feed_id(tether)))])
    world = World(feed, tether)
    world.fetcher.say(d="1", e="1", t="100")
    result = await world.run(feed_id(feed))
    assert [view.feed_id for view in result.answers] == [feed_id(feed)]
    assert result.answers[0].sources_used == 2
    assert [answer.feed_id for answer in world.rounds.closed(1).answers] == [feed_id(feed)]


async def test_an_answer_of_a_dependency_alone_is_no_round_to_sign() -> None:
    tether = definition([source(name, base="USDT") for name in "de"], base="USDT")
    feed = definition([source("x"), source("t", quote="USDT", convert=conversion(feed_id(tether)))])
    world = World(feed, tether)
    world.fetcher.say(d="1", e="1", t="100")
    world.fetcher.fail("x", SourceUnavailable("down"))
    result = await world.run(feed_id(feed))
    assert (result.observed_at, result.answers) == (0, ())
    with pytest.raises(RequestRefused, match="round 1 is not held"):
        world.rounds.closed(1)


async def test_a_failed_source_is_told_with_the_answer() -> None:
    world = World(BTC)
    world.fetcher.fail("c", SourceUnavailable("relay: too many open streams"))
    result = await world.run()
    assert result.answers[0].failures == (
        SourceFailure("c", "SourceUnavailable", "relay: too many open streams", True),
    )


async def test_a_feed_without_an_answer_is_told_with_its_reason() -> None:
    world = World(BTC)
    for name in "bc":
        world.fetcher.fail(name, SourceUnavailable("down"))
    result = await world.run()
    assert (result.answers, result.observed_at) == ((), 0)
    (view,) = result.failed
    assert view.failure == FeedFailure(BTC_ID, "QuorumNotReached", "1 fresh sources, wanted 2")
    assert [failure.source for failure in view.failures] == ["b", "c"]


async def test_the_rounds_deadline_ends_it_and_keeps_what_came() -> None:
    world = World(BTC, deadlines=Deadlines(round_s=0.01))
    del world.fetcher.replies["c.example"]
    result = await world.run()
    assert result.answers[0].sources_used == 2
    assert result.answers[0].failures[0].message == "no reply within the round's time"
    assert world.log.events == ["round_deadline", "round_closed"]
    assert world.log.lines[0]["readings"] == 2


async def test_an_unexpected_error_of_a_fetch_is_not_swallowed() -> None:
    world = World(BTC)
    world.fetcher.replies["c.example"] = ZeroDivisionError()
    with pytest.raises(ExceptionGroup) as caught:
        await world.run()
    assert caught.group_contains(ZeroDivisionError)


async def test_rounds_run_one_after_the_other() -> None:
    world = World(BTC)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(world.run()) for _ in range(3)]
    assert [task.result().round_id for task in tasks] == [1, 2, 3]
    hosts = [request.host[0] for request in world.fetcher.asked]
    assert [sorted(hosts[start : start + 3]) for start in (0, 3, 6)] == [["a", "b", "c"]] * 3


async def test_a_load_during_a_round_does_not_change_it() -> None:
    world = World(BTC)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.run())
        await asyncio.sleep(0)
        world.rounds.load([BTC6])
    assert task.result().answers[0].feed_id == BTC_ID


async def test_one_line_is_logged_for_a_round() -> None:
    world = World(BTC)
    world.fetcher.fail("c", SourceUnavailable("down"))
    await world.run()
    (line,) = world.log.lines
    assert line.pop("uptime_ms") == 0
    assert line == {
        "level": "info",
        "event": "round_closed",
        "round": 1,
        "observed_at": NOW,
        "answers": 1,
        "feeds": 1,
        "lost_sources": 1,
        "elapsed_ms": 0,
    }


async def test_the_last_round_is_held() -> None:
    world = World(BTC)
    await world.run()
    closed = world.rounds.closed(1)
    assert (closed.round_id, closed.observed_at) == (1, NOW)
    assert [answer.value for answer in closed.answers] == [10**10]


async def test_a_round_before_the_last_is_not_held() -> None:
    world = World(BTC)
    await world.run()
    await world.run()
    with pytest.raises(RequestRefused, match="round 1 is not held, wanted 2"):
        world.rounds.closed(1)


async def test_a_round_that_is_refused_leaves_the_held_one() -> None:
    world = World(BTC)
    await world.run()
    with pytest.raises(RequestRefused, match="is not loaded"):
        await world.run(BTC6_ID)
    assert world.rounds.held() == world.rounds.closed(1)


async def test_a_round_is_held_until_the_next_one_closes() -> None:
    world = World(BTC)
    await world.run()
    world.fetcher.say(NOW + 1, a="101", b="101")
    del world.fetcher.replies["c.example"]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.run())
        await asyncio.sleep(0.001)
        assert not task.done()
        assert world.rounds.held() == world.rounds.closed(1)
        world.rounds.load([])
        assert world.rounds.held().tolerances == {BTC_ID: 100}
        task.cancel()


async def test_a_round_without_an_answer_takes_the_held_one_away() -> None:
    world = World(BTC)
    await world.run()
    world.fetcher.fail("a", SourceUnavailable("down"))
    world.fetcher.fail("b", SourceUnavailable("down"))
    assert (await world.run()).answers == ()
    with pytest.raises(RequestRefused, match="round 1 is not held, wanted a new round"):
        world.rounds.closed(1)
    with pytest.raises(RequestRefused, match="no round is held, wanted one with an answer"):
        world.rounds.held()


async def test_a_round_keeps_the_tolerances_that_it_was_made_with() -> None:
    tether = definition(
        [source(name, base="USDT") for name in "de"],
        aggregation(max_dispersion_bps="7"),
        base="USDT",
    )
    feed = definition([source("a"), source("t", quote="USDT", convert=conversion(feed_id(tether)))])
    world = World(feed, tether)
    world.fetcher.say(d="1", e="1", t="100")
    await world.run(feed_id(feed))
    assert world.rounds.held().tolerances == {feed_id(feed): 100, feed_id(tether): 7}


async def test_nothing_is_held_at_start() -> None:
    with pytest.raises(RequestRefused, match="round 0 is not held, wanted a new round"):
        World(BTC).rounds.closed(0)


async def test_a_round_is_held_for_ten_seconds() -> None:
    world = World(BTC)
    await world.run()
    world.clock.now += 10
    assert world.rounds.closed(1).round_id == 1
    world.clock.now += 0.1
    with pytest.raises(RequestRefused, match=r"round 1 is 10\.1 s old, wanted at most 10\.0 s"):
        world.rounds.closed(1)


async def test_the_second_of_a_signed_round_gives_no_other_answer() -> None:
    world = World(BTC)
    await world.run()
    world.rounds.reported(world.rounds.closed(1))
    (view,) = (await world.run()).failed
    assert view.failure.message == f"second {NOW} has a report already, wanted a later one"
    world.fetcher.say(NOW + 1, a="100", b="100", c="100")
    assert (await world.run()).observed_at == NOW + 1


async def test_a_round_that_was_not_signed_does_not_block_its_second() -> None:
    world = World(BTC)
    await world.run()
    assert (await world.run()).observed_at == NOW


async def test_a_jump_needs_a_second_round_and_survives_a_reload() -> None:
    world = World(BTC)
    await world.run()
    world.rounds.load([])
    world.rounds.load([BTC])
    world.fetcher.say(NOW + 1, a="200", b="200", c="200")
    assert (await world.run()).answers == ()
    world.fetcher.say(NOW + 2, a="201", b="201", c="201")
    assert (await world.run()).answers[0].value == 20_100_000_000


async def test_a_load_replaces_what_was_loaded() -> None:
    world = World(BTC)
    assert world.rounds.load([BTC6]) == (BTC6_ID,)
    assert world.rounds.feeds == 1
    with pytest.raises(RequestRefused, match="is not loaded"):
        await world.run(BTC_ID)


async def test_a_load_that_fails_changes_nothing() -> None:
    world = World(BTC)
    with pytest.raises(ConfigError):
        world.rounds.load([BTC6, b"not a definition"])
    assert (await world.run()).answers[0].feed_id == BTC_ID


def one_source(number: int) -> bytes:
    return definition([source("a")], aggregation(min_sources="1"), heartbeat_s=str(number + 1))


async def test_feeds_since_start_are_bounded() -> None:
    world = World()
    parts = [
        range(start, start + MAX_DEFINITIONS) for start in range(0, MAX_GATES, MAX_DEFINITIONS)
    ]
    for part in parts:
        world.rounds.load([one_source(number) for number in part])
    with pytest.raises(ConfigError, match=f"{MAX_GATES + 1} feeds since start"):
        world.rounds.load([one_source(MAX_GATES)])
    assert world.rounds.feeds == MAX_DEFINITIONS
    world.rounds.load([one_source(0)])
    assert world.rounds.feeds == 1


async def test_rounds_are_counted() -> None:
    world = World(BTC)
    assert world.rounds.count == 0
    await world.run()
    assert world.rounds.count == 1


async def test_every_request_has_its_deadline_within_the_rounds() -> None:
    world = World(BTC)
    await world.run()
    assert set(world.fetcher.deadlines_s) == {DEADLINES.request_s}
    assert DEADLINES.request_s < DEADLINES.round_s


def outcomes(sources: int) -> Sequence[FeedOutcome]:
    """As much text as a round can make."""
    lost = SourceFailure("n" * 32, "SourceUnavailable", "m" * 160, True)
    return [
        FeedOutcome(FeedFailure(bytes(32), "QuorumNotReached", "m" * 160), (lost,) * sources)
        for _ in range(MAX_DEFINITIONS)
    ]


def failures(views: Sequence[FailureView]) -> int:
    return sum(len(view.failures) for view in views)


def test_the_largest_result_fits_a_frame() -> None:
    result = make_result(2**64 - 1, 2**32 - 1, outcomes(sources=32))
    assert len(result.failed) == MAX_DEFINITIONS
    assert failures(result.failed) == MAX_FAILURES
    assert len(encode_frame({"id": 2**64 - 1, "ok": to_map(result)})) <= MAX_FRAME
