"""The emulated venues as a process of their own, steered over its standard input.

`python -m oracle.devnet.price_sources FOLDER SEED` makes certificates in FOLDER, prints one JSON
line `{"ca": PATH, "ports": {host: port}}`, then answers each JSON line of its input with one
line. It ends when its input does.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enclave.domain.errors import ConfigError, OracleError
from oracle.devnet.market import Market
from oracle.devnet.pki import make_pki
from oracle.devnet.process import Child, child
from oracle.devnet.servers import Exchange, Failure, serve
from oracle.devnet.venues import VENUES

_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class PriceSources:
    """The running price sources.

    Attributes:
        ca: Certificate of their throw-away authority, PEM file.
        ports: Host name -> TCP port on 127.0.0.1.
    """

    ca: Path
    ports: Mapping[str, int]
    _process: Child
    _lock: asyncio.Lock

    async def step(self, asset: str, bps: int) -> None:
        """Move an asset's price at every venue by so many basis points."""
        await self._ask({"op": "step", "asset": asset, "bps": bps})

    async def fail(self, host: str, failure: Failure) -> None:
        """Let a venue fail until it is mended."""
        await self._ask({"op": "fail", "host": host, "failure": failure.value})

    async def mend(self, host: str) -> None:
        """Let a venue answer again."""
        await self._ask({"op": "mend", "host": host})

    async def set_offset(self, offset_s: int) -> None:
        """Set the venues' clocks to the wall clock and so much more or less."""
        await self._ask({"op": "clock", "offset_s": offset_s})

    async def _ask(self, request: dict[str, Any]) -> None:
        async with self._lock:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            answer = await _line(self._process)
        if "error" in answer:
            raise ConfigError(answer["error"])


@contextlib.asynccontextmanager
async def price_sources(folder: Path, *, seed: int) -> AsyncIterator[PriceSources]:
    """Run the price sources for the length of the block.

    Args:
        folder: An existing private directory for certificates and keys.
        seed: Of the market.

    Raises:
        ConfigError: The process does not start or does not answer.
    """
    command = [sys.executable, "-m", "oracle.devnet.price_sources", str(folder), str(seed)]
    async with child(command, name="price sources") as process:
        ready = await _line(process)
        yield PriceSources(Path(ready["ca"]), ready["ports"], process, asyncio.Lock())


async def _line(process: Child) -> dict[str, Any]:
    return dict(json.loads(await process.line(within_s=_ANSWER_S)))


async def _main(folder: Path, seed: int) -> None:
    exchange = Exchange(Market(seed), lambda: time.time_ns() // 1_000_000)
    pki = make_pki(folder, VENUES)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with serve(pki, exchange.respond, exchange.now_ms) as ports:
        _say({"ca": str(pki.ca), "ports": dict(ports)})
        async for line in reader:
            _say(_obey(exchange, json.loads(line)))


def _obey(exchange: Exchange, request: dict[str, Any]) -> dict[str, Any]:
    try:
        match request:
            case {"op": "step", "asset": str(asset), "bps": int(bps)}:
                exchange.step(asset, bps)
            case {"op": "fail", "host": str(host), "failure": str(failure)}:
                exchange.fail(host, Failure(failure))
            case {"op": "mend", "host": str(host)}:
                exchange.mend(host)
            case {"op": "clock", "offset_s": int(offset_s)}:
                exchange.set_offset(offset_s)
            case _:
                return {"error": f"unknown request {sorted(request)}"}
    except OracleError as error:
        return {"error": str(error)}
    return {"done": True}


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
