"""From a round to one chain's hub: what is due there is signed for it and sent on its way."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from enclave.domain import wire
from enclave.domain.errors import ProtocolError
from enclave.domain.report import (
    ENTRY_SIZE,
    VERSION,
    SignedReport,
    decode_report,
    encode_report,
)
from oracle.chain.base import HubStatus
from oracle.daemon.chain_view import ChainView
from oracle.daemon.events import Observer, ReportPlanned
from oracle.daemon.problems import Problems
from oracle.daemon.quorum import AREA as QUORUM
from oracle.daemon.quorum import QuorumNode, Spawn
from oracle.daemon.submission import Submission, Target, landed_by
from oracle.enclave_link import EnclaveClient, EnclaveLost
from oracle.feeds.catalogue import Feed
from oracle.registration import Standing
from oracle.scheduler import Candidate, Due, Reason, fill_report
from oracle.telemetry.state import ChainState

log = structlog.get_logger(__name__)

Schedule = Callable[[Iterable[Candidate]], tuple[Due, ...]]


def every_answer(candidates: Iterable[Candidate]) -> tuple[Due, ...]:
    """A schedule for demonstrations: every feed with a newer answer is due."""
    return tuple(
        Due(candidate.feed_id, Reason.DEVIATION)
        for candidate in candidates
        if candidate.landed is None or candidate.observed_at > candidate.landed.observed_at
    )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the enclave has loaded.

    Attributes:
        feeds: By id.
        paused: Ids of feeds that are loaded for others' sake and not asked for.
    """

    feeds: Mapping[bytes, Feed]
    paused: frozenset[bytes]

    @property
    def asked(self) -> list[bytes]:
        """Ids of the feeds that a round is about."""
        return [feed_id for feed_id in self.feeds if feed_id not in self.paused]


class Reporter:
    """Reports the rounds of one enclave on one chain; at most one report is on its way at a time.

    It never waits for the chain: what is known of it is looked up in the view, and reports are sent
    in the background.
    """

    def __init__(
        self,
        client: EnclaveClient,
        *,
        view: ChainView,
        state: ChainState,
        problems: Problems,
        target: Target,
        schedule: Schedule,
        observer: Observer,
        submission: Submission | None,
        standing: Callable[[], Standing | None],
        spawn: Spawn,
        quorum: QuorumNode | None = None,
        report_feeds: int = 256,
    ) -> None:
        """Set up.

        Args:
            client: Speaks to the enclave.
            view: What the chain holds.
            state: Read for the feeds that are reported there.
            problems: Written.
            target: Where reports go.
            schedule: Which answers are due.
            observer: Told of plans.
            submission: Sends reports; `None` in a dry run.
            standing: What the chain makes of the signer; `None` before it is accepted.
            spawn: Starts a task that outlives the enclave.
            quorum: Has reports signed by other nodes, too; `None` without peers.
            report_feeds: Most feeds of one report.
        """
        self._client = client
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

    @property
    def chain(self) -> str:
        """Its name."""
        return self._state.name

    async def report(self, result: wire.RoundResult, loaded: Callable[[], Loaded]) -> None:
        """Have what is due signed, and send it on its way.

        Args:
            result: Of the round that the enclave holds.
            loaded: What the enclave has loaded then.

        Raises:
            EnclaveLost: It is gone.
            OracleError: It refuses to sign.
        """
        hub = self._view.hub
        if hub is not None and hub.signatures != 1:
            self._report_together(hub, result, loaded)
        elif hub is not None and self._may_report(hub):
            await self._report(result, loaded())

    def _may_report(self, hub: HubStatus) -> bool:
        self._problems.clear(QUORUM)
        if self._submission is None:
            return True
        return hub.is_live and self._standing() is not None and self._submission.is_free()

    def _report_together(
        self, hub: HubStatus, result: wire.RoundResult, loaded: Callable[[], Loaded]
    ) -> None:
        """The hub wants signatures of several nodes: see whose turn it is."""
        quorum, submission = self._quorum, self._submission
        if quorum is None or submission is None:
            self._problems.set(
                QUORUM,
                f"the hub wants {hub.signatures} signatures, this node brings 1: configure [quorum]"
                " with the other operators' nodes",
            )
        elif hub.is_live and self._standing() is not None:
            quorum.consider(lambda: self._due(result, loaded()), submission, self._spawn)

    def _due(self, result: wire.RoundResult, loaded: Loaded) -> dict[bytes, int]:
        """Feeds that are due by this round against the view as it is now, and their rounds there.

        In the order of the schedule; 0 stands for a feed that was never written.
        """
        listed, landed = set(self._view.feed_list), self._view.landed
        candidates = [
            self._candidate(answer, result.observed_at, loaded.feeds[answer.feed_id])
            for answer in result.answers
            if answer.feed_id in listed and self._is_known(answer.feed_id, loaded)
        ]
        due = fill_report(
            [item.feed_id for item in self._schedule(candidates)],
            frozenset() if self._submission is None else self._submission.overdue(),
            [candidate.feed_id for candidate in candidates],
            limit=self._report_feeds,
        )
        return {f: landed[f].observed_at if f in landed else 0 for f in due}

    def _is_known(self, feed_id: bytes, loaded: Loaded) -> bool:
        """Whether it is still reported there, and the hub was asked what it holds of it."""
        feed = self._state.feeds.get(feed_id)
        is_served = feed_id in loaded.feeds and feed_id not in loaded.paused
        return is_served and feed is not None and feed.index is not None

    async def _report(self, result: wire.RoundResult, loaded: Loaded) -> None:
        due = tuple(self._due(result, loaded))
        if not due:
            return
        signed = await self._sign(result, due)
        feed_ids = tuple(self._view.feed_list[entry.index] for entry in signed.report.entries)
        encoded = encode_report(signed)
        is_dry_run = self._submission is None
        self._observer(
            ReportPlanned(signed.report, encoded, feed_ids, is_dry_run, self._state.name)
        )
        if self._submission is None:
            self._plan(signed, encoded, feed_ids)
        else:
            self._submission.start(self._spawn, signed, feed_ids)

    def _candidate(self, answer: wire.AnswerView, observed_at: int, feed: Feed) -> Candidate:
        definition = feed.definition
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
