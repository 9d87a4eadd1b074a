"""The round loop and submissions against a scripted enclave and contracts in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from enclave.domain import wire
from enclave.domain.errors import ChainError, RequestRefused
from enclave.domain.observation import FeedFailure, SourceFailure
from enclave.domain.report import Entry, decode_report, encode_entries, list_root
from oracle.chain.base import CallReverted, HubNews, Round, Seats, Superseded
from oracle.chain.rpc import RpcRefused
from oracle.daemon.chain_view import ChainView
from oracle.daemon.clock import BlockTime, BlockWatch
from oracle.daemon.events import (
    Event,
    ReportLanded,
    ReportOvertaken,
    ReportPlanned,
    ReportRefused,
    ReportSuperseded,
    RoundMade,
)
from oracle.daemon.problems import Problems
from oracle.daemon.reports import Reporter, every_answer
from oracle.daemon.rounds import SLOW_S, RoundLoop
from oracle.daemon.submission import Submission, Target
from oracle.enclave_link import EnclaveClient, EnclaveLost
from oracle.feeds.catalogue import load_catalogue
from oracle.registration import Standing
from oracle.scheduler import Candidate, Due, Landed, Reason
from oracle.telemetry.state import ChainState, FeedState, HubFeed, NodeState
from tests.fakes.fake_chain import OPERATOR, FakeChain, FakeSubmitter, signer_status
from tests.fakes.process import FakeMonotonic

HUB = "0x" + "cc" * 20
FEEDS = tuple(load_catalogue()[name] for name in ("btc-usd", "eth-usd", "sol-usd"))
IDS = tuple(feed.feed_id for feed in FEEDS)
STANDING = Standing(signer_status(expires_at=2**31), 7)


@dataclass
class FakeClient:
    """Answers rounds with the given prices; `fails` are feeds without an answer."""

    prices: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(IDS, 1_000))
    fails: set[bytes] = field(default_factory=set)
    now: int = 1_700_000_000
    asked: list[tuple[bytes, ...]] = field(default_factory=list)
    signed: list[wire.Sign] = field(default_factory=list)
    refuses_to_sign: Exception | None = None
    entries: bytes | None = None

    async def run_round(self, feed_ids: Sequence[bytes]) -> wire.RoundResult:
        self.now += 1
        self.asked.append(tuple(feed_ids))
        lost = SourceFailure("kraken", "SourceUnavailable", "HTTP status 503", True)
        answers = tuple(
            wire.AnswerView(feed_id, self.prices[feed_id], 8, 13, 4, 5, (lost,))
            for feed_id in feed_ids
            if feed_id not in self.fails
        )
        failed = tuple(
            wire.FailureView(FeedFailure(f, "QuorumNotReached", "2 sources, wanted 3"), (lost,))
            for f in feed_ids
            if f in self.fails
        )
        return wire.RoundResult(len(self.asked), self.now if answers else 0, answers, failed)

    async def sign(self, request: wire.Sign) -> wire.SignResult:
        if self.refuses_to_sign is not None:
            raise self.refuses_to_sign
        self.signed.append(request)
        assert not self.fails.intersection(request.feed_ids)
        listed = sorted(request.feed_list.index(f) for f in request.feed_ids)
        entries = encode_entries(
            [Entry(index, self.prices[request.feed_list[index]], 13, 4) for index in listed]
        )
        root = list_root(request.feed_list)
        return wire.SignResult(self.now, root, self.entries or entries, b"\x01" * 64)


@dataclass
class FakeJournal:
    reports: list[bytes] = field(default_factory=list)

    async def add_report(self, **row: Any) -> None:
        self.reports.append(row["report"])


@dataclass
class Bench:
    """One loop with everything around it."""

    client: FakeClient
    chain: FakeChain
    submitter: FakeSubmitter
    state: ChainState
    node: NodeState
    view: ChainView
    reporter: Reporter
    loop: RoundLoop
    journal: FakeJournal
    events: list[Event]
    rechecks: list[int]
    submission: Submission | None
    running: set[asyncio.Task[None]]

    async def round(self) -> None:
        """One tick, and the end of what it sent."""
        await self.loop._round()
        for task in tuple(self.running):
            await task

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def _due(*names: bytes) -> Any:
    def schedule(found: Any) -> tuple[Due, ...]:
        return tuple(Due(c.feed_id, Reason.DEVIATION) for c in found if c.feed_id in names)

    return schedule


@asynccontextmanager
async def _bench(
    schedule: Any = every_answer,
    *,
    listed: Sequence[bytes] = IDS,
    is_dry_run: bool = False,
    standing: Standing | None = STANDING,
    settle_s: float = 0.0,
    is_stuck: Callable[[], bool] = lambda: False,
    report_feeds: int = 256,
    renew_s: float = 0.0,
) -> AsyncIterator[Bench]:
    chain = FakeChain(feeds=tuple(listed))
    state = ChainState("here", is_dry_run=is_dry_run)
    state.feeds = {f.feed_id: HubFeed(f.definition.name, f.feed_id) for f in FEEDS}
    node = NodeState(started_at=0, chains=(state,))
    node.feeds = {f.feed_id: FeedState(f.definition.name, f.feed_id, 8) for f in FEEDS}
    problems = Problems(state)
    view = ChainView(chain, state, problems, account=OPERATOR, low_balance_wei=10, retry_s=0.001)
    await view.refresh()
    client, submitter, journal = FakeClient(), FakeSubmitter(chain), FakeJournal()
    events: list[Event] = []
    rechecks: list[int] = []
    running: set[asyncio.Task[None]] = set()
    submission = None
    if not is_dry_run:
        submission = Submission(
            chain,
            submitter,
            journal,
            view=view,
            state=state,
            problems=problems,
            target=Target(31_337, HUB),
            observer=events.append,
            recheck=lambda: rechecks.append(1),
            settle_s=settle_s,
            is_stuck=is_stuck,
            renew_s=renew_s,
        )
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:

        def spawn(work: Any) -> asyncio.Task[None]:
            task = tasks.create_task(work)
            running.add(task)
            task.add_done_callback(running.discard)
            return task

        reporter = Reporter(
            cast(EnclaveClient, client),
            view=view,
            state=state,
            problems=problems,
            target=Target(31_337, HUB),
            schedule=schedule,
            observer=events.append,
            submission=submission,
            standing=lambda: standing,
            spawn=spawn,
            report_feeds=report_feeds,
        )
        loop = RoundLoop(
            cast(EnclaveClient, client),
            feeds=FEEDS,
            reporters=[reporter],
            state=node,
            problems=Problems(node),
            observer=events.append,
        )
        yield Bench(
            client,
            chain,
            submitter,
            state,
            node,
            view,
            reporter,
            loop,
            journal,
            events,
            rechecks,
            submission,
            running,
        )


async def test_a_round_is_signed_for_this_hub_sent_and_taken_over() -> None:
    async with _bench() as bench:
        await bench.round()
        [request] = bench.client.signed
        assert (request.chain_id, request.hub) == (31_337, b"\xcc" * 20)
        assert request.feed_list == IDS
        [landed] = bench.of(ReportLanded)
        assert landed.feed_ids == IDS
        assert landed.skipped == ()
        assert bench.view.landed[IDS[0]] == Landed(1_000, bench.client.now)
        feed = bench.state.feeds[IDS[0]]
        assert (feed.landed_answer, feed.landed_at) == (1_000, bench.client.now)
        assert (feed.gas_used, feed.block) == (84_000, 11)


async def test_the_report_carries_the_seats_position_and_the_signature() -> None:
    async with _bench() as bench:
        await bench.round()
        report = decode_report(bench.submitter.reports[0])
        assert report.mask == 1 << 7
        assert report.signatures == (b"\x01" * 64,)
        assert report.report.list_root == list_root(IDS)


async def test_the_report_is_kept_before_it_is_sent() -> None:
    async with _bench() as bench:
        bench.submitter.refusals["submit"] = [ChainError("down")]
        await bench.round()
        assert len(bench.journal.reports) == 1
        assert bench.submitter.reports == []


async def test_what_is_due_alone_is_signed_of_the_same_round_in_one_transaction() -> None:
    async with _bench(_due(IDS[2], IDS[0])) as bench:
        await bench.round()
        assert bench.client.asked == [IDS]
        assert bench.client.signed[0].feed_ids == (IDS[0], IDS[2])
        [landed] = bench.of(ReportLanded)
        assert landed.feed_ids == (IDS[0], IDS[2])
        assert bench.submitter.sent == ["submit"]


async def test_nothing_due_signs_nothing() -> None:
    async with _bench(_due()) as bench:
        await bench.round()
        assert bench.client.signed == []
        assert bench.submitter.sent == []
        assert len(bench.of(RoundMade)) == 1


async def test_a_feed_that_is_not_listed_is_left_out() -> None:
    async with _bench(listed=[IDS[1]]) as bench:
        await bench.round()
        [landed] = bench.of(ReportLanded)
        assert landed.feed_ids == (IDS[1],)
        assert "BTC/USD" in bench.state.notices["unlisted"]


async def test_a_feed_without_an_answer_is_left_out_and_says_why() -> None:
    async with _bench() as bench:
        bench.client.fails = {IDS[1]}
        await bench.round()
        [landed] = bench.of(ReportLanded)
        assert landed.feed_ids == (IDS[0], IDS[2])
        feed = bench.node.feeds[IDS[1]]
        assert feed.failure == "2 sources, wanted 3"
        assert feed.source_failures == {"kraken": "HTTP status 503"}


async def test_a_feed_that_the_hub_skipped_does_not_count_as_landed() -> None:
    async with _bench() as bench:
        bench.submitter.skips = {1}
        await bench.round()
        [landed] = bench.of(ReportLanded)
        assert (landed.feed_ids, landed.skipped) == ((IDS[0], IDS[2]), (IDS[1],))
        assert IDS[1] not in bench.view.landed


async def test_before_the_signer_is_accepted_nothing_is_signed() -> None:
    async with _bench(standing=None) as bench:
        await bench.round()
        assert bench.client.signed == []
        assert bench.node.rounds == 1


async def test_a_hub_that_is_not_live_gets_nothing() -> None:
    async with _bench() as bench:
        bench.chain.is_live = False
        await bench.view.refresh()
        await bench.round()
        assert bench.client.signed == []


async def test_a_hub_that_wants_more_signatures_is_a_problem_in_one_line() -> None:
    async with _bench() as bench:
        bench.chain.signatures = 2
        await bench.view.refresh()
        await bench.round()
        assert bench.client.signed == []
        assert bench.state.problems["quorum"] == (
            "the hub wants 2 signatures, this node brings 1: configure [quorum]"
            " with the other operators' nodes"
        )
        bench.chain.signatures = 1
        await bench.view.refresh()
        await bench.round()
        assert "quorum" not in bench.state.problems
        assert len(bench.of(ReportLanded)) == 1


async def test_while_a_report_is_on_its_way_no_other_is_signed() -> None:
    async with _bench() as bench:
        gate = asyncio.Event()
        send = bench.submitter.send

        async def slow(call: Any) -> Any:
            await gate.wait()
            return await send(call)

        bench.submitter.send = slow  # type: ignore[method-assign]  # a slow chain
        await bench.loop._round()
        await bench.loop._round()
        assert len(bench.client.signed) == 1
        gate.set()
        for task in tuple(bench.running):
            await task
        assert len(bench.of(ReportLanded)) == 1


async def test_while_a_report_is_stuck_newer_ones_with_all_its_feeds_are_made() -> None:
    """The second has what is due, and the feed that is stuck though it is not due any more."""
    due, stuck = {IDS[0]}, [False]

    def schedule(found: Any) -> tuple[Due, ...]:
        return tuple(Due(c.feed_id, Reason.DEVIATION) for c in found if c.feed_id in due)

    async with _bench(schedule, is_stuck=lambda: stuck[0]) as bench:
        gate = asyncio.Event()
        send, calls = bench.submitter.send, list[Any]()

        async def slow(call: Any) -> Any:
            calls.append(call)
            if len(calls) == 1:
                await gate.wait()
                raise Superseded("submit: a newer report took its place")
            return await send(call)

        bench.submitter.send = slow  # type: ignore[method-assign]  # a stuck chain
        await bench.loop._round()
        due.clear()
        due.add(IDS[1])
        await bench.loop._round()
        assert len(bench.client.signed) == 1
        stuck[0] = True
        await bench.loop._round()
        stuck[0] = False
        gate.set()
        for task in tuple(bench.running):
            await task
        assert [request.feed_ids for request in bench.client.signed] == [IDS[:1], IDS[:2]]
        assert calls[1].supersedes(calls[0])
        assert calls[1].feeds == {0, 1}
        assert (len(bench.of(ReportSuperseded)), len(bench.of(ReportLanded))) == (1, 1)
        assert (bench.state.reports_superseded, bench.state.reports_refused) == (1, 0)
        assert "submit" not in bench.state.problems
        assert bench.submission is not None
        assert bench.submission.is_free()
        assert bench.submission.overdue() == frozenset()


async def test_a_stuck_report_is_renewed_only_so_often() -> None:
    async with _bench(is_stuck=lambda: True, renew_s=3_600) as bench:
        gate, send = asyncio.Event(), bench.submitter.send

        async def slow(call: Any) -> Any:
            await gate.wait()
            return await send(call)

        bench.submitter.send = slow  # type: ignore[method-assign]  # a stuck chain
        await bench.loop._round()
        await bench.loop._round()
        assert len(bench.client.signed) == 1
        gate.set()


async def test_more_feeds_than_a_report_takes_come_with_the_next_one() -> None:
    async with _bench(_due(*IDS), report_feeds=2) as bench:
        await bench.round()
        assert [request.feed_ids for request in bench.client.signed] == [IDS[:2]]
        assert [event.feed_ids for event in bench.of(ReportLanded)] == [IDS[:2]]


async def test_a_refused_report_is_one_line_and_has_everything_looked_at_again() -> None:
    async with _bench() as bench:
        refusal = CallReverted("submit refused: FeedHub_NotLive()", name="FeedHub_NotLive")
        bench.submitter.refusals["submit"] = [refusal]
        await bench.round()
        [refused] = bench.of(ReportRefused)
        assert refused.reason == "submit refused: FeedHub_NotLive()"
        assert bench.state.problems["submit"] == refused.reason
        assert bench.rechecks == [1]
        assert bench.view.landed == {}


async def test_after_a_refusal_it_backs_off_and_a_landing_clears_the_problem() -> None:
    async with _bench() as bench:
        bench.submitter.refusals["submit"] = [ChainError("down")]
        await bench.round()
        await bench.round()
        assert len(bench.client.signed) == 1
        assert bench.submission is not None
        bench.submission._not_before = 0.0
        await bench.round()
        assert "submit" not in bench.state.problems
        assert bench.state.reports_landed == 1
        assert bench.rechecks == []


NOTHING = CallReverted("submit refused: FeedHub_NothingLanded()", name="FeedHub_NothingLanded")


def _land(bench: Bench, observed_at: int) -> None:
    """Another node stored a round of every feed."""
    bench.chain.stored = {i: Round(1_000, observed_at, 1, 2, 0x80) for i in range(len(IDS))}


async def test_a_report_that_another_one_overtook_is_no_failure() -> None:
    async with _bench() as bench:
        bench.submitter.refusals["submit"] = [NOTHING]
        _land(bench, bench.client.now + 1)
        await bench.round()
        assert bench.state.problems == {}
        assert (bench.state.reports_refused, bench.state.reports_overtaken) == (0, 1)
        assert bench.rechecks == []
        assert len(bench.of(ReportOvertaken)) == 1
        assert bench.of(ReportRefused) == []
        await bench.round()
        assert len(bench.of(ReportLanded)) == 1


async def test_a_report_that_one_in_the_block_to_come_overtook_is_no_failure() -> None:
    async with _bench(settle_s=0.004) as bench:
        bench.submitter.refusals["submit"] = [NOTHING]
        looks = []
        hub = bench.chain.hub

        async def hub_of_the_latest_block() -> Any:
            looks.append(1)
            if len(looks) == 3:
                _land(bench, bench.client.now)
            return await hub()

        bench.chain.hub = hub_of_the_latest_block  # type: ignore[method-assign]  # time passes
        await bench.round()
        assert (bench.state.reports_refused, bench.state.reports_overtaken) == (0, 1)
        assert bench.state.problems == {}


async def test_a_report_of_which_nothing_shows_in_time_is_refused() -> None:
    async with _bench(settle_s=0.004) as bench:
        bench.submitter.refusals["submit"] = [NOTHING]
        await bench.round()
        assert (bench.state.reports_refused, bench.state.reports_overtaken) == (1, 0)
        assert bench.state.problems["submit"] == str(NOTHING)


async def test_a_report_of_which_nothing_landed_and_nothing_newer_is_there_is_refused() -> None:
    async with _bench() as bench:
        for _ in range(2):
            bench.submitter.refusals["submit"] = [NOTHING]
            _land(bench, bench.client.now)
            assert bench.submission is not None
            bench.submission._not_before = 0.0
            await bench.round()
            del bench.chain.stored[2]
        assert (bench.state.reports_refused, bench.state.reports_overtaken) == (2, 0)
        assert bench.state.problems["submit"] == str(NOTHING)


async def test_when_the_chain_cannot_say_whether_it_was_overtaken_it_is_refused() -> None:
    async with _bench() as bench:
        bench.submitter.refusals["submit"] = [NOTHING]

        async def down() -> Any:
            raise ChainError("no endpoint")

        bench.chain.hub = down  # type: ignore[method-assign]  # it does not answer
        await bench.round()
        assert bench.state.reports_refused == 1


async def test_what_is_refused_for_one_chain_is_reported_on_the_next() -> None:
    async with _bench() as bench, _bench() as other:
        refusing = FakeClient(refuses_to_sign=RequestRefused("not newer"))
        other.reporter._client = cast(EnclaveClient, refusing)
        bench.loop._reporters = (other.reporter, bench.reporter)
        await bench.round()
        assert other.submitter.sent == []
        assert len(bench.of(ReportLanded)) == 1


async def test_a_chain_is_sent_only_the_feeds_that_it_takes() -> None:
    async with _bench() as bench:
        del bench.state.feeds[IDS[1]]
        await bench.round()
        assert bench.client.asked[-1] == IDS
        assert bench.client.signed[-1].feed_ids == (IDS[0], IDS[2])
        assert bench.state.notices == {}


async def test_an_enclave_that_refuses_to_sign_sends_nothing_and_goes_on() -> None:
    async with _bench() as bench:
        bench.client.refuses_to_sign = RequestRefused("not newer")
        await bench.round()
        assert bench.submitter.sent == []
        bench.client.refuses_to_sign = None
        await bench.round()
        assert len(bench.of(ReportLanded)) == 1


async def test_a_lost_enclave_ends_the_loop() -> None:
    async with _bench() as bench:
        bench.client.refuses_to_sign = EnclaveLost("gone")
        with pytest.raises(EnclaveLost, match="gone"):
            await bench.loop.run(0.01)


async def test_a_signature_over_something_that_is_no_report_loses_the_enclave() -> None:
    async with _bench() as bench:
        bench.client.entries = bytes(14)
        with pytest.raises(EnclaveLost, match="sign:"):
            await bench.round()


async def test_a_dry_run_plans_every_due_report_once_and_sends_nothing() -> None:
    def moved(found: Any) -> tuple[Due, ...]:
        candidates: list[Candidate] = list(found)
        return tuple(Due(c.feed_id, Reason.FIRST) for c in candidates if c.landed is None)

    async with _bench(moved, is_dry_run=True, standing=None) as bench:
        await bench.round()
        await bench.round()
        [planned] = bench.of(ReportPlanned)
        assert planned.is_dry_run
        assert planned.feed_ids == IDS
        assert decode_report(planned.encoded).report == planned.report
        await bench.view.refresh()
        assert bench.view.landed[IDS[0]].answer == 1_000
        assert bench.submitter.sent == []


async def test_rounds_keep_their_pace_until_cancelled() -> None:
    async with _bench(_due()) as bench:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await bench.loop.run(0.01)
        assert 4 <= len(bench.client.asked) <= 11


def test_the_schedule_of_demonstrations_takes_every_newer_answer() -> None:
    def candidate(name: bytes, landed: Landed | None) -> Candidate:
        return Candidate(name, 5, 10, 50, 3_600, landed)

    found = [candidate(b"a", None), candidate(b"b", Landed(5, 9)), candidate(b"c", Landed(5, 10))]
    assert [due.feed_id for due in every_answer(found)] == [b"a", b"b"]


async def test_the_view_reads_what_the_hub_holds() -> None:
    async with _bench() as bench:
        bench.chain.stored = {1: Round(77, 1_600_000_000, 1, 2, 0x80)}
        await bench.view.refresh()
        assert bench.view.landed == {IDS[1]: Landed(77, 1_600_000_000)}
        assert bench.state.feeds[IDS[1]].landed_answer == 77
        assert bench.state.feeds[IDS[2]].index == 2


async def test_a_report_that_lands_during_a_refresh_is_not_overwritten_by_it() -> None:
    async with _bench() as bench:
        bench.chain.stored = {0: Round(77, 1_600_000_000, 1, 2, 0x80)}
        read = bench.chain.rounds

        async def meanwhile(indexes: Any) -> Any:
            found = await read(indexes)
            bench.view.landed_now([IDS[0]], {IDS[0]: Landed(99, 1_700_000_000)})
            return found

        bench.chain.rounds = meanwhile  # type: ignore[method-assign]  # a landing in between
        await bench.view.refresh()
        assert bench.view.landed[IDS[0]].answer == 99


async def test_a_low_balance_is_a_notice_until_it_is_filled() -> None:
    async with _bench() as bench:
        bench.chain.funds = 9
        await bench.view.refresh()
        assert "holds only 9 wei" in bench.state.notices["balance"]
        bench.chain.funds = 10
        await bench.view.refresh()
        assert "balance" not in bench.state.notices


async def test_a_chain_that_does_not_answer_is_a_problem_that_goes_when_it_does() -> None:
    async with _bench() as bench:
        answers: list[Any] = [ChainError("endpoint 1 of 1: not reachable")] * 2

        async def flaky() -> tuple[bytes, ...]:
            if answers:
                raise answers.pop()
            return IDS

        bench.chain.feed_ids = flaky  # type: ignore[method-assign]  # an endpoint that fails
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(bench.view.keep_fresh())
            while "chain" not in bench.state.problems:
                await asyncio.sleep(0)
            while "chain" in bench.state.problems:
                await asyncio.sleep(0.001)
            bench.view.refresh_soon()
            keeping.cancel()


async def test_looks_at_the_chain_do_not_overtake_each_other() -> None:
    async with _bench() as bench:
        gate, read = asyncio.Event(), bench.chain.rounds
        bench.chain.stored = {0: Round(1, 1_600_000_000, 1, 2, 0x80)}

        async def slow(indexes: Any) -> Any:
            found = await read(indexes)
            await gate.wait()
            return found

        bench.chain.rounds = slow  # type: ignore[method-assign]  # a slow endpoint
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.view.refresh())
            await asyncio.sleep(0.001)
            bench.chain.rounds = read  # type: ignore[method-assign]  # and a quick one
            bench.chain.stored = {0: Round(2, 1_600_000_001, 1, 2, 0x80)}
            tasks.create_task(bench.view.refresh())
            await asyncio.sleep(0.001)
            gate.set()
        assert bench.view.landed[IDS[0]].answer == 2


async def test_a_look_can_be_wished_for_later_once() -> None:
    async with _bench() as bench:
        for _ in range(3):
            bench.view.refresh_soon(after_s=0.01)
        assert not bench.view._wanted.is_set()
        await asyncio.wait_for(bench.view._wanted.wait(), 1)
        bench.view._wanted.clear()
        await asyncio.sleep(0.03)
        assert not bench.view._wanted.is_set()
        bench.view.refresh_soon(after_s=0.01)
        await asyncio.wait_for(bench.view._wanted.wait(), 1)


def _peered_view(bench: Bench) -> ChainView:
    problems = Problems(bench.state)
    return ChainView(
        bench.chain,
        bench.state,
        problems,
        account="",
        low_balance_wei=0,
        has_peers=True,
    )


async def test_between_two_whole_looks_only_what_was_reported_is_read() -> None:
    async with _bench() as bench:
        view = _peered_view(bench)
        await view.look()
        assert bench.chain.news_asked == []
        asked: list[list[int]] = []
        read = bench.chain.rounds

        async def counted(indexes: Any) -> Any:
            asked.append(list(indexes))
            return await read(indexes)

        bench.chain.rounds = counted  # type: ignore[method-assign]  # counts
        await view.look()
        bench.chain.stored = {1: Round(5, 1_600_000_000, 1, 2, 0x80)}
        bench.chain.happened = HubNews(12, frozenset({1, 9}), has_more=False)
        await view.look()
        await view.look()
        assert bench.chain.news_asked == [10, 10, 12]
        assert asked == [[], [1], [1]]
        assert view.landed == {IDS[1]: Landed(5, 1_600_000_000)}
        assert bench.state.feeds[IDS[1]].landed_at == 1_600_000_000


@pytest.mark.parametrize(
    "happened",
    [
        HubNews(11, frozenset(), has_more=True),
        RpcRefused("eth_getLogs: error -32601: no", code=-32601, data=b""),
    ],
)
async def test_when_news_do_not_say_it_all_everything_is_asked_again(happened: Any) -> None:
    async with _bench() as bench:
        view = _peered_view(bench)
        await view.look()
        bench.chain.happened = happened
        bench.chain.signatures = 5
        await view.look()
        assert view.hub is not None
        assert view.hub.signatures == 5


async def test_who_wishes_for_a_look_gets_a_whole_one() -> None:
    async with _bench() as bench:
        view = _peered_view(bench)
        await view.look()
        view.refresh_soon()
        bench.chain.signatures = 5
        await view.look()
        assert bench.chain.news_asked == []
        assert view.hub is not None
        assert view.hub.signatures == 5


async def test_a_report_of_ours_that_lands_while_news_are_read_is_not_overwritten() -> None:
    async with _bench() as bench:
        view = _peered_view(bench)
        await view.look()
        bench.chain.stored = {0: Round(77, 1_600_000_000, 1, 2, 0x80)}
        bench.chain.happened = HubNews(12, frozenset({0}), has_more=False)
        read = bench.chain.rounds

        async def meanwhile(indexes: Any) -> Any:
            found = await read(indexes)
            view.landed_now([IDS[0]], {IDS[0]: Landed(99, 1_700_000_000)})
            return found

        bench.chain.rounds = meanwhile  # type: ignore[method-assign]  # a landing in between
        await view.look()
        assert view.landed[IDS[0]].answer == 99
        await view.look()
        assert bench.chain.news_asked == [10, 10]


async def test_seats_are_asked_for_only_where_there_are_peers() -> None:
    async with _bench() as bench:
        bench.chain.others = Seats((OPERATOR,), ())
        await bench.view.refresh()
        assert bench.view.seats == Seats((), ())
        view = _peered_view(bench)
        await view.refresh()
        assert view.seats == Seats((OPERATOR,), ())


@dataclass
class Loader(FakeClient):
    """Computes ids of what it loads; a gate holds its rounds."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    order: list[str] = field(default_factory=list)

    async def load(self, definitions: Sequence[bytes]) -> tuple[bytes, ...]:
        self.order.append("load")
        return tuple(f.feed_id for f in FEEDS if f.canonical in definitions)

    async def run_round(self, feed_ids: Sequence[bytes]) -> wire.RoundResult:
        self.order.append("round begins")
        await self.gate.wait()
        self.order.append("round ends")
        return await super().run_round(feed_ids)


async def test_feeds_change_between_two_rounds_and_never_within_one() -> None:
    async with _bench() as bench:
        client = Loader()
        bench.loop._client = bench.reporter._client = cast(EnclaveClient, client)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.loop._round())
            await asyncio.sleep(0.001)
            tasks.create_task(bench.loop.change(FEEDS[:2], [IDS[0]]))
            await asyncio.sleep(0.001)
            client.gate.set()
        assert client.order == ["round begins", "round ends", "load"]
        assert [len(request.feed_ids) for request in client.signed] == [3]
        await bench.round()
        assert client.asked[-1] == (IDS[1],)
        assert client.signed[-1].feed_ids == (IDS[1],)


async def test_a_new_feed_is_not_due_before_the_hub_was_asked_for_it() -> None:
    async with _bench() as bench:
        bench.state.feeds[IDS[2]].index = None
        await bench.round()
        assert bench.client.signed[0].feed_ids == IDS[:2]
        await bench.view.refresh()
        await bench.round()
        assert bench.client.signed[1].feed_ids == IDS


async def test_while_the_chain_stands_still_nothing_is_sent_behind_a_report() -> None:
    async with _bench() as bench:
        assert bench.submission is not None
        began, monotonic = bench.chain.now, FakeMonotonic(0.0)
        watch = BlockWatch(
            Problems(bench.state),
            halt_s=60,
            block_s=1,
            clock=lambda: began + monotonic.now,
            monotonic=monotonic,
        )
        bench.submission._blocks = watch
        bench.submission._is_stuck = lambda: True
        bench.submission._renew_s = 0.0
        gate, send = asyncio.Event(), bench.submitter.send

        async def slow(call: Any) -> Any:
            await gate.wait()
            return await send(call)

        bench.submitter.send = slow  # type: ignore[method-assign]  # no block comes
        watch.note(await bench.chain.head(), max_age_s=60)
        await bench.loop._round()
        # A chain that is slow: what is stuck may be replaced.
        await bench.loop._round()
        assert len(bench.client.signed) == 2
        monotonic.now = 61.0
        watch.note(await bench.chain.head(), max_age_s=60)
        for _ in range(20):
            await bench.loop._round()
        assert len(bench.client.signed) == 2
        bench.chain.number, bench.chain.now = 11, bench.chain.now + 61
        head = await bench.chain.head()
        watch.note(replace(head, hash=b"\x0b" * 32), max_age_s=60)
        await bench.loop._round()
        # The first one after the halt is of now.
        assert len(bench.client.signed) == 3
        gate.set()
        for task in tuple(bench.running):
            await task


async def test_the_view_looks_often_while_the_chains_time_is_off() -> None:
    async with _bench() as bench:
        monotonic = FakeMonotonic(0.0)
        watch = BlockWatch(
            Problems(bench.state),
            halt_s=60,
            block_s=1,
            clock=lambda: bench.chain.now - 3_600,
            monotonic=monotonic,
        )
        view = ChainView(
            bench.chain,
            bench.state,
            Problems(bench.state),
            account="",
            low_balance_wei=0,
            blocks=watch,
        )
        await view.look()
        assert view._pause_s() == 15.0
        await view._note_head()
        assert watch.now is BlockTime.AHEAD
        assert view._pause_s() == 2.0
        bench.chain.stored = {0: Round(3, 1_600_000_000, 1, 2, 0x80)}
        bench.chain.now -= 3_600
        watch._clock = lambda: bench.chain.now
        await view._note_head()
        # What the hub holds was read again.
        assert view.landed == {IDS[0]: Landed(3, 1_600_000_000)}
        assert view._pause_s() == 15.0


async def test_a_slow_enclave_is_said_until_it_is_quick_again() -> None:
    async with _bench(_due()) as bench:
        bench.node.round_s = SLOW_S + 1
        bench.loop._note_pace()
        assert bench.node.notices["slow enclave"].startswith("a round takes longer than 10 s; at")
        await bench.round()
        assert bench.node.notices == {}
