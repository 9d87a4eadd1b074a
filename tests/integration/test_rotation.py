"""A planned rotation: another enclave takes over, and reports go on meanwhile."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.daemon import EnclaveEnded, ReportLanded, RoundMade, SignerReady
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources, WorldOptions, world
from oracle.feeds.catalogue import Feed
from tests.integration.node_process import nodes_of
from tests.integration.nodes import Node, running_node
from tests.integration.processes import descendants
from tests.integration.test_enclave_killed import innermost

_LIMIT_S = 100.0


@asynccontextmanager
async def _node(feeds: tuple[Feed, ...], sources: PriceSources) -> AsyncIterator[Node]:
    async with running_node(feeds, TlsSources(sources.ca, sources.ports)) as node:
        await node.events.next(SignerReady)
        await node.events.next(ReportLanded)
        yield node


async def _attempts(node: Node, number: int) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while node.daemon.state.rotation.attempts < number:
            await asyncio.sleep(0.01)


def _gone(process_id: int) -> bool:
    return process_id not in descendants(os.getpid())


@pytest.mark.timeout(300)
async def test_another_enclave_takes_over_while_reports_go_on(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with _node(feeds, sources) as node:
        for number in (1, 2, 3):
            old, before = node.daemon.enclave_pid, node.daemon.state.signer.address
            begun = len(node.events.seen)
            node.daemon.rotate()
            await _attempts(node, number)
            assert node.daemon.state.rotation.fault == ""
            seen = node.events.seen[begun:]
            # The old one made rounds until the new one was accepted, and nothing was lost.
            [ready] = [event for event in seen if isinstance(event, SignerReady)]
            rounds = [event for event in seen[: seen.index(ready)] if isinstance(event, RoundMade)]
            assert rounds
            assert not [event for event in seen if isinstance(event, EnclaveEnded)]
            assert ready.address == node.daemon.state.signer.address != before
            assert node.daemon.state.is_accepted
            # One report may have been on its way; the next one is of the new signer.
            landings = node.chain.reports_landed
            while node.chain.reports_landed < landings + 2:
                await node.events.next(ReportLanded)
            async with asyncio.timeout(_LIMIT_S):
                while not _gone(old):
                    await asyncio.sleep(0.02)
        assert node.chain.reports_refused == 0


@pytest.mark.timeout(300)
async def test_if_the_new_enclave_cannot_be_had_the_old_one_goes_on(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with _node(feeds, sources) as node:
        process_id, signer = node.daemon.enclave_pid, node.daemon.state.signer.address
        socket = node.world.silicon.socket
        away = socket.with_name("away")
        socket.rename(away)
        node.daemon.rotate()
        await _attempts(node, 1)
        assert node.daemon.state.rotation.fault
        assert "the enclave is not rotated" in node.daemon.state.notices["rotation"]
        assert (node.daemon.enclave_pid, node.daemon.state.signer.address) == (process_id, signer)
        await node.events.next(ReportLanded)

        away.rename(socket)
        node.daemon.rotate()
        await _attempts(node, 2)
        assert "rotation" not in node.daemon.state.notices
        assert node.daemon.state.signer.address != signer
        await node.events.next(ReportLanded)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim", ["old", "new"])
async def test_either_enclave_may_be_killed_meanwhile(
    feeds: tuple[Feed, ...], sources: PriceSources, victim: str
) -> None:
    async with _node(feeds, sources) as node:
        old = node.daemon.enclave_pid
        known = descendants(os.getpid())
        node.daemon.rotate()
        folder = node.world.config.enclave.runtime_dir / "enclave-b"
        async with asyncio.timeout(_LIMIT_S):
            while not (folder / "enclave.sock").exists():
                await asyncio.sleep(0.005)
        if victim == "old":
            os.kill(innermost(old), signal.SIGKILL)
            await node.events.next(SignerReady)
        else:
            for process_id in descendants(os.getpid()) - known:
                os.kill(process_id, signal.SIGKILL)
            await _attempts(node, 1)
        await node.events.next(ReportLanded)
        async with asyncio.timeout(_LIMIT_S):
            while len(_enclaves()) > 1:
                await asyncio.sleep(0.02)


def _enclaves() -> list[int]:
    """Innermost processes of the enclaves below this process."""
    found = []
    for process_id in descendants(os.getpid()):
        words = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
        if b"enclave" in words and not descendants(process_id):
            found.append(process_id)
    return found


@pytest.mark.timeout(300)
async def test_the_command_says_who_has_taken_over(
    feeds: tuple[Feed, ...], sources: PriceSources
) -> None:
    async with running_world(feeds, sources) as (path, running):
        before = await running.ready()
        code, output = await _rotate(path)
        after = await running.ready()
        assert (code, output) == (0, f"signer {after['signer']['address']} has taken over\n")
        assert after["signer"]["address"] != before["signer"]["address"]
        assert after["ready"]
    code, output = await _rotate(path)
    assert (code, "cannot be read" in output or "no node runs" in output) in ((2, True), (3, True))


@asynccontextmanager
async def running_world(feeds: tuple[Feed, ...], sources: PriceSources) -> AsyncIterator[Any]:
    """A world with one node as a process of its own that is ready."""
    options = WorldOptions(
        tee=TeeKind.TDX,
        definitions=tuple(feed.canonical for feed in feeds),
        settings={"daemon": {"poll_s": 0.5}, "feeds": {"catalogue": ["eth-usd"]}},
        block_time_s=None,
    )
    tls = TlsSources(sources.ca, sources.ports)
    async with world(options, tls) as local, nodes_of(local) as nodes:
        [running] = await nodes.start(local.nodes[0])
        async with asyncio.timeout(_LIMIT_S):
            while not (await running.ready())["ready"]:
                await asyncio.sleep(0.05)
        yield local.config_file, running


async def _rotate(path: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oracle", "rotate", "-c", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_LIMIT_S):
        output = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, output
