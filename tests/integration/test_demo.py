"""`oracle demo` as a newcomer calls it."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oracle.feeds.catalogue import load_catalogue
from tests.integration.processes import adopting_orphans, command_line, descendants, left_behind

DEMO = (sys.executable, "-m", "oracle", "demo")


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """Run a demo to its end: exit status, standard output, standard error."""
    async with running(*arguments) as process:
        stdout, stderr = await process.communicate()
        return process.returncode, stdout.decode(), stderr.decode()


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Process]:
    """A demo that has ended at the end of the block, whatever happens in it."""
    process = await asyncio.create_subprocess_exec(*DEMO, *arguments, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def line_with(process: Process, text: str) -> str:
    """Read the demo's progress up to a line that holds the text."""
    assert process.stderr is not None
    async with asyncio.timeout(40):
        async for line in process.stderr:
            if text in line.decode():
                return line.decode()
    raise AssertionError(f"the demo ended without saying {text!r}")


async def test_every_round_lands_and_every_consumer_reads_what_was_signed() -> None:
    status, stdout, stderr = await run("--rounds", "2", "--output", "json")
    assert status == 0, stderr
    shown = json.loads(stdout)
    assert shown["ok"]
    assert "EMULATED" in shown["notice"]
    assert "EMULATED" in stderr
    assert shown["signer"]["tee"] == "TDX"
    assert shown["signer"]["tier"] == "DEV"
    ids = {f"0x{feed.feed_id.hex()}" for feed in load_catalogue().values()}
    assert len(shown["rounds"]) == 2
    for each in shown["rounds"]:
        assert each["landed"]
        assert each["gas_used"] > 0
        assert {feed["feed_id"] for feed in each["feeds"]} == ids
        for feed in each["feeds"]:
            assert feed["consumer_reads"] == feed["answer"] != ""
            assert feed["sources_used"] == feed["sources_asked"] >= 3
    assert shown["rounds"][0]["transaction"] != shown["rounds"][1]["transaction"]


async def test_the_table_shows_signer_feeds_and_readings_of_an_sgx_enclave() -> None:
    status, text, stderr = await run("--rounds", "1", "--tee", "sgx", "--feeds", "btc-usd,btc-eth")
    assert status == 0, stderr
    assert "EMULATED" in text
    assert "TEE SGX (emulated)" in text
    for pair in ("BTC/USD", "USDT/USD", "BTC/ETH"):
        assert pair in text
    assert text.count("equal") == 3


async def test_several_nodes_lead_in_turn_and_the_quorum_signs() -> None:
    status, stdout, stderr = await run(
        *(
            "--rounds",
            "3",
            "--nodes",
            "3",
            "--tee",
            "both",
            "--feeds",
            "eth-usd",
            "--output",
            "json",
        )
    )
    assert status == 0, stderr
    shown = json.loads(stdout)
    assert shown["ok"]
    assert shown["quorum"] == 2
    nodes = shown["nodes"]
    assert [node["signer"]["tee"] for node in nodes] == ["TDX", "SGX", "TDX"]
    assert len({node["operator"] for node in nodes}) == 3
    assert len({node["signer"]["address"] for node in nodes}) == 3
    for each in shown["rounds"]:
        assert each["landed"]
        assert each["leader"] in (1, 2, 3)
        assert each["nodes_up"] == 3
        assert len(set(each["signers"])) == 2
        for feed in each["feeds"]:
            assert feed["consumer_reads"] == feed["answer"] != ""
    assert "node 3 of 3: the chain takes its signer" in stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--feeds", "btc-usd,nonsense"), "error: feed 'nonsense' is unknown"),
        (("--anvil", "/nonexistent"), "error: anvil is not at /nonexistent: run scripts/setup"),
        (("--nodes", "2", "--quorum", "3"), "error: a quorum of 3, wanted 1 to 2"),
        (("--nodes", "2", "--quorum", "1"), "error: a quorum of 1, wanted 2 to 2"),
        (("--nodes", "33"), "error: 33 nodes, wanted 1 to 32"),
    ],
)
async def test_what_cannot_start_is_said_in_one_line(arguments: tuple[str, ...], line: str) -> None:
    status, _, stderr = await run("--rounds", "1", *arguments)
    assert status == 2
    assert line in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("starting chain", signal.SIGINT),
        ("starting the node", signal.SIGTERM),
        ("round 1", signal.SIGINT),
    ],
)
async def test_a_signal_ends_it_and_leaves_nothing_behind(
    moment: str, number: signal.Signals, short_tmp: Path
) -> None:
    with adopting_orphans() as before:
        async with running("--feeds", "usdt-usd") as process:
            await line_with(process, moment)
            process.send_signal(number)
            async with asyncio.timeout(10):
                _, stderr = await process.communicate()
        assert process.returncode == (0 if moment == "round 1" else 130)
        assert "Traceback" not in stderr.decode()
        assert left_behind(before) == []
    assert list(short_tmp.iterdir()) == []


@pytest.mark.usefixtures("short_tmp")
async def test_a_killed_demo_takes_its_processes_with_it() -> None:
    with adopting_orphans() as before:
        async with running("--feeds", "usdt-usd") as process:
            await line_with(process, "round 1")
            lines = " ".join(command_line(found) for found in descendants(process.pid))
            for part in ("anvil", "devnet.price_sources", "devnet.silicon", "-m enclave"):
                assert part in lines
            process.kill()
            await process.communicate()
        async with asyncio.timeout(10):
            while left := left_behind(before):
                await asyncio.sleep(0.05)
        assert left == []
