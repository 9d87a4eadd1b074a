"""All nodes of a demo in this process, each with an enclave's process of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from oracle.cli.demo_view import NodeView, QuorumView
from oracle.cli.demo_watch import Watch
from oracle.config import checksum_address
from oracle.daemon import Daemon, Event, Observer, SignerReady, every_answer
from oracle.daemon.tasks import leading_error
from oracle.devnet.deploy import read_price
from oracle.devnet.reports import read_signers
from oracle.devnet.world import World
from oracle.feeds.catalogue import Feed
from oracle.telemetry.state import NodeState


class Nodes:
    """The nodes of a world.

    Attributes:
        watch: What they do.
    """

    def __init__(
        self,
        local: World,
        feeds: Sequence[Feed],
        *,
        quorum: int,
        on_ready: Callable[[str], None],
    ) -> None:
        """Set up; nothing is started yet.

        Args:
            local: Where they live.
            feeds: To serve.
            quorum: Signatures that the hub wants.
            on_ready: Told, of several nodes, when the chain takes another one's signer.
        """

        async def read(consumer: bytes, block: int) -> tuple[int, int, int]:
            return await read_price(local.chain, consumer, block=block)

        async def signers(transaction: bytes) -> Sequence[str]:
            return await read_signers(local.chain, transaction)

        self.watch = Watch(read, signers, local.deployment.feeds, self._states, quorum=quorum)
        self._quorum = quorum
        self._on_ready = on_ready
        self._operators = tuple(
            checksum_address(f"0x{node.operator.address.hex()}") for node in local.nodes
        )
        self._daemons = tuple(
            Daemon(
                [node.config],
                feeds,
                resolve=local.resolve,
                schedule=every_answer,
                observer=self._observer(number, len(local.nodes)),
            )
            for number, node in enumerate(local.nodes, 1)
        )

    def _observer(self, number: int, total: int) -> Observer:
        watch = self.watch.observer(number)

        def observe(event: Event) -> None:
            watch(event)
            if total > 1 and isinstance(event, SignerReady):
                self._on_ready(f"node {number} of {total}: the chain takes its signer")

        return observe

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all nodes for the length of the block; the first that fails ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, daemon in enumerate(self._daemons, 1):
                    tasks.create_task(self._run(number, daemon))
                yield
                for daemon in self._daemons:
                    daemon.stop()
        except BaseExceptionGroup as group:
            raise leading_error(group) from group

    async def _run(self, number: int, daemon: Daemon) -> None:
        if len(self._daemons) > 1:
            # Every task has its own context: this goes into this node's lines alone.
            structlog.contextvars.bind_contextvars(node=number)
        await daemon.run()

    def view(self) -> QuorumView:
        """Who they are."""
        numbered = enumerate(self._operators, 1)
        return QuorumView(
            self._quorum,
            tuple(NodeView(n, operator, self.watch.signers.get(n)) for n, operator in numbered),
        )

    def obstacle(self) -> str:
        """What keeps a report from landing, as far as the nodes know; one line."""
        return obstacle_line(self._states())

    def _states(self) -> Sequence[NodeState]:
        return [daemon.state for daemon in self._daemons]


def obstacle_line(states: Sequence[NodeState]) -> str:
    """What keeps a report from landing; several nodes that say the same are named together."""
    if len(states) == 1:
        return _obstacle(states[0])
    by_text: dict[str, list[str]] = {}
    for number, state in enumerate(states, 1):
        by_text.setdefault(_obstacle(state), []).append(str(number))
    return " | ".join(
        f"{'nodes' if len(who) > 1 else 'node'} {', '.join(who)}: {text}"
        for text, who in by_text.items()
    )


def _obstacle(state: NodeState) -> str:
    lost = [feed for feed in state.feeds.values() if feed.failure]
    problems = state.all_problems()
    if problems:
        return "; ".join(problems)
    if lost:
        reasons = {feed.failure for feed in lost}
        reasons |= {reason for feed in lost for reason in feed.source_failures.values()}
        names = ", ".join(feed.name for feed in lost)
        return f"no answer for {names}: {'; '.join(sorted(reasons))}"
    return "a report is on its way" if state.is_accepted else "the signer is being registered"
