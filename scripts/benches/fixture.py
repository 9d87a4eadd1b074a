"""What the node benches share: 100 feeds of 5 sources, TLS servers, an enclave behind a relay."""

import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from enclave.domain.feed import encode_definition
from enclave.egress import Egress
from enclave.tls import make_tls_context
from oracle.devnet.pki import Pki, make_pki
from oracle.devnet.silicon_process import silicon
from oracle.egress_proxy import EgressProxy
from oracle.enclave_process import Enclave, EnclaveLaunch, default_enclave_python, run_enclave

ROOT = Path(__file__).resolve().parents[2]
HOSTS = tuple(f"venue-{letter}.example" for letter in "abcde")
#: A ticker as a venue sends it, well under 1 KiB.
BODY = json.dumps(
    {
        "ask": "3402.45",
        "bid": "3402.44",
        "high": "3466.10",
        "last": "3402.45",
        "low": "3358.02",
        "open": "3391.77",
        "percent_change_24": "0.31",
        "side": "0",
        "volume": "8231.40223417",
        "vwap": "3411.08",
    }
).encode()


def definition(number: int) -> bytes:
    """Canonical definition of one of the feeds: five `http_json` sources on five hosts."""
    sources = [
        {
            "name": host.partition(".")[0],
            "adapter": "http_json/1",
            "base": f"ASSET{number}",
            "quote": "USD",
            "invert": False,
            "max_age_s": "60",
            "convert": [],
            "params": {
                "host": host,
                "path": f"/ticker/{number}",
                "price": "$.last",
                "bid": "$.bid",
                "ask": "$.ask",
                "time": "",
                "time_format": "",
                "scale": "0",
                "require": [],
                "auth": "none",
            },
        }
        for host in HOSTS
    ]
    return encode_definition(
        {
            "schema": "feed/1",
            "base": f"ASSET{number}",
            "quote": "USD",
            "decimals": "8",
            "rounding": "half-even",
            "deviation_bps": "50",
            "heartbeat_s": "3600",
            "aggregation": {
                "algorithm": "lower-median/1",
                "min_sources": "3",
                "outlier_floor_bps": "50",
                "outlier_mad": "5",
                "max_dispersion_bps": "200",
                "jump_bps": "1000",
            },
            "sources": sources,
        }
    )


@dataclass(frozen=True, slots=True)
class Servers:
    """Running price sources.

    Attributes:
        pki: Their certificates.
        ports: Local port of each of `HOSTS`.
    """

    pki: Pki
    ports: dict[str, int]

    @property
    def resolve(self) -> dict[str, tuple[str, int]]:
        """What the relay dials instead of the real hosts."""
        return {f"{host}:443": ("127.0.0.1", port) for host, port in self.ports.items()}


@contextmanager
def price_servers(folder: Path) -> Iterator[Servers]:
    """TLS servers in a process of their own."""
    pki = make_pki(folder, HOSTS)
    body = folder / "body.json"
    body.write_bytes(BODY)
    script = Path(__file__).with_name("tls_server.py")
    certificates = [str(pki.certificates[host]) for host in HOSTS]
    command = [sys.executable, str(script), str(body), *certificates]
    with Popen(command, stdout=PIPE) as process:
        try:
            assert process.stdout is not None
            ports = json.loads(process.stdout.readline())
            yield Servers(pki, dict(zip(HOSTS, ports, strict=True)))
        finally:
            process.kill()


@contextmanager
def scratch() -> Iterator[Path]:
    """A private directory with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder:
        yield Path(folder)


@asynccontextmanager
async def separated(folder: Path, servers: Servers, *, sandbox: str) -> AsyncIterator[Enclave]:
    """An enclave process behind a relay in this process."""
    relay = folder / "relay" / "relay.sock"
    vendor = folder / "silicon" / "silicon.sock"
    for path in (relay, vendor):
        path.parent.mkdir(mode=0o700, parents=True)
    launch = EnclaveLaunch(
        python=default_enclave_python(),
        source=ROOT / "enclave",
        listen_dir=folder / "enclave",
        relay=relay,
        attester="simulated",
        tee="tdx",
        silicon=vendor,
        extra_ca=servers.pki.ca,
        sandbox=sandbox,
    )
    async with (
        silicon(vendor),
        EgressProxy(relay, [(host, 443) for host in HOSTS], servers.resolve),
        run_enclave(launch) as enclave,
    ):
        yield enclave


def start_s(folder: Path, ca: Path) -> float:
    """From the start of an enclave process, without a sandbox, to the line that it listens."""
    folder.mkdir(mode=0o700)
    command = [str(default_enclave_python()), "-I", "-B", "-m", "enclave"]
    command += ["--listen", f"unix:{folder / 'enclave.sock'}", "--relay", f"unix:{folder / 'r'}"]
    command += ["--attester", "simulated", "--tee", "tdx", "--silicon", str(folder / "s")]
    command += ["--extra-ca", str(ca)]
    start = time.perf_counter()
    with Popen(command, stdout=PIPE, stderr=DEVNULL, cwd="/") as process:
        try:
            assert process.stdout is not None
            if b"listening" not in process.stdout.readline():
                raise RuntimeError("the enclave did not start")
            return time.perf_counter() - start
        finally:
            process.kill()


class DirectEgress(Egress):
    """The enclave's egress without a relay: the baseline for what the boundary costs."""

    def __init__(self, servers: Servers) -> None:
        ca_pem = servers.pki.ca.read_bytes()
        super().__init__(
            "unix:/unused", ca_pem=ca_pem, extra_ca=None, meter=lambda host, size: True
        )
        self._ports = servers.ports
        self._context = make_tls_context(ca_pem, None)

    async def __aenter__(self) -> Self:
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._context,
                resolver=_Local(self._ports),
                limit=limits.connections,
                limit_per_host=limits.connections_per_host,
                keepalive_timeout=limits.keep_alive_s,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
        )
        return self


class _Local(AbstractResolver):
    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=self._ports[host], family=2, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Hold nothing."""


def rss_mib(pid: int) -> float:
    """Resident memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no VmRSS")


def cpu_s(pid: int) -> float:
    """CPU time of a process and its descendants, seconds."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0]) / 1e9
        total += sum(cpu_s(int(child)) for child in (task / "children").read_text().split())
    return total
