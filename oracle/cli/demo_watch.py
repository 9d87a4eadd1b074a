"""Follow a daemon's events and have a consumer contract read what each report stored."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from enclave.domain import wire
from enclave.domain.errors import ChainError
from enclave.domain.evidence import TeeKind, Tier
from enclave.domain.report import Entry
from oracle.cli.demo_view import FeedRow, RoundView, SignerView, decimal_text
from oracle.daemon import Event, ReportLanded, ReportRefused, RoundMade, SignerReady
from oracle.devnet.deploy import FeedContracts

#: Consumer's address and block -> answer, decimals, and when it was observed.
Read = Callable[[bytes, int], Awaitable[tuple[int, int, int]]]
#: Rounds whose source counts are remembered until their report lands.
_REMEMBERED: Final = 64


class Watch:
    """Turns events into views.

    Args:
        read: Has a consumer contract read its feed; raises `ChainError` if it refuses.
        feeds: By index in the hub.
        is_sandboxed: Whether the enclave's process is in a sandbox.
    """

    def __init__(
        self,
        read: Read,
        feeds: tuple[FeedContracts, ...],
        is_sandboxed: Callable[[], bool],
    ) -> None:
        self.signer: SignerView | None = None
        self._read = read
        self._feeds = feeds
        self._is_sandboxed = is_sandboxed
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._rounds: dict[int, wire.RoundResult] = {}
        self._count = 0

    def observe(self, event: Event) -> None:
        """What the daemon calls."""
        self._events.put_nowait(event)

    async def next_round(self) -> RoundView:
        """Wait for the next report that landed or was refused."""
        while True:
            event = await self._events.get()
            if isinstance(event, RoundMade):
                self._remember(event.result)
            elif isinstance(event, SignerReady):
                self.signer = self._signer(event)
            elif isinstance(event, ReportRefused):
                return self.failed_round(f"the report was refused: {event.reason}")
            elif isinstance(event, ReportLanded):
                return await self._landed_round(event)

    def failed_round(self, problem: str) -> RoundView:
        """A round without a stored report."""
        self._count += 1
        return RoundView(self._count, 0, "", 0, landed=False, feeds=(), problem=problem)

    def _remember(self, result: wire.RoundResult) -> None:
        self._rounds[result.observed_at] = result
        if len(self._rounds) > _REMEMBERED:
            del self._rounds[min(self._rounds)]

    def _signer(self, event: SignerReady) -> SignerView:
        status = event.standing.status
        return SignerView(
            address=event.address,
            tee=TeeKind(status.tee).name,
            tier=Tier(status.tier).name,
            image_id=f"0x{status.image_id.hex()}",
            expires_at=status.expires_at,
            is_sandboxed=self._is_sandboxed(),
        )

    async def _landed_round(self, event: ReportLanded) -> RoundView:
        self._count += 1
        entries = {entry.index: entry for entry in event.report.entries}
        made = self._rounds.get(event.report.observed_at)
        rows = [
            await self._row(event, feed, entries.get(index), made)
            for index, feed in enumerate(self._feeds)
        ]
        return RoundView(
            number=self._count,
            observed_at=event.report.observed_at,
            transaction=f"0x{event.receipt.hash.hex()}",
            gas_used=event.receipt.gas_used,
            landed=all(row.matches for row in rows),
            feeds=tuple(rows),
            problem="",
        )

    async def _row(
        self,
        event: ReportLanded,
        feed: FeedContracts,
        entry: Entry | None,
        made: wire.RoundResult | None,
    ) -> FeedRow:
        if entry is None:
            return _missing(feed, _failure(feed.feed_id, made))
        reading, problem = await self._try_read(feed, event.receipt.block)
        if feed.feed_id in event.skipped:
            problem = "the hub left it out"
        signed = (entry.value, feed.decimals, event.report.observed_at)
        return FeedRow(
            name=feed.name,
            feed_id=f"0x{feed.feed_id.hex()}",
            answer=decimal_text(entry.value, feed.decimals),
            sources_used=entry.sources,
            sources_asked=_asked(feed.feed_id, made),
            dispersion_bps=decimal_text(entry.dispersion, 1),
            observed_at=event.report.observed_at,
            consumer_reads=decimal_text(*reading[:2]) if reading else "",
            matches=reading == signed and not problem,
            problem=problem,
        )

    async def _try_read(
        self, feed: FeedContracts, block: int
    ) -> tuple[tuple[int, int, int] | None, str]:
        """What the consumer reads right after the report, and why it could not."""
        try:
            return await self._read(feed.consumer, block), ""
        except ChainError as error:
            return None, f"the consumer could not read: {error}"


def _missing(feed: FeedContracts, problem: str) -> FeedRow:
    return FeedRow(
        name=feed.name,
        feed_id=f"0x{feed.feed_id.hex()}",
        answer="",
        sources_used=0,
        sources_asked=0,
        dispersion_bps="-",
        observed_at=0,
        consumer_reads="",
        matches=False,
        problem=problem,
    )


def _asked(feed_id: bytes, made: wire.RoundResult | None) -> int:
    answers = made.answers if made else ()
    return next((answer.sources_asked for answer in answers if answer.feed_id == feed_id), 0)


def _failure(feed_id: bytes, made: wire.RoundResult | None) -> str:
    failed = made.failed if made else ()
    found = (view.failure.message for view in failed if view.failure.feed_id == feed_id)
    return next(found, "not in the report")
