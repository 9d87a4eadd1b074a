"""How a node ends: within a bound, with nothing lost and no process left."""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.devnet.anvil import Anvil
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed
from oracle.store import read_summary
from tests.integration.processes import adopting_orphans, descendants, left_behind

_LIMIT_S = 100.0


@asynccontextmanager
async def _world(
    feeds: tuple[Feed, ...], sources: PriceSources, *, drain_s: float = 10.0
) -> AsyncIterator[World]:
    options = WorldOptions(
        tee=TeeKind.TDX,
        definitions=tuple(feed.canonical for feed in feeds),
        settings={
            "daemon": {"poll_s": 0.5, "drain_s": drain_s},
            "feeds": {"catalogue": ["eth-usd"]},
        },
        block_time_s=None,
    )
    async with world(options, TlsSources(sources.ca, sources.ports)) as local:
        yield local


class Node:
    """A node's process that is watched through its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def logged(self, event: str) -> dict[str, Any]:
        """The next line of this event."""
        assert self.process.stderr is not None
        async with asyncio.timeout(_LIMIT_S):
            while line := await self.process.stderr.readline():
                if line.startswith(b"{") and (fields := json.loads(line))["event"] == event:
                    return dict(fields)
        raise AssertionError(f"the node ended before {event}")

    async def end(self) -> tuple[int, str]:
        """Its status and what it said last."""
        async with asyncio.timeout(_LIMIT_S):
            _, rest = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, rest.decode(errors="replace")


@asynccontextmanager
async def _node(local: World, *, file_limit: int | None = None) -> AsyncIterator[Node]:
    def bound() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.node_process"),
        *(str(local.config_file), json.dumps(local.resolve)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=bound,
    )
    try:
        yield Node(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while not condition():
            await asyncio.sleep(0.02)


async def _report_is_on_its_way(chain: Anvil) -> None:
    """Have blocks stop and a report wait for one."""
    await chain.call("evm_setAutomine", False)
    async with asyncio.timeout(_LIMIT_S):
        while not int((await chain.call("txpool_status"))["pending"], 16):
            await asyncio.sleep(0.02)


def _transactions(path: Path) -> list[tuple[int, str]]:
    """Nonce and state of all, in order."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT nonce, state FROM transactions ORDER BY nonce").fetchall()
    database.close()
    return [(int(nonce), str(state)) for nonce, state in rows]


@pytest.mark.timeout(300)
async def test_a_report_that_is_on_its_way_may_land_before_the_end(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    with adopting_orphans() as before:
        async with _world(feeds, sources) as local, _node(local) as node:
            await node.logged("report_landed")
            await _report_is_on_its_way(local.chain)
            node.process.send_signal(signal.SIGTERM)
            await node.logged("daemon_stopping")
            await local.chain.call("evm_mine")
            landed = await node.logged("report_landed")
            status, rest = await node.end()
            assert status == 0
            assert "daemon_stopped" in rest
            assert landed["stored"] > 0
            assert "pending" not in read_summary(local.config.store.path)["transactions"]
        assert left_behind(before) == []


@pytest.mark.timeout(300)
async def test_a_report_that_does_not_land_in_time_is_finished_at_the_next_start(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with _world(feeds, sources, drain_s=0.5) as local:
        path, chain = local.config.store.path, local.chain
        async with _node(local) as node:
            await node.logged("report_landed")
            await _report_is_on_its_way(chain)
            node.process.send_signal(signal.SIGTERM)
            await node.logged("report_left_in_journal")
            assert (await node.end())[0] == 0
        left = _transactions(path)
        assert [state for _, state in left].count("pending") == 1

        await chain.call("evm_setAutomine", True)
        await chain.call("evm_mine")
        async with _node(local) as node:
            await node.logged("report_landed")
            node.process.send_signal(signal.SIGTERM)
            assert (await node.end())[0] == 0
        rows = _transactions(path)
        nonces = [nonce for nonce, _ in rows]
        assert nonces == list(range(nonces[0], nonces[0] + len(rows)))
        assert {state for _, state in rows[: len(left)]} <= {"mined", "reverted"}


@pytest.mark.timeout(300)
async def test_a_second_signal_ends_it_at_once_and_leaves_nothing(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    with adopting_orphans() as before:
        async with _world(feeds, sources) as local:
            async with _node(local) as node:
                await node.logged("report_landed")
                below = descendants(node.process.pid)
                await _report_is_on_its_way(local.chain)
                for process_id in below:
                    # An enclave that hangs is slow to end.
                    os.kill(process_id, signal.SIGSTOP)
                node.process.send_signal(signal.SIGTERM)
                await node.logged("daemon_stopping")
                node.process.send_signal(signal.SIGTERM)
                status, rest = await node.end()
                assert status == -signal.SIGTERM
                assert "daemon_stopped" not in rest
                await _until(lambda: not below & descendants(os.getpid()))
            async with _node(local) as node:
                await local.chain.call("evm_setAutomine", True)
                await local.chain.call("evm_mine")
                await node.logged("report_landed")
        await _until(lambda: not left_behind(before))


@pytest.mark.timeout(300)
async def test_a_disk_that_fills_up_ends_the_node_with_5_and_it_goes_on_when_there_is_room(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with _world(feeds, sources) as local:
        path = local.config.store.path
        async with _node(local, file_limit=150_000) as node:
            status, rest = await node.end()
        assert status == 5, rest
        assert f"journal {path}: " in rest.splitlines()[-1]
        assert "then start the node again" in rest.splitlines()[-1]
        assert "Traceback" not in rest
        async with _node(local) as node:
            await node.logged("report_landed")
            node.process.send_signal(signal.SIGTERM)
            assert (await node.end())[0] == 0
        nonces = [nonce for nonce, _ in _transactions(path)]
        assert nonces == list(range(nonces[0], nonces[0] + len(nonces)))
