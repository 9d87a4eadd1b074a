"""Follow the nodes' events and have a consumer contract read what each report stored."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from enclave.domain import wire
from enclave.domain.errors import ChainError
from enclave.domain.evidence import TeeKind, Tier
from enclave.domain.report import Entry
from oracle.cli.demo_view import FeedRow, RoundView, SignerView, decimal_text
from oracle.daemon import Event, Observer, ReportLanded, ReportRefused, RoundMade, SignerReady
from oracle.devnet.deploy import FeedContracts
from oracle.telemetry.state import NodeState

#: Consumer's address and block -> answer, decimals, and when it was observed.
Read = Callable[[bytes, int], Awaitable[tuple[int, int, int]]]
#: Hash of a transaction -> who signed the report in it.
ReadSigners = Callable[[bytes], Awaitable[Sequence[str]]]
#: Rounds whose source counts are remembered until their report lands.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class _Signed:
    """What a consumer must read."""

    entry: Entry
    observed_at: int


class Watch:
    """Turns the events of all nodes into views.

    Attributes:
        signers: Number of a node -> its enclave's signer, once the chain takes it.
    """

    def __init__(
        self,
        read: Read,
        read_signers: ReadSigners,
        feeds: tuple[FeedContracts, ...],
        states: Callable[[], Sequence[NodeState]],
        *,
        quorum: int,
    ) -> None:
        """Set up.

        Args:
            read: Has a consumer contract read its feed; raises `ChainError` if it refuses.
            read_signers: Recovers the signers of a report from its bytes on the chain.
            feeds: By index in the hub.
            states: How the nodes are doing, by number.
            quorum: Signatures that the hub wants.
        """
        self.signers: dict[int, SignerView] = {}
        self._read = read
        self._read_signers = read_signers
        self._feeds = feeds
        self._states = states
        self._quorum = quorum
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._rounds: dict[tuple[int, int], wire.RoundResult] = {}
        #: Index of a feed -> what was stored last.
        self._stored: dict[int, _Signed] = {}
        self._count = 0

    def observer(self, number: int) -> Observer:
        """What the daemon of that number calls."""

        def observe(event: Event) -> None:
            self._events.put_nowait((number, event))

        return observe

    async def next_round(self) -> RoundView:
        """Wait for the next report that landed or was refused, once all nodes take part."""
        while True:
            number, event = await self._events.get()
            if isinstance(event, RoundMade):
                self._remember(number, event.result)
            elif isinstance(event, SignerReady):
                self.signers[number] = self._signer(number, event)
            elif isinstance(event, ReportRefused):
                return self.failed_round(f"the report was refused: {event.reason}")
            elif isinstance(event, ReportLanded):
                self._note(event)
                is_complete = len(self.signers) == len(self._states())
                view = await self._landed_round(number, event) if is_complete else None
                if view is not None:
                    return view

    def failed_round(self, problem: str) -> RoundView:
        """A round without a stored report."""
        self._count += 1
        return RoundView(
            number=self._count,
            observed_at=0,
            transaction="",
            gas_used=0,
            landed=False,
            feeds=(),
            problem=problem,
            leader=0,
            signers=(),
            nodes_up=self._nodes_up(),
        )

    def _nodes_up(self) -> int:
        return sum(state.is_accepted for state in self._states())

    def _remember(self, number: int, result: wire.RoundResult) -> None:
        self._rounds[number, result.observed_at] = result
        if len(self._rounds) > _REMEMBERED * len(self._states()):
            del self._rounds[next(iter(self._rounds))]

    def _note(self, event: ReportLanded) -> None:
        for entry in event.report.entries:
            if self._feeds[entry.index].feed_id in event.feed_ids:
                self._stored[entry.index] = _Signed(entry, event.report.observed_at)

    def _signer(self, number: int, event: SignerReady) -> SignerView:
        status = event.standing.status
        return SignerView(
            address=event.address,
            tee=TeeKind(status.tee).name,
            tier=Tier(status.tier).name,
            image_id=f"0x{status.image_id.hex()}",
            expires_at=status.expires_at,
            is_sandboxed=self._states()[number - 1].signer.is_sandboxed,
        )

    async def _landed_round(self, leader: int, event: ReportLanded) -> RoundView | None:
        """What became of a report; `None` if a newer one landed in the same block."""
        observed_at = event.report.observed_at
        entries = {entry.index: _Signed(entry, observed_at) for entry in event.report.entries}
        made = self._made(leader, observed_at)
        rows = []
        for index, feed in enumerate(self._feeds):
            # What the report leaves out, another leader may have brought just before.
            signed = entries.get(index) or self._stored.get(index)
            row = await self._row(event, feed, signed, made)
            if row is None:
                return None
            rows.append(row)
        signers, problem = await self._signed_by(event.receipt.hash)
        self._count += 1
        return RoundView(
            number=self._count,
            observed_at=observed_at,
            transaction=f"0x{event.receipt.hash.hex()}",
            gas_used=event.receipt.gas_used,
            landed=all(row.matches for row in rows) and not problem,
            feeds=tuple(rows),
            problem=problem,
            leader=leader,
            signers=signers,
            nodes_up=self._nodes_up(),
        )

    def _made(self, number: int, observed_at: int) -> wire.RoundResult | None:
        """What a node saw when it led; of several nodes' report its own time may be another."""
        seen = self._rounds.get((number, observed_at))
        if seen is not None:
            return seen
        own = [result for (node, _), result in self._rounds.items() if node == number]
        return own[-1] if own else None

    async def _signed_by(self, transaction: bytes) -> tuple[tuple[int, ...], str]:
        """Numbers of the nodes that signed, and what is wrong with that."""
        numbers = {signer.address: number for number, signer in self.signers.items()}
        try:
            found = await self._read_signers(transaction)
        except ChainError as error:
            return (), f"the report cannot be read back: {error}"
        strangers = [address for address in found if address not in numbers]
        if strangers:
            return (), f"signed by {', '.join(strangers)}, which no node here has"
        signers = tuple(sorted({numbers[address] for address in found}))
        if len(signers) != self._quorum:
            return signers, f"signed by {len(signers)} nodes, wanted {self._quorum}"
        return signers, ""

    async def _row(
        self,
        event: ReportLanded,
        feed: FeedContracts,
        signed: _Signed | None,
        made: wire.RoundResult | None,
    ) -> FeedRow | None:
        """One feed; `None` if the consumer reads a newer round already."""
        failure = _failure(feed.feed_id, made)
        if signed is None or (failure and signed.observed_at < event.report.observed_at):
            return _missing(feed, failure or "not in the report")
        reading, problem = await self._try_read(feed, event.receipt.block)
        if reading is not None and reading[2] > event.report.observed_at:
            return None
        # The hub leaves out what another leader's report brought already, word for word.
        if feed.feed_id in event.skipped and signed not in self._stored.values():
            problem = "the hub left it out"
        entry = signed.entry
        return FeedRow(
            name=feed.name,
            feed_id=f"0x{feed.feed_id.hex()}",
            answer=decimal_text(entry.value, feed.decimals),
            sources_used=entry.sources,
            sources_asked=_asked(feed.feed_id, made),
            dispersion_bps=decimal_text(entry.dispersion, 1),
            observed_at=signed.observed_at,
            consumer_reads=decimal_text(*reading[:2]) if reading else "",
            matches=reading == (entry.value, feed.decimals, signed.observed_at) and not problem,
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
    return next(found, "")
