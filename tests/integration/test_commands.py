"""`oracle run`, `status` and `doctor` as processes, beside a real chain and a real enclave."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.config import Config
from oracle.devnet.world import World, WorldOptions, world
from oracle.feeds.catalogue import load_catalogue, select

FEEDS = select(load_catalogue(), ["ltc-usd"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _toml(config: Config, *, with_key: bool) -> str:
    """The file that an operator would write for this world."""
    chain, keys = config.chain, config.keys
    lines = [
        "[chain]",
        'network = "anvil"',
        f"rpc_urls = {json.dumps(list(chain.rpc_urls))}",
        f'registry = "{chain.registry}"',
        f'signer_set = "{chain.signer_set}"',
        f'hub = "{chain.hub}"',
        "[enclave]",
        f'silicon = "{config.enclave.silicon}"',
        "[collateral]",
        f'source = "{config.collateral.source}"',
        "[feeds]",
        'catalogue = ["ltc-usd"]',
        "[http]",
        f"port = {_free_port()}",
        "[log]",
        'style = "json"',
    ]
    if with_key:
        lines += ["[keys]", f'keystore = "{keys.keystore}"']
        lines += [f'password_file = "{keys.password_file}"']
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def _world(*, with_key: bool = True, **options: Any) -> AsyncIterator[tuple[World, Path]]:
    wanted = WorldOptions(
        tee=TeeKind.TDX,
        definitions=tuple(feed.canonical for feed in FEEDS),
        settings={},
        block_time_s=None,
        **options,
    )
    async with world(wanted, None) as local:
        path = local.config.store.path.parent / "oracle.toml"
        path.write_text(_toml(local.config, with_key=with_key))
        yield local, path


async def _start(*arguments: str | Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "oracle",
        *(str(word) for word in arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _call(*arguments: str | Path) -> tuple[int, str, str]:
    process = await _start(*arguments)
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def _until(process: asyncio.subprocess.Process, event: str) -> dict[str, Any]:
    """The first log line of this event."""
    assert process.stderr is not None
    async with asyncio.timeout(40):
        while line := await process.stderr.readline():
            fields: dict[str, Any] = json.loads(line)
            if fields["event"] == event:
                return fields
    raise AssertionError(f"the node ended before {event}")


async def _end(process: asyncio.subprocess.Process) -> int:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


async def test_run_registers_serves_health_refuses_a_second_and_ends_on_sigterm() -> None:
    async with _world() as (local, path):
        # Three endpoints, of which one is down.
        url = json.dumps(local.config.chain.rpc_urls[0])
        path.write_text(
            path.read_text().replace(f"[{url}]", f'[{url}, "http://127.0.0.1:1", {url}]')
        )
        node = await _start("run", "-c", path)
        try:
            accepted = await _until(node, "signer_accepted")
            assert accepted["tier"] == "DEV"

            code, _, err = await _call("run", "-c", path)
            assert code == 4
            assert "another daemon works with the journal" in err

            # No source is reachable here, so it is registered but makes no report.
            code, out, _ = await _call("status", "-c", path, "--output", "json")
            view = json.loads(out)
            assert view["node"]["signer"]["address"] == accepted["signer"]
            assert view["journal"]["transactions"]["mined"] >= 4
            assert code == (0 if view["node"]["ready"] else 3)
            health = [endpoint["health"] for endpoint in view["node"]["chains"][0]["endpoints"]]
            assert health == ["alive", "unreachable", "alive"]

            # A young block, however long the commands before took.
            await local.chain.call("evm_mine")
            code, out, _ = await _call("doctor", "-c", path, "--output", "json")
            checks = {row["check"]: row for row in json.loads(out)["checks"]}
            sound = (
                "key",
                "rpc 1",
                "rpc 3",
                "rpc",
                "contracts",
                "balance",
                "seat",
                "enclave",
                "image",
            )
            for name in sound:
                assert checks[name]["verdict"] == "ok", checks[name]
            assert checks["rpc 2"]["verdict"] == "FAIL"
            assert "endpoints 1, 3 agree on block" in checks["rpc"]["seen"]
            assert checks["platform"]["seen"] == "UP_TO_DATE under number 17"
            assert checks["journal"]["verdict"] == "note"
        finally:
            status = await _end(node)
    assert status == 0


async def test_without_a_gas_key_it_is_a_dry_run_that_sends_nothing() -> None:
    async with _world(with_key=False) as (local, path):
        before = await local.chain.call("eth_blockNumber")
        node = await _start("run", "-c", path)
        try:
            await _until(node, "round_made")
            code, out, _ = await _call("status", "-c", path)
            assert code == 3
            assert "dry run: no gas key is configured" in out
        finally:
            status = await _end(node)
        # This chain makes a block for each transaction and no other.
        assert await local.chain.call("eth_blockNumber") == before
    assert status == 0


async def test_doctor_says_how_to_mend_what_is_wrong() -> None:
    async with _world(approve_image=False) as (local, path):
        text = path.read_text().replace(local.config.chain.rpc_urls[0], "http://127.0.0.1:1")
        broken = path.with_name("broken.toml")
        broken.write_text(text)
        code, out, _ = await _call("doctor", "-c", broken, "--output", "json")
        checks = {row["check"]: row for row in json.loads(out)["checks"]}
        assert code == 3
        assert checks["rpc 1"]["verdict"] == "FAIL"
        assert "chain.rpc_urls number 1" in checks["rpc 1"]["mend"]

        code, out, _ = await _call("doctor", "-c", path)
        assert code == 3
        assert f"0x{local.image_id.hex()} is not approved" in out
        assert "governance approves the image first" in out

        unsourced = path.with_name("unsourced.toml")
        unsourced.write_text(path.read_text().replace(local.silicon.pcs, "http://127.0.0.1:1"))
        code, out, _ = await _call("doctor", "-c", unsourced, "--output", "json")
        checks = {row["check"]: row for row in json.loads(out)["checks"]}
        assert checks["platform"]["verdict"] == "FAIL"
        assert "not reachable" in checks["platform"]["seen"]
        assert "collateral.source" in checks["platform"]["mend"]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (("[enclave]", "[enclave]\nsandbox = 'sometimes'"), 2, "enclave.sandbox"),
        (("silicon.sock", "nothing.sock"), 2, "which does not exist"),
    ],
)
async def test_run_ends_with_2_where_the_operator_must_act(
    change: tuple[str, str], status: int, said: str
) -> None:
    async with _world() as (_, path):
        path.write_text(path.read_text().replace(*change))
        code, _, err = await _call("run", "-c", path)
    assert code == status
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


async def test_run_refuses_a_key_file_that_others_can_read() -> None:
    async with _world() as (local, path):
        assert local.config.keys.password_file is not None
        local.config.keys.password_file.chmod(0o644)
        code, _, err = await _call("run", "-c", path)
    assert code == 2
    assert "has mode 0644, wanted 0600" in err
