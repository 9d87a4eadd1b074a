"""Nodes of a world as processes of their own, as operators run them.

`python -m tests.integration.node_process CONFIG RESOLVE` runs the daemon of a configuration file;
RESOLVE is JSON, `host:port` -> what the relay dials instead. It prints the port of its health.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import typer

from oracle.cli.outcome import ends_with_status
from oracle.cli.run import run_until_signal
from oracle.config import Config, load_chains
from oracle.daemon import Daemon, every_answer
from oracle.daemon.tasks import leading_error
from oracle.devnet.process import Child, child
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import node_feeds
from oracle.telemetry.logging import configure_logging

if TYPE_CHECKING:
    # The node's own process has no use for it, and starts the sooner without.
    from oracle.devnet.world import World, WorldNode

_START_S = 40.0


@dataclass(frozen=True, slots=True)
class Running:
    """A node's process."""

    node: "WorldNode"
    process: Child
    health: str

    def kill(self) -> None:
        """As the kernel ends it when memory runs out: at once."""
        with suppress(ProcessLookupError):
            os.kill(self.process.process_id, signal.SIGKILL)

    async def ready(self) -> dict[str, Any]:
        """What `/ready` answers; no reasons if it is."""
        async with aiohttp.ClientSession() as session, session.get(self.health) as response:
            return dict(await response.json())


class Nodes:
    """Starts nodes of a world; all are gone when the block of `nodes_of` ends."""

    def __init__(self, local: "World", stack: AsyncExitStack) -> None:
        self._local = local
        self._stack = stack
        self._started: list[Running] = []

    async def start(self, *nodes: "WorldNode") -> tuple[Running, ...]:
        """Start these, all at once."""
        resolve = json.dumps(self._local.resolve)
        processes = []
        for node in nodes:
            command = [sys.executable, "-m", __name__, str(node.config_file), resolve]
            context = child(command, name=f"node {node.operator.number}")
            processes.append(await self._stack.enter_async_context(context))
        ports = [int(await process.line(within_s=_START_S)) for process in processes]
        running = [
            Running(node, process, f"http://127.0.0.1:{port}/ready")
            for node, process, port in zip(nodes, processes, ports, strict=True)
        ]
        self._started += running
        return tuple(running)

    def kill(self) -> None:
        """End all of them at once, which is quicker than asking each."""
        for running in self._started:
            running.kill()


@asynccontextmanager
async def nodes_of(local: "World") -> AsyncIterator[Nodes]:
    """Run nodes for the length of the block."""
    async with AsyncExitStack() as stack:
        nodes = Nodes(local, stack)
        try:
            yield nodes
        finally:
            nodes.kill()


async def _main(config_file: Path, resolve: Mapping[str, tuple[str, int]]) -> None:
    def load() -> tuple[tuple[Config, ...], tuple[Feed, ...]]:
        configs = load_chains(config_file)
        return configs, node_feeds(configs)

    configs, feeds = load()
    configure_logging(sys.stderr, level=configs[0].log.level, style="json")
    daemon = Daemon(configs, feeds, resolve=resolve, schedule=every_answer, load=load)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run_until_signal(daemon))
            while not daemon.http_port and not running.done():
                await asyncio.sleep(0.02)
            print(daemon.http_port, flush=True)
    except BaseExceptionGroup as group:
        raise leading_error(group) from group


if __name__ == "__main__":
    found = {key: (host, port) for key, (host, port) in json.loads(sys.argv[2]).items()}
    try:
        with ends_with_status():
            asyncio.run(_main(Path(sys.argv[1]), found))
    except typer.Exit as end:
        sys.exit(end.exit_code)
