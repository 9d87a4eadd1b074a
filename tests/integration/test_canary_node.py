"""A whole node with a secret in each place that it has for one: nothing the host sees holds it."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from eth_account import Account
from hypothesis import settings

from enclave.domain.evidence import TeeKind
from oracle.devnet.ports import reserved_ports
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.process import die_with_parent
from oracle.devnet.servers import Failure
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed, load_catalogue, select
from tests.fakes.canary import Canary, search, text_canary
from tests.fakes.taps import Tap, tapped
from tests.integration.processes import descendants

pytestmark = pytest.mark.soak

_WAIT_S = 60.0
#: Files that are there to hold a secret; everything else that is written is searched.
_LEGITIMATE = frozenset({"oracle.toml", "keystore.json", "password"})
_COMMANDS = (
    ("validate",),
    ("validate", "--output", "json"),
    ("status", "--output", "json"),
    ("doctor",),
)


@dataclass(frozen=True)
class Taps:
    """Where the node's traffic passes."""

    rpc: Tap
    collateral: Tap
    sources: Mapping[str, Tap]

    @property
    def relayed(self) -> bytes:
        return b"".join(bytes(tap.kept) for tap in self.sources.values())


@dataclass(frozen=True)
class Running:
    """The node's process and everything around it."""

    process: asyncio.subprocess.Process
    port: int
    local: World
    taps: Taps
    folder: Path
    output: Path
    log: Path

    async def get(self, path: str) -> tuple[int, bytes]:
        """Headers and body, as they came."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            head = b"".join(name + b": " + value + b"\n" for name, value in response.raw_headers)
            return response.status, head + await response.read()

    async def ready(self) -> dict[str, Any]:
        _, body = await self.get("/ready")
        return dict(json.loads(body[body.index(b"{") :]))

    async def until(self, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait until `/ready` says so."""
        view: dict[str, Any] = {}
        try:
            async with asyncio.timeout(_WAIT_S):
                while not condition(view := await self.ready()):
                    assert self.process.returncode is None, self.log.read_text()[-2_000:]
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{what}: {view['reasons']}") from None
        return view


def _with_secrets(home: "Planted", rpc: Tap, collateral: Tap, rounds: int) -> dict[str, Any]:
    login = f"{home.name.text}:{quote(home.password.text, safe='')}@127.0.0.1"
    endpoint = f"http://{login}:{rpc.port}/v2/{home.token.text}?apikey={home.query.text}"
    return {
        "chain": {"rpc_urls": [endpoint], "rpc_timeout_s": 5},
        "collateral": {
            "source": f"http://127.0.0.1:{collateral.port}/v2/{home.service.text}",
            "refresh_s": 1,
        },
        "daemon": {"poll_s": 0.2 if rounds < 1_000 else 0.01, "restart_max_s": 1},
        "log": {"level": "debug"},
    }


@dataclass(frozen=True)
class Planted:
    """The secrets of the configuration."""

    name: Canary
    password: Canary
    token: Canary
    query: Canary
    service: Canary

    @classmethod
    def fresh(cls) -> "Planted":
        return cls(
            text_canary("name in the endpoint's URL"),
            text_canary("password in the endpoint's URL", prefix="/@ %"),
            text_canary("token in the endpoint's URL"),
            text_canary("key in the endpoint's query"),
            text_canary("token in the URL of the collateral's service"),
        )

    def all(self, node: Path) -> list[Canary]:
        """With the gas key and its password, which the world made."""
        password = (node / "password").read_bytes()
        key = Account.decrypt(json.loads((node / "keystore.json").read_text()), password.decode())
        pair = base64.b64encode(self.name.secret + b":" + self.password.secret)
        return [
            *(self.name, self.password, self.token, self.query, self.service),
            Canary("header Authorization", pair),
            Canary("gas key", bytes(key)),
            Canary("password of the gas key", password),
        ]


@asynccontextmanager
async def _node(
    folder: Path, sources: PriceSources, planted: Planted, rounds: int
) -> AsyncIterator[Running]:
    feeds: tuple[Feed, ...] = select(load_catalogue(), ["usdt-usd"])
    async with AsyncExitStack() as stack:
        opened = stack.enter_async_context
        rpc = await opened(tapped(Tap(), is_http=True))
        collateral = await opened(tapped(Tap(), is_http=True))
        tapped_sources = {
            host: await opened(tapped(Tap(upstream=upstream), is_http=False))
            for host, upstream in sources.ports.items()
        }
        (port,) = stack.enter_context(reserved_ports(1))
        options = WorldOptions(
            tee=TeeKind.TDX,
            definitions=tuple(feed.canonical for feed in feeds),
            settings=_with_secrets(planted, rpc, collateral, rounds)
            | {"feeds": {"catalogue": ["usdt-usd"]}, "http": {"port": port}},
            block_time_s=None,
        )
        ports = {host: tap.port for host, tap in tapped_sources.items()}
        local = await opened(world(options, TlsSources(sources.ca, ports)))
        rpc.upstream = urlsplit(local.chain.url).port or 0
        collateral.upstream = urlsplit(local.silicon.pcs).port or 0
        log = folder / "node.log"
        with log.open("wb") as errors, (folder / "node.out").open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.integration.canary_node"),
                *(str(local.config_file), json.dumps(local.resolve)),
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=errors,
                preexec_fn=die_with_parent(),
            )
        try:
            output = folder / "node.out"
            async with asyncio.timeout(_WAIT_S):
                while not output.read_bytes().endswith(b"\n"):
                    assert process.returncode is None, log.read_text()[-2_000:]
                    await asyncio.sleep(0.05)
            taps = Taps(rpc, collateral, tapped_sources)
            yield Running(process, int(output.read_text()), local, taps, folder, output, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _trouble(node: Running, sources: PriceSources) -> list[str]:
    """Every kind of trouble that can be made from outside, each until the node has noticed it."""
    said: list[str] = []
    rpc = node.taps.rpc
    for attribute in ("is_echoing", "is_down"):
        setattr(rpc, attribute, True)
        view = await node.until(lambda v: any("endpoint" in r for r in v["reasons"]), attribute)
        said += view["reasons"]
        setattr(rpc, attribute, False)
        setattr(node.taps.collateral, attribute, True)
        view = await node.until(lambda v: any("refreshed" in n for n in v["notices"]), attribute)
        said += view["notices"]
        setattr(node.taps.collateral, attribute, False)
    await sources.fail("api.kraken.com", Failure.UNAVAILABLE)
    await node.until(lambda v: v["feeds"][0]["sources_used"] < v["feeds"][0]["sources_asked"], "")
    await sources.mend("api.kraken.com")
    starts = (await node.ready())["enclave_starts"]
    (enclave,) = [pid for pid in descendants(node.process.pid) if _is_enclave(pid)][-1:]
    os.kill(enclave, signal.SIGKILL)
    await node.until(lambda v: v["enclave_starts"] > starts, "another enclave")
    operator = "0x" + node.local.deployment.operators[0].hex()
    await node.local.chain.call("anvil_setBalance", operator, "0x0")
    view = await node.until(lambda v: any("account 0x" in r for r in v["reasons"]), "no funds")
    said += view["reasons"]
    await node.local.chain.call("anvil_setBalance", operator, hex(10**19))
    await node.until(lambda v: v["ready"], "healed")
    return said


def _is_enclave(process_id: int) -> bool:
    try:
        return b"--attester" in Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return False


async def _channels(node: Running) -> dict[str, bytes]:
    """Everything that the host can see of the node, by where."""
    found = {
        "standard output": node.output.read_bytes(),
        "log": node.log.read_bytes(),
        "traffic to the endpoint": bytes(node.taps.rpc.kept),
        "traffic to the collateral's service": bytes(node.taps.collateral.kept),
        "traffic of the relay": node.taps.relayed,
    }
    for path in ("/live", "/ready", "/metrics", "/"):
        found[f"http {path}"] = (await node.get(path))[1]
    for words in _COMMANDS:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "oracle", *words, "-c", str(node.local.config_file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        found["oracle " + " ".join(words)] = (await process.communicate())[0]
    world_folder = node.local.config_file.parents[1]
    for file in (*node.folder.rglob("*"), *world_folder.rglob("*")):
        if file.is_file() and file.name not in _LEGITIMATE:
            found[f"file {file.name}"] = found.get(f"file {file.name}", b"") + file.read_bytes()
    arguments, environments = b"", b""
    for process_id in (node.process.pid, *descendants(node.process.pid)):
        with contextlib.suppress(OSError):
            arguments += Path(f"/proc/{process_id}/cmdline").read_bytes()
            environments += Path(f"/proc/{process_id}/environ").read_bytes()
    return found | {"arguments": arguments, "environments": environments}


#: What is public and must be seen in each channel, or it was not looked at.
_PUBLIC: dict[str, bytes] = {
    "log": b'"event": "report_landed"',
    "traffic to the endpoint": b"eth_sendRawTransaction",
    "traffic to the collateral's service": b"tcbInfo",
    "traffic of the relay": b"api.kraken.com",
    "http /ready": b"USDT/USD",
    "http /metrics": b"oracle_feed_age_seconds",
    "oracle validate": b"[chain]",
    "oracle status --output json": b"enclave_starts",
    "oracle doctor": b"operator and submitter",
    "file oracle.db": b"SQLite format 3",
    "file oracle.db-wal": b"",
    "arguments": b"canary_node",
    "environments": b"CONFIDENTIAL_ORACLE_ENVIRONMENT",
}
#: Where the node leaks when it is told to; each must be caught.
_LEAKS = frozenset(
    {
        "standard output",
        "log",
        "traffic to the endpoint",
        "traffic to the collateral's service",
        "traffic of the relay",
        "http /ready",
        "http /metrics",
        "oracle status --output json",
        "file leak",
        "file oracle.db-wal",
        "arguments",
        "environments",
    }
)


@pytest.mark.timeout(3_600)
async def test_no_canary_is_found_in_anything_that_the_host_sees(
    short_tmp: Path, sources: PriceSources
) -> None:
    rounds = 10_000 if settings.get_current_profile_name() == "nightly" else 30
    planted = Planted.fresh()
    async with _node(short_tmp, sources, planted, rounds) as node:
        await node.until(
            lambda view: view["ready"] and view["chains"][0]["reports_landed"] > 0, "ready"
        )
        said = await _trouble(node, sources)
        view = await _rounds(node, rounds)
        canaries = planted.all(node.local.config_file.parent)
        channels = await _channels(node)
        found = {name: hits for name, seen in channels.items() if (hits := search(seen, canaries))}
        size = sum(map(len, channels.values()))
        print(
            f"\ncanary: {len(canaries)} secrets, {len(channels)} channels, {size} bytes,"
            f" {view['rounds']} rounds, {len(said)} errors made: found in {len(found)}"
        )
        assert found == {}
        assert [name for name, text in _PUBLIC.items() if text not in channels.get(name, b"")] == []
        # Where it belongs, and there alone: in requests to the endpoint and to the service.
        legitimate = bytes(node.taps.rpc.legitimate + node.taps.collateral.legitimate)
        assert len({hit.split(":")[0] for hit in search(legitimate, canaries)}) >= 4
        caught = await _leaked(node)
    assert caught >= _LEAKS, _LEAKS - caught


async def _rounds(node: Running, wanted: int) -> dict[str, Any]:
    """Wait for so many more rounds."""
    begun = (await node.ready())["rounds"]
    view: dict[str, Any] = {}
    while (view := await node.ready())["rounds"] < begun + wanted:
        assert node.process.returncode is None
        await asyncio.sleep(0.2)
    return view


async def _leaked(node: Running) -> set[str]:
    """Positive control: the same node leaks, and the same search looks at the same channels."""
    leak = text_canary("leak")
    (source,) = list(node.taps.sources.values())[:1]
    ports = [node.taps.rpc.port, node.taps.collateral.port, source.port]
    assert node.process.stdin is not None
    node.process.stdin.write(json.dumps([leak.text, ports]).encode() + b"\n")
    await node.process.stdin.drain()
    async with asyncio.timeout(_WAIT_S):
        while b"leaked\n" not in node.output.read_bytes():
            assert node.process.returncode is None, node.log.read_text()[-2_000:]
            await asyncio.sleep(0.05)
        while not all(
            leak.secret in tap.kept for tap in (node.taps.rpc, node.taps.collateral, source)
        ):
            await asyncio.sleep(0.05)
    return {name for name, seen in (await _channels(node)).items() if search(seen, [leak])}
