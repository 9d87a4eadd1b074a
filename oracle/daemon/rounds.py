"""The round loop: have the enclave look, compare with the hub, sign what is due, submit it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from enclave.domain import wire
from enclave.domain.errors import OracleError, ProtocolError
from enclave.domain.report import (
    ENTRY_SIZE,
    VERSION,
    SignedReport,
    decode_report,
    encode_report,
)
from oracle.chain.base import HubStatus
from oracle.daemon.chain_view import ChainView
from oracle.daemon.events import Observer, ReportPlanned, RoundMade
from oracle.daemon.problems import Problems
from oracle.daemon.quorum import AREA as QUORUM
from oracle.daemon.quorum import QuorumNode
from oracle.daemon.session import load_feeds
from oracle.daemon.submission import Submission, Target, landed_by
from oracle.enclave_link import DEADLINES_S, EnclaveClient, EnclaveLost
from oracle.feeds.catalogue import Feed
from oracle.registration import Standing
from oracle.scheduler import Candidate, Due, Reason, fill_report
from oracle.telemetry.state import NodeState

log = structlog.get_logger(__name__)

#: A round that takes longer is near the end of the enclave's patience with its sources, and ours.
SLOW_S = DEADLINES_S["round"] / 2

Schedule = Callable[[Iterable[Candidate]], tuple[Due, ...]]


def every_answer(candidates: Iterable[Candidate]) -> tuple[Due, ...]:
    """A schedule for demonstrations: every feed with a newer answer is due."""
    return tuple(
        Due(candidate.feed_id, Reason.DEVIATION)
        for candidate in candidates
        if candidate.landed is None or candidate.observed_at > candidate.landed.observed_at
    )


class RoundLoop:
    """Rounds of one enclave; at most one report is on its way at a time."""

    def __init__(
        self,
        client: EnclaveClient,
        *,
        feeds: Sequence[Feed],
        view: ChainView,
        state: NodeState,
        problems: Problems,
        target: Target,
        schedule: Schedule,
        observer: Observer,
        submission: Submission | None,
        standing: Callable[[], Standing | None],
        spawn: Callable[..., asyncio.Task[None]],
        quorum: QuorumNode | None = None,
        paused: Iterable[bytes] = (),
        report_feeds: int = 256,
    ) -> None:
        """Set up.

        Args:
            client: Speaks to the enclave.
            feeds: Loaded in it.
            view: What the chain holds.
            state: Written.
            problems: Written.
            target: Where reports go.
            schedule: Which answers are due.
            observer: Told of rounds and plans.
            submission: Sends reports; `None` in a dry run.
            standing: What the chain makes of the signer; `None` before it is accepted.
            spawn: Starts a task that outlives this loop's enclave.
            quorum: Has reports signed by other nodes, too; `None` without peers.
            paused: Ids of feeds that are loaded for others' sake and not asked for.
            report_feeds: Most feeds of one report.
        """
        self._client = client
        self._feeds = {feed.feed_id: feed for feed in feeds}
        self._paused = frozenset(paused)
        self._one_at_a_time = asyncio.Lock()
        self._view = view
        self._state = state
        self._problems = problems
        self._target = target
        self._schedule = schedule
        self._observer = observer
        self._submission = submission
        self._standing = standing
        self._spawn = spawn
        self._quorum = quorum
        self._report_feeds = report_feeds

    async def run(self, poll_s: float) -> None:
        """Make rounds until cancelled or the enclave is lost; a tick that is missed is left out."""
        loop = asyncio.get_running_loop()
        tick = loop.time()
        while True:
            await self._round()
            tick = max(tick + poll_s, loop.time())
            await asyncio.sleep(tick - loop.time())

    async def change(self, feeds: Sequence[Feed], paused: Iterable[bytes]) -> None:
        """Have the enclave load other feeds, between two rounds.

        Raises:
            EnclaveLost: The enclave is gone; the next one loads what its daemon says then.
            OracleError: The enclave refuses a definition; the feeds are those of before.
        """
        async with self._one_at_a_time:
            await load_feeds(self._client, feeds)
            self._feeds = {feed.feed_id: feed for feed in feeds}
            self._paused = frozenset(paused)

    async def _round(self) -> None:
        async with self._one_at_a_time:
            await self._make_round()

    async def _make_round(self) -> None:
        try:
            result = await self._look([f for f in self._feeds if f not in self._paused])
            hub = self._view.hub
            if hub is not None and hub.signatures != 1:
                self._report_together(hub, result)
            elif hub is not None and self._may_report(hub):
                await self._report(result)
        except EnclaveLost:
            raise
        except OracleError as error:
            log.warning("round_failed", error=type(error).__name__, message=str(error))

    async def _look(self, feed_ids: Sequence[bytes]) -> wire.RoundResult:
        loop = asyncio.get_running_loop()
        started = loop.time()
        result = await self._client.run_round(feed_ids)
        self._state.round_at = loop.time()
        self._state.round_s = self._state.round_at - started
        self._state.rounds += 1
        self._note_pace()
        self._note(result)
        log.info(
            "round_made",
            round=result.round_id,
            observed_at=result.observed_at,
            answers=len(result.answers),
            failed=len(result.failed),
            elapsed_ms=round(1000 * self._state.round_s),
        )
        self._observer(RoundMade(result, self._state.round_s))
        return result

    def _note_pace(self) -> None:
        if self._state.round_s > SLOW_S:
            limit_s = DEADLINES_S["round"]
            text = (
                f"a round takes longer than {SLOW_S:g} s; at {limit_s:g} s the enclave is replaced"
            )
            self._problems.notice("slow enclave", text)
        else:
            self._problems.drop_notice("slow enclave")

    def _note(self, result: wire.RoundResult) -> None:
        for answer in result.answers:
            feed = self._state.feeds.get(answer.feed_id)
            if feed is None:
                continue
            feed.answer, feed.observed_at, feed.failure = answer.value, result.observed_at, ""
            feed.sources_used, feed.sources_asked = answer.sources_used, answer.sources_asked
            feed.dispersion = answer.dispersion
            feed.source_failures = {f.source: f.message for f in answer.failures}
        for failed in result.failed:
            feed = self._state.feeds.get(failed.failure.feed_id)
            if feed is None:
                continue
            if not feed.failure:
                message = failed.failure.message
                log.warning("feed_failed", feed=feed.name, error=failed.failure.error, why=message)
            feed.failure = failed.failure.message
            feed.source_failures = {f.source: f.message for f in failed.failures}

    def _may_report(self, hub: HubStatus) -> bool:
        self._problems.clear(QUORUM)
        if self._submission is None:
            return True
        return hub.is_live and self._standing() is not None and self._submission.is_free()

    def _report_together(self, hub: HubStatus, result: wire.RoundResult) -> None:
        """The hub wants signatures of several nodes: see whose turn it is."""
        quorum, submission = self._quorum, self._submission
        if quorum is None or submission is None:
            self._problems.set(
                QUORUM,
                f"the hub wants {hub.signatures} signatures, this node brings 1: configure [quorum]"
                " with the other operators' nodes",
            )
        elif hub.is_live and self._standing() is not None:
            quorum.consider(lambda: self._due(result), submission, self._spawn)

    def _due(self, result: wire.RoundResult) -> dict[bytes, int]:
        """Feeds that are due by this round against the view as it is now, and their rounds there.

        In the order of the schedule; 0 stands for a feed that was never written.
        """
        listed, landed = set(self._view.feed_list), self._view.landed
        candidates = [
            self._candidate(answer, result.observed_at)
            for answer in result.answers
            if answer.feed_id in listed and self._is_known(answer.feed_id)
        ]
        due = fill_report(
            [item.feed_id for item in self._schedule(candidates)],
            frozenset() if self._submission is None else self._submission.overdue(),
            [candidate.feed_id for candidate in candidates],
            limit=self._report_feeds,
        )
        return {f: landed[f].observed_at if f in landed else 0 for f in due}

    def _is_known(self, feed_id: bytes) -> bool:
        """Whether it is still served, and the hub was asked what it holds of it."""
        feed = self._state.feeds.get(feed_id)
        is_served = feed_id in self._feeds and feed_id not in self._paused
        return is_served and feed is not None and feed.index is not None

    async def _report(self, result: wire.RoundResult) -> None:
        """Sign what is due and send it on its way."""
        due = tuple(self._due(result))
        if not due:
            return
        signed = await self._sign(result, due)
        feed_ids = tuple(self._view.feed_list[entry.index] for entry in signed.report.entries)
        encoded = encode_report(signed)
        is_dry_run = self._submission is None
        self._observer(ReportPlanned(signed.report, encoded, feed_ids, is_dry_run))
        if self._submission is None:
            self._plan(signed, encoded, feed_ids)
        else:
            self._submission.start(self._spawn, signed, feed_ids)

    def _candidate(self, answer: wire.AnswerView, observed_at: int) -> Candidate:
        definition = self._feeds[answer.feed_id].definition
        return Candidate(
            feed_id=answer.feed_id,
            answer=answer.value,
            observed_at=observed_at,
            deviation_bps=definition.deviation_bps,
            heartbeat_s=definition.heartbeat_s,
            landed=self._view.landed.get(answer.feed_id),
        )

    async def _sign(self, result: wire.RoundResult, due: Sequence[bytes]) -> SignedReport:
        feed_list = self._view.feed_list
        request = wire.Sign(
            result.round_id,
            self._target.chain_id,
            bytes.fromhex(self._target.hub[2:]),
            feed_list,
            tuple(due),
        )
        signed = await self._client.sign(request)
        standing = self._standing()
        position = 0 if standing is None else standing.position
        return _assemble(signed, position)

    def _plan(self, signed: SignedReport, encoded: bytes, feed_ids: tuple[bytes, ...]) -> None:
        """A dry run: say what would be sent, and go on as if it had landed."""
        names = [self._state.feeds[feed_id].name for feed_id in feed_ids]
        log.info("would_send", hub=self._target.hub, feeds=names, report="0x" + encoded.hex())
        self._view.landed_now(feed_ids, landed_by(signed, feed_ids))


def _assemble(signed: wire.SignResult, position: int) -> SignedReport:
    """The enclave's signature and entries as one report; `position` is its bit in the mask.

    Raises:
        EnclaveLost: What it signed is no report.
    """
    raw = b"".join(
        (
            VERSION.to_bytes(1, "big"),
            signed.observed_at.to_bytes(4, "big"),
            signed.list_root,
            (len(signed.entries) // ENTRY_SIZE).to_bytes(2, "big"),
            signed.entries,
            (1 << position).to_bytes(8, "big"),
            signed.signature,
        )
    )
    try:
        return decode_report(raw)
    except ProtocolError as error:
        raise EnclaveLost(f"sign: {error}") from error
