"""This node among its peers: it answers them, and leads when it is its turn."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from enclave.domain.errors import ChainError, OracleError, QuorumNotReached
from enclave.domain.report import SignedReport, encode_report
from oracle.config import QuorumConfig
from oracle.daemon.chain_view import ChainView
from oracle.daemon.events import Observer, ReportPlanned
from oracle.daemon.problems import Problems
from oracle.daemon.submission import Target
from oracle.enclave_process import Enclave
from oracle.quorum.certificates import Identity, Peer
from oracle.quorum.collection import Collected, Collector
from oracle.quorum.enclave import QuorumEnclave
from oracle.quorum.leadership import Waiting, order_nodes, rank_of
from oracle.quorum.peers import PeerClient, open_peers
from oracle.quorum.responder import HubView, QuorumResponder
from oracle.quorum.server import serve_peers
from oracle.telemetry.state import ChainState, QuorumState

log = structlog.get_logger(__name__)

AREA = "quorum"
#: Least time between two looks at the seats that peers cause.
_LOOK_PAUSE_S = 1.0

Spawn = Callable[..., asyncio.Task[None]]
#: Feed id -> its round on the hub, 0 without one.
Due = Mapping[bytes, int]


class Sender(Protocol):
    """Sends one report at a time; see `Submission`."""

    def is_free(self) -> bool:
        """Whether it takes a report now."""
        ...

    def start(self, spawn: Spawn, signed: SignedReport, feed_ids: tuple[bytes, ...]) -> None:
        """Send a report in the background."""
        ...


@dataclass(frozen=True, slots=True)
class Membership:
    """Who this node and its peers are.

    Attributes:
        config: Section `quorum`.
        own: What this node shows.
        peers: The others.
        operator: This node's.
    """

    config: QuorumConfig
    own: Identity
    peers: tuple[Peer, ...]
    operator: str


class QuorumNode:
    """Leads and answers; lives as long as the daemon, through any number of enclaves.

    Attributes:
        port: Where peers reach this node; 0 before it listens.
        responder: Answers peers.
    """

    def __init__(
        self,
        membership: Membership,
        clients: Sequence[PeerClient],
        *,
        view: ChainView,
        state: ChainState,
        quorum: QuorumState,
        problems: Problems,
        target: Target,
        observer: Observer,
        landing_s: float,
        wall_clock: Callable[[], float] = time.time,
        link: Callable[[str, bytes], QuorumEnclave] = QuorumEnclave,
    ) -> None:
        """Set up.

        Args:
            membership: Who takes part.
            clients: Of the peers.
            view: What the chain holds.
            state: Read for names.
            quorum: Written.
            problems: Written.
            target: Where reports go.
            observer: Told of plans.
            landing_s: How soon after its signatures a report may stand in a block.
            wall_clock: Seconds since the epoch.
            link: Makes the second connection to an enclave.
        """
        self.port = 0
        self._membership = membership
        self._clients = tuple(clients)
        self._view = view
        self._state = state
        self._quorum = quorum
        self._problems = problems
        self._target = target
        self._observer = observer
        self._landing_s = landing_s
        self._wall_clock = wall_clock
        self._link = link
        self._waiting = Waiting(membership.config.takeover_s)
        self._enclave: QuorumEnclave | None = None
        self._task: asyncio.Task[None] | None = None
        self._asked_at = 0
        self._said: dict[str, str] = {}
        self._left_out: tuple[bytes, ...] = ()
        self._looked_at = -_LOOK_PAUSE_S
        #: What the problem that is shown stands in the way of.
        self._stuck: Due = {}
        self._nodes = {membership.operator, *(peer.operator for peer in membership.peers)}
        self.responder = QuorumResponder(
            enclave=lambda: self._enclave,
            hub=self.hub_view,
            clock=wall_clock,
            look_again=self._look_again,
            on_cosigned=self._cosigned,
        )

    @asynccontextmanager
    async def session(self, enclave: Enclave) -> AsyncIterator[None]:
        """Work with this enclave for the length of the block."""
        self._enclave = own = self._link(enclave.address, enclave.hello.signer)
        try:
            yield
        finally:
            self._enclave = None
            await own.close()

    def hub_view(self) -> HubView | None:
        """What is known of the hub; `None` before the first look."""
        hub, seats = self._view.hub, self._view.seats
        if hub is None:
            return None
        return HubView(
            chain_id=self._target.chain_id,
            hub=bytes.fromhex(self._target.hub[2:]),
            feed_list=self._view.feed_list,
            signatures=hub.signatures,
            vendors=hub.vendors,
            operators=seats.operators,
            signers=seats.signers,
        )

    def consider(self, find_due: Callable[[], Due], sender: Sender, spawn: Spawn) -> None:
        """After a round: lead if it is this node's turn and nothing of its own is on its way.

        Args:
            find_due: What is due by this round against the view as it is then.
            sender: Sends what was collected.
            spawn: Starts a task that outlives the enclave.
        """
        due = find_due()
        self._forget_solved(due)
        self._waiting.note(due, now=_now())
        rank = self._note_turn()
        is_idle = self._task is None or self._task.done()
        if rank is None or not is_idle or not sender.is_free():
            return
        if self._waiting.to_lead(rank, now=_now()):
            self._task = spawn(self._lead(rank, find_due, sender, spawn))

    async def _lead(
        self, rank: int, find_due: Callable[[], Due], sender: Sender, spawn: Spawn
    ) -> None:
        """Have a report signed and send it on its way."""
        if rank > 0:
            # Somebody before this node may have landed it a moment ago.
            try:
                await self._view.refresh()
            except ChainError:
                return
            self._waiting.note(find_due(), now=_now())
        due, feeds = find_due(), self._waiting.to_lead(rank, now=_now())
        wanted = {feed_id: due[feed_id] for feed_id in feeds if feed_id in due}
        collected = await self._collect(wanted) if wanted else None
        if collected is None:
            return
        self._quorum.collected += 1
        self._quorum.taken_over += rank > 0
        signed = collected.signed
        self._say(collected, rank)
        encoded = encode_report(signed)
        self._observer(
            ReportPlanned(signed.report, encoded, collected.feed_ids, False, self._state.name)
        )
        sender.start(spawn, signed, collected.feed_ids)

    async def _collect(self, wanted: Due) -> Collected | None:
        """A report, or the problem in one line."""
        hub, enclave = self.hub_view(), self._enclave
        if hub is None or enclave is None:
            return None
        collector = Collector(
            enclave,
            self._membership.operator,
            self._clients,
            clock=self._wall_clock,
            names=self._names(),
            said=self._said,
            on_asked=self._asked,
            on_retry=self._retried,
        )
        try:
            collected = await collector.collect(hub, wanted, after=self._asked_at)
        except QuorumNotReached as error:
            self._quorum.missed += 1
            self._stuck = wanted
            self._problems.set(AREA, str(error))
            return None
        except OracleError as error:
            log.warning("collection_failed", error=type(error).__name__, message=str(error))
            return None
        if collected is not None:
            self._solved()
        return collected

    def _forget_solved(self, due: Due) -> None:
        """A problem is over when what it stood in the way of has landed, by whomever."""
        if self._stuck and not any(due.get(feed) == at for feed, at in self._stuck.items()):
            self._solved()

    def _solved(self) -> None:
        self._stuck = {}
        self._problems.clear(AREA)

    def _note_turn(self) -> int | None:
        """Whose turn it is; this node's rank."""
        config, hub = self._membership.config, self._view.hub
        order = order_nodes(self._view.seats.operators, self._nodes)
        now = self._wall_clock()
        rank = rank_of(order, self._membership.operator, unix_time=now, lead_s=config.lead_s)
        self._quorum.rank = rank
        self._quorum.leader = order[int(now // config.lead_s) % len(order)] if order else ""
        if hub is not None:
            self._quorum.signatures, self._quorum.vendors = hub.signatures, hub.vendors
        return rank

    async def _look_again(self) -> None:
        """Look at the seats anew, but not for every request of a peer that is wrong."""
        if _now() - self._looked_at < _LOOK_PAUSE_S:
            return
        self._looked_at = _now()
        try:
            async with asyncio.timeout(self._membership.config.timeout_s):
                await self._view.refresh_seats()
        except (ChainError, TimeoutError):
            return

    def _asked(self, observed_at: int) -> None:
        self._asked_at = observed_at

    def _retried(self) -> None:
        self._quorum.retried += 1

    def _cosigned(self, peer: Peer, feed_ids: Sequence[bytes], observed_at: int) -> None:
        self._quorum.cosigned += 1
        self._waiting.cosigned(feed_ids, now=_now())
        # By then the leader's transaction may stand in a block.
        self._view.refresh_soon(after_s=self._landing_s)
        log.info(
            "report_cosigned",
            leader=peer.operator,
            observed_at=observed_at,
            feeds=self._feed_names(feed_ids),
        )

    def _say(self, collected: Collected, rank: int) -> None:
        log.info(
            "report_collected",
            observed_at=collected.signed.report.observed_at,
            feeds=self._feed_names(collected.feed_ids),
            signers=[one.operator for one in collected.signers],
            rank=rank,
        )
        if collected.left_out and collected.left_out != self._left_out:
            log.warning("feeds_left_out", feeds=self._feed_names(collected.left_out))
        self._left_out = collected.left_out

    def _names(self) -> Mapping[bytes, str]:
        return {feed.feed_id: feed.name for feed in self._state.feeds.values()}

    def _feed_names(self, feed_ids: Sequence[bytes]) -> list[str]:
        names = self._names()
        return [names.get(feed_id, "0x" + feed_id.hex()) for feed_id in feed_ids]


@asynccontextmanager
async def open_quorum(
    membership: Membership,
    *,
    view: ChainView,
    state: ChainState,
    problems: Problems,
    target: Target,
    observer: Observer,
    landing_s: float,
    wall_clock: Callable[[], float] = time.time,
) -> AsyncIterator[QuorumNode]:
    """Open sessions to the peers and listen for them until the end of the block.

    The other arguments are those of `QuorumNode`.

    Raises:
        ConfigError: It cannot listen, or a certificate cannot be used for TLS.
    """
    config = membership.config
    state.quorum = quorum = QuorumState()
    async with open_peers(
        membership.own, membership.peers, timeout_s=config.timeout_s, states=quorum.peers
    ) as clients:
        node = QuorumNode(
            membership,
            clients,
            view=view,
            state=state,
            quorum=quorum,
            problems=problems,
            target=target,
            observer=observer,
            landing_s=landing_s,
            wall_clock=wall_clock,
        )
        async with serve_peers(
            node.responder,
            membership.own,
            membership.peers,
            listen=config.listen,
            body_s=config.timeout_s,
            states=quorum.peers,
        ) as node.port:
            yield node


def _now() -> float:
    return asyncio.get_running_loop().time()
