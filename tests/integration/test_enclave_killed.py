"""The enclave's process is killed: the daemon starts another, whose key is another."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from oracle.daemon import EnclaveEnded, Event, ReportLanded, ReportPlanned, RoundMade, SignerReady
from oracle.devnet.deploy import read_price
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources
from oracle.enclave_process import EnclaveLaunch, default_enclave_python, enclave_command
from oracle.feeds.catalogue import Feed
from tests.integration.nodes import running_node
from tests.integration.processes import adopting_orphans, descendants, left_behind, parents

#: A node without a sandbox that says when it works.
_NODE = """
import asyncio, sys
from pathlib import Path
from oracle.daemon import SignerReady
from oracle.devnet.price_sources import price_sources
from oracle.devnet.world import TlsSources
from oracle.enclave_process import EnclaveLaunch, default_enclave_python, enclave_command
from oracle.feeds.catalogue import load_catalogue, select
from tests.integration.nodes import running_node

async def main():
    async with price_sources(Path(sys.argv[1]), seed=1) as sources:
        feeds = select(load_catalogue(), ["usdt-usd"])
        settings = {"enclave": {"sandbox": "off"}}
        async with running_node(
            feeds, TlsSources(sources.ca, sources.ports), settings=settings
        ) as node:
            await node.events.next(SignerReady)
            print("ready", node.daemon.enclave_pid, file=sys.stderr, flush=True)
            await asyncio.sleep(60)

asyncio.run(main())
"""


def innermost(process_id: int) -> int:
    """The enclave itself: inside a sandbox it is the last of the sandbox's descendants."""
    below = descendants(process_id) | {process_id}
    with_children = {parent for parent, _ in parents().values()}
    return max(below - with_children)


@pytest.mark.parametrize("is_sandbox_killed", [False, True])
async def test_a_killed_enclave_is_replaced_registered_and_goes_on(
    sources: PriceSources, feeds: tuple[Feed, ...], is_sandbox_killed: bool
) -> None:
    async with running_node(feeds, TlsSources(sources.ca, sources.ports)) as node:
        first = await node.events.next(SignerReady)
        before = await node.events.next(ReportLanded)

        outermost = node.daemon.enclave_pid
        os.kill(outermost if is_sandbox_killed else innermost(outermost), signal.SIGKILL)

        await node.events.next(EnclaveEnded)
        second = await node.events.next(SignerReady)
        after = await node.events.next(ReportLanded)
        consumer = node.world.deployment.feeds[-1].consumer
        reading = await read_price(node.world.chain, consumer, block=after.receipt.block)

    assert (first.starts, second.starts) == (1, 2)
    assert first.address != second.address
    assert second.standing.status.is_valid
    assert second.standing.status.image_id == first.standing.status.image_id
    assert after.report.observed_at > before.report.observed_at
    assert reading[2] == after.report.observed_at


async def test_an_enclave_that_dies_instead_of_signing_costs_a_round_and_no_report(
    sources: PriceSources, feeds: tuple[Feed, ...]
) -> None:
    async with running_node(feeds, TlsSources(sources.ca, sources.ports)) as node:
        events, loop = node.events, asyncio.get_running_loop()
        unsigned: list[RoundMade] = []

        def die(event: Event) -> None:
            """Stand still from before the request to sign is sent, and die after it was."""
            planned = [each for each in events.seen if isinstance(each, ReportPlanned)]
            landed = [each for each in events.seen if isinstance(each, ReportLanded)]
            if unsigned or not landed or len(planned) > len(landed):
                return
            if isinstance(event, RoundMade) and event.result.observed_at > _newest(landed):
                unsigned.append(event)
                enclave = innermost(node.daemon.enclave_pid)
                os.kill(enclave, signal.SIGSTOP)
                loop.call_later(0.2, os.kill, enclave, signal.SIGKILL)

        events.react = die
        ended = await events.next(EnclaveEnded)
        before = [each for each in events.seen if isinstance(each, ReportLanded)]
        after = await events.next(ReportLanded)

    assert ended.reason == "sign: the enclave closed the connection"
    [round_] = unsigned
    assert _newest(before) < round_.result.observed_at < after.report.observed_at
    assert set(after.feed_ids) >= {answer.feed_id for answer in round_.result.answers}
    assert node.daemon.state.enclave_starts == 2


def _newest(landed: list[ReportLanded]) -> int:
    return max(each.report.observed_at for each in landed)


async def test_without_a_sandbox_it_works_says_so_and_ends_with_its_daemon(
    short_tmp: Path,
) -> None:
    pki = short_tmp / "pki"
    pki.mkdir()
    with adopting_orphans() as before:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _NODE, str(pki)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(20):
                ready = await process.stderr.readline()
            below = descendants(process.pid)
        finally:
            process.kill()
            output = (await process.communicate())[0].decode()
        assert ready.startswith(b"ready ")
        assert int(ready.split()[1]) in below
        assert "not sandboxed" in output
        async with asyncio.timeout(10):
            while left := left_behind(before):
                await asyncio.sleep(0.05)
        assert left == []


async def test_an_enclave_that_nobody_hears_ends_before_it_works(short_tmp: Path) -> None:
    """Its host was killed before the sandbox had tied the enclave's life to it."""
    launch = EnclaveLaunch(
        python=default_enclave_python(),
        source=short_tmp,
        listen_dir=short_tmp,
        relay=short_tmp / "relay.sock",
        attester="simulated",
        tee="tdx",
        silicon=short_tmp / "silicon.sock",
        extra_ca=None,
        sandbox="off",
    )
    nobody, its_output = os.pipe()
    os.close(nobody)
    process = await asyncio.create_subprocess_exec(
        *enclave_command(launch), stdout=its_output, stderr=asyncio.subprocess.PIPE
    )
    os.close(its_output)
    try:
        async with asyncio.timeout(40):
            _, log = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode
    assert b"BrokenPipeError" in log
