"""Bringing signed reports to the hub: one at a time, unless one is stuck."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from enclave.domain.errors import ChainError
from enclave.domain.report import SignedReport, encode_report
from oracle.chain.base import CallReverted, Chain, Receipt, Submitter, Superseded
from oracle.daemon.chain_view import ChainView
from oracle.daemon.clock import BlockWatch
from oracle.daemon.events import (
    Observer,
    ReportLanded,
    ReportOvertaken,
    ReportRefused,
    ReportSuperseded,
)
from oracle.daemon.problems import Problems
from oracle.scheduler import Landed
from oracle.telemetry.state import ChainState

log = structlog.get_logger(__name__)

NOTHING_LANDED = "FeedHub_NothingLanded"
#: Looks at the chain while another node's report may be in the block to come.
_LOOKS = 4
_BACK_OFF_S = 1.0
_BACK_OFF_MAX_S = 30.0


class ReportJournal(Protocol):
    """Where signed reports are kept before they are sent."""

    async def add_report(
        self, *, chain_id: int, hub: str, observed_at: int, signer: str, report: bytes
    ) -> None:
        """Keep a report."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where reports go: EIP-155 chain id and hub address."""

    chain_id: int
    hub: str


def landed_by(signed: SignedReport, feed_ids: Sequence[bytes]) -> Mapping[bytes, Landed]:
    """What the hub holds when a whole report has landed; `feed_ids` are those of its entries."""
    entries = zip(feed_ids, signed.report.entries, strict=True)
    observed_at = signed.report.observed_at
    return {feed_id: Landed(entry.value, observed_at) for feed_id, entry in entries}


class Submission:
    """Sends one report at a time and takes over what it stored.

    While one is stuck, newer ones are taken: the submitter puts them in its place.
    """

    def __init__(
        self,
        chain: Chain,
        submitter: Submitter,
        journal: ReportJournal,
        *,
        view: ChainView,
        state: ChainState,
        problems: Problems,
        target: Target,
        observer: Observer,
        recheck: Callable[[], None],
        settle_s: float = 0.0,
        is_stuck: Callable[[], bool] = lambda: False,
        renew_s: float = 1.0,
        blocks: BlockWatch | None = None,
    ) -> None:
        """Set up.

        Args:
            chain: Whose calls are sent.
            submitter: Sends them.
            journal: Keeps reports.
            view: Told of what landed.
            state: Written.
            problems: Written.
            target: Where reports go.
            observer: Told what became of them.
            recheck: Has the registration looked at again after a refusal.
            settle_s: How long what another node sent may need until it shows on the chain.
            is_stuck: Whether a transaction is overdue.
            renew_s: Least time between two reports of which the second replaces the first.
            blocks: Says when no report has a chance.
        """
        self._blocks = blocks
        self._chain = chain
        self._submitter = submitter
        self._journal = journal
        self._view = view
        self._state = state
        self._problems = problems
        self._target = target
        self._observer = observer
        self._recheck = recheck
        self._settle_s = settle_s
        self._is_stuck = is_stuck
        self._renew_s = renew_s
        self._tasks: dict[asyncio.Task[None], tuple[bytes, ...]] = {}
        self._started_at = 0.0
        self._pause_s = _BACK_OFF_S
        self._not_before = 0.0
        self._is_closed = False

    def is_free(self) -> bool:
        """Whether no back-off runs, and no report is on its way or it may be replaced."""
        is_waiting = bool(self._on_their_way())
        if self._is_closed:
            return False
        if self._blocks is not None and not self._blocks.may_send(is_waiting=is_waiting):
            return False
        now = asyncio.get_running_loop().time()
        may_renew = self._is_stuck() and now >= self._started_at + self._renew_s
        return now >= self._not_before and (may_renew or not is_waiting)

    def overdue(self) -> frozenset[bytes]:
        """Feeds of the reports that are stuck: a newer report with all of them replaces them."""
        if not self._is_stuck():
            return frozenset()
        return frozenset(feed_id for each in self._on_their_way() for feed_id in each)

    def _on_their_way(self) -> list[tuple[bytes, ...]]:
        return [feed_ids for task, feed_ids in self._tasks.items() if not task.done()]

    def start(
        self,
        spawn: Callable[..., asyncio.Task[None]],
        signed: SignedReport,
        feed_ids: tuple[bytes, ...],
    ) -> None:
        """Send a report in the background; nothing after `close`."""
        if self._is_closed:
            return
        self._started_at = asyncio.get_running_loop().time()
        self._tasks = {task: ids for task, ids in self._tasks.items() if not task.done()}
        self._tasks[spawn(self._send(signed, feed_ids))] = feed_ids

    def close(self) -> set[asyncio.Task[None]]:
        """Begin no report any more; what sends those that are on their way."""
        self._is_closed = True
        return {task for task in self._tasks if not task.done()}

    async def _send(self, signed: SignedReport, feed_ids: tuple[bytes, ...]) -> None:
        report, encoded = signed.report, encode_report(signed)
        await self._journal.add_report(
            chain_id=self._target.chain_id,
            hub=self._target.hub,
            observed_at=report.observed_at,
            signer=self._state.standing.signer,
            report=encoded,
        )
        try:
            call = self._chain.submit(encoded)
            feeds = frozenset(entry.index for entry in report.entries)
            receipt = await self._submitter.send(replace(call, feeds=feeds))
            indexes = set(self._chain.landed(receipt))
        except Superseded:
            self._superseded(signed)
            return
        except ChainError as error:
            if await self._is_overtaken(signed, feed_ids, error):
                self._overtaken(signed)
            else:
                self._refused(signed, error)
            return
        pairs = list(zip(report.entries, feed_ids, strict=True))
        stored = tuple(feed_id for entry, feed_id in pairs if entry.index in indexes)
        skipped = tuple(feed_id for entry, feed_id in pairs if entry.index not in indexes)
        landed = landed_by(signed, feed_ids)
        self._view.landed_now(stored, landed)
        self._pause_s, self._not_before = _BACK_OFF_S, 0.0
        self._problems.clear("submit")
        self._note(receipt, stored, landed)
        if skipped:
            log.warning("feeds_skipped", feeds=["0x" + feed_id.hex() for feed_id in skipped])
        self._observer(ReportLanded(report, receipt, stored, skipped, self._state.name))

    def _note(
        self, receipt: Receipt, stored: Sequence[bytes], landed: Mapping[bytes, Landed]
    ) -> None:
        self._state.reports_landed += 1
        for feed_id in stored:
            feed = self._state.feeds.get(feed_id)
            if feed is not None:
                feed.landed_answer = landed[feed_id].answer
                feed.landed_at = landed[feed_id].observed_at
                feed.transaction = "0x" + receipt.hash.hex()
                feed.gas_used, feed.block = receipt.gas_used, receipt.block
        log.info(
            "report_landed",
            tx="0x" + receipt.hash.hex(),
            block=receipt.block,
            gas=receipt.gas_used,
            stored=len(stored),
        )

    async def _is_overtaken(
        self, signed: SignedReport, feed_ids: Sequence[bytes], error: ChainError
    ) -> bool:
        """Whether nothing landed because the hub has it all already, or newer: nothing is lost.

        An estimate speaks of the next block: what overtook may not be in the latest one yet.
        """
        if not isinstance(error, CallReverted) or error.name != NOTHING_LANDED:
            return False
        for _ in range(_LOOKS):
            if await self._is_there(signed.report.observed_at, feed_ids):
                return True
            if not self._settle_s:
                return False
            await asyncio.sleep(self._settle_s / _LOOKS)
        return await self._is_there(signed.report.observed_at, feed_ids)

    async def _is_there(self, observed_at: int, feed_ids: Sequence[bytes]) -> bool:
        """Whether the hub has a round of this time or later for each feed."""
        try:
            await self._view.refresh()
        except ChainError:
            return False
        landed = [self._view.landed.get(feed_id) for feed_id in feed_ids]
        return all(one is not None and one.observed_at >= observed_at for one in landed)

    def _overtaken(self, signed: SignedReport) -> None:
        self._state.reports_overtaken += 1
        self._problems.clear("submit")
        log.info("report_overtaken", observed_at=signed.report.observed_at)
        self._observer(ReportOvertaken(signed.report, self._state.name))

    def _superseded(self, signed: SignedReport) -> None:
        self._state.reports_superseded += 1
        log.info("report_superseded", observed_at=signed.report.observed_at)
        self._observer(ReportSuperseded(signed.report, self._state.name))

    def _refused(self, signed: SignedReport, error: ChainError) -> None:
        self._state.reports_refused += 1
        self._not_before = asyncio.get_running_loop().time() + self._pause_s
        self._pause_s = min(_BACK_OFF_MAX_S, 2 * self._pause_s)
        self._problems.set("submit", str(error))
        if isinstance(error, CallReverted):
            self._view.refresh_soon()
            self._recheck()
        self._observer(ReportRefused(signed.report, str(error), self._state.name))
