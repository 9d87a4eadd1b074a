"""A node in a world of its own, for tests: watched through its events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from enclave.domain.evidence import TeeKind
from oracle.daemon import Daemon, Event, every_answer
from oracle.daemon.tasks import leading_error
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed
from oracle.telemetry.state import ChainState

E = TypeVar("E")
WAIT_S = 50.0


class Events:
    """Everything that a daemon said, and waiting for what it will say.

    Attributes:
        seen: In order.
        react: Called with each event at once, before the daemon goes on.
    """

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.react: Callable[[Event], None] = lambda _: None
        self._more = asyncio.Condition()
        self._news: asyncio.Queue[Event] = asyncio.Queue()

    def observe(self, event: Event) -> None:
        """What the daemon calls."""
        self.seen.append(event)
        self._news.put_nowait(event)
        self.react(event)

    async def next(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> E:
        """The next event of a kind; those before it are passed over."""
        async with asyncio.timeout(WAIT_S):
            while True:
                event = await self._news.get()
                if isinstance(event, kind) and where(event):
                    return event


@dataclass(frozen=True, slots=True)
class Node:
    """A running daemon and its world."""

    daemon: Daemon
    events: Events
    world: World

    @property
    def chain(self) -> ChainState:
        """How its only chain is doing."""
        return self.daemon.state.chains[0]

    async def problem(self, area: str) -> str:
        """Wait for a problem in this area, of the node or of its chain; its line."""
        async with asyncio.timeout(WAIT_S):
            while True:
                problems = {**self.daemon.state.problems, **self.chain.problems}
                if area in problems:
                    return problems[area]
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running_node(
    feeds: Sequence[Feed],
    sources: TlsSources,
    *,
    tee: TeeKind = TeeKind.TDX,
    settings: dict[str, dict[str, Any]] | None = None,
    listed: Sequence[Feed] | None = None,
    approve_image: bool = True,
    operator_wei: int = 10**18,
) -> AsyncIterator[Node]:
    """A node that reports every answer, on a chain that mines each transaction at once.

    Args:
        feeds: That the node serves.
        sources: Local price sources.
        tee: Platform that the silicon plays.
        settings: Sections of the configuration.
        listed: Feeds that the hub lists; the same unless given.
        approve_image: Whether governance has approved the enclave's image.
        operator_wei: What the account that pays gas holds at first.
    """
    options = WorldOptions(
        tee=tee,
        definitions=tuple(feed.canonical for feed in (feeds if listed is None else listed)),
        settings={"daemon": {"poll_s": 0.5, "restart_max_s": 2.0}} | (settings or {}),
        block_time_s=None,
        approve_image=approve_image,
        operator_wei=operator_wei,
    )
    async with world(options, sources) as local:
        events = Events()
        daemon = Daemon(
            [local.config],
            feeds,
            resolve=local.resolve,
            schedule=every_answer,
            observer=events.observe,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(daemon.run())
                yield Node(daemon, events, local)
                daemon.stop()
        except BaseExceptionGroup as group:
            raise leading_error(group) from group
