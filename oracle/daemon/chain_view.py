"""What the node knows of the chain: kept fresh in the background, so that rounds do not wait."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.base import Chain, HubStatus, Seats
from oracle.chain.rpc import RpcRefused
from oracle.daemon.clock import BlockTime, BlockWatch
from oracle.daemon.problems import Problems
from oracle.scheduler import Landed
from oracle.telemetry.state import ChainState

log = structlog.get_logger(__name__)

REFRESH_S = 15.0
#: Time between two looks while the chain's time is off.
_WATCH_S = 2.0


class ChainView:
    """Feed list, hub status, landed answers, and who else may sign.

    Attributes:
        feed_list: The hub's list, in order of index.
        hub: What it wants of a report; `None` before the first answer.
        landed: Feed id -> the hub's answer.
        seats: Of the signer set; empty unless they are asked for.
    """

    def __init__(
        self,
        chain: Chain,
        state: ChainState,
        problems: Problems,
        *,
        account: str,
        low_balance_wei: int,
        retry_s: float = 1.0,
        refresh_s: float = REFRESH_S,
        has_peers: bool = False,
        blocks: BlockWatch | None = None,
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            chain: Where to ask.
            state: Written.
            problems: Written.
            account: The submitter; empty in a dry run.
            low_balance_wei: Below it there is a notice.
            retry_s: First pause while the chain does not answer.
            refresh_s: Time between two looks; short where others submit, too.
            has_peers: Whether to look at the seats of the others.
            blocks: Told of the head at each look.
        """
        self.feed_list: tuple[bytes, ...] = ()
        self.hub: HubStatus | None = None
        self.landed: dict[bytes, Landed] = {}
        self.seats = Seats((), ())
        self._chain = chain
        self._state = state
        self._problems = problems
        self._account = account
        self._low_balance_wei = low_balance_wei
        self._retry_s = retry_s
        self._refresh_s = refresh_s
        self._has_peers = has_peers
        self._blocks = blocks
        self._version = 0
        #: Loop time of the last look at everything; `None` if one is wanted.
        self._looked_at: float | None = None
        self._block = 0
        self._wanted = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def name(self) -> str:
        """Of the chain."""
        return self._state.name

    def refresh_soon(self, *, after_s: float = 0.0) -> None:
        """Ask the chain again without waiting for the next turn.

        Args:
            after_s: Pause before that, and then it is asked for news alone. One at a time: further
                ones meanwhile are for nothing.
        """
        if after_s <= 0:
            self._looked_at = None
            self._wanted.set()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(after_s, self._now)

    def _now(self) -> None:
        self._later = None
        self._wanted.set()

    def landed_now(self, feed_ids: Sequence[bytes], landed: Mapping[bytes, Landed]) -> None:
        """Take over what one of our own reports stored."""
        self._version += 1
        self.landed |= {feed_id: landed[feed_id] for feed_id in feed_ids}

    async def keep_fresh(self) -> None:
        """Look until cancelled; back off while the chain does not answer."""
        pause_s = self._retry_s
        while True:
            self._wanted.clear()
            try:
                await self.look()
                await self._note_head()
            except ChainError as error:
                self._problems.set("chain", str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(REFRESH_S, 2 * pause_s)
                continue
            self._problems.clear("chain")
            pause_s = self._retry_s
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    def _pause_s(self) -> float:
        """Until the next look: soon where the chain's time is off, as that may end at any time."""
        is_off = self._blocks is not None and self._blocks.now is not BlockTime.FINE
        return min(self._refresh_s, _WATCH_S) if is_off else self._refresh_s

    async def _note_head(self) -> None:
        if self._blocks is not None and self.hub is not None:
            before = self._blocks.now
            self._blocks.note(await self._chain.head(), max_age_s=self.hub.max_age_s)
            if before is not BlockTime.FINE and self._blocks.now is BlockTime.FINE:
                # What the hub held may be of a fork that is no more.
                self._looked_at = None
                await self.look()

    async def refresh(self) -> None:
        """Ask the chain for everything.

        Raises:
            ChainError: No endpoint, or contracts that are not what the configuration says.
        """
        # An earlier look that ends later would bring old rounds back.
        async with self._one_at_a_time:
            await self._look_at_all()

    async def refresh_seats(self) -> None:
        """Ask the chain who may sign.

        Raises:
            ChainError: As `refresh`.
        """
        async with self._one_at_a_time:
            self.hub, self.seats = await self._chain.hub(), await self._chain.seats()

    async def look(self) -> None:
        """Ask for everything if that is due or wished for, else for what happened since.

        Raises:
            ChainError: As `refresh`.
        """
        async with self._one_at_a_time:
            now, before = asyncio.get_running_loop().time(), self._looked_at
            is_due = not self._has_peers or before is None or now - before >= REFRESH_S
            if is_due or not await self._take_news():
                await self._look_at_all()

    async def _look_at_all(self) -> None:
        # At the beginning: a wish that comes meanwhile is for another look.
        self._looked_at = asyncio.get_running_loop().time()
        try:
            await self._refresh()
        except ChainError:
            self._looked_at = None
            raise

    async def _take_news(self) -> bool:
        """Read the rounds that were reported since the last look; false if that is not all."""
        version = self._version
        try:
            news = await self._chain.news(self._block)
        except RpcRefused:
            # Some endpoints give no events.
            return False
        if news.has_more:
            return False
        ours = {f.index: f.feed_id for f in self._state.feeds.values() if f.index is not None}
        rounds = await self._chain.rounds(news.reported & ours.keys())
        # A report of ours that landed meanwhile is newer than what was just read.
        if version == self._version:
            self.landed |= {ours[i]: Landed(r.answer, r.observed_at) for i, r in rounds.items()}
            self._note_landed()
            self._block = news.block
        return True

    async def _refresh(self) -> None:
        version = self._version
        if self._has_peers:
            self._block = (await self._chain.head()).number
        feed_list = await self._chain.feed_ids()
        hub = await self._chain.hub()
        seats = await self._chain.seats() if self._has_peers else self.seats
        indexes = {feed_list.index(f): f for f in self._state.feeds if f in feed_list}
        rounds = {} if self._state.is_dry_run and self.hub else await self._chain.rounds(indexes)
        # A report of ours that landed meanwhile is newer than what was just read.
        if version == self._version and not (self._state.is_dry_run and self.hub):
            found = rounds.items()
            self.landed = {indexes[i]: Landed(r.answer, r.observed_at) for i, r in found}
        self.feed_list, self.hub, self.seats = feed_list, hub, seats
        self._note_feeds(indexes)
        await self._note_balance()

    def _note_feeds(self, indexes: Mapping[int, bytes]) -> None:
        for index, feed_id in indexes.items():
            if feed_id in self._state.feeds:
                self._state.feeds[feed_id].index = index
        missing = [f.name for f in self._state.feeds.values() if f.feed_id not in self.feed_list]
        if missing:
            self._problems.notice("unlisted", f"not listed in the hub: {', '.join(missing)}")
        else:
            self._problems.drop_notice("unlisted")
        self._note_landed()

    def _note_landed(self) -> None:
        for feed_id, landed in self.landed.items():
            feed = self._state.feeds.get(feed_id)
            if feed is not None:
                feed.landed_answer, feed.landed_at = landed.answer, landed.observed_at

    async def _note_balance(self) -> None:
        account = self._account
        if not account:
            return
        self._state.balance_wei = await self._chain.balance(account)
        if self._state.balance_wei < self._low_balance_wei:
            text = f"account {account} holds only {self._state.balance_wei} wei: send funds to it"
            self._problems.notice("balance", text)
        else:
            self._problems.drop_notice("balance")
