"""A local chain: Foundry's Anvil as a child process, and a small JSON-RPC client for it."""

import asyncio
import contextlib
import io
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from enclave.domain.errors import ChainError, ConfigError
from oracle.chain.rpc import RpcRefused
from oracle.devnet.process import Child, child

#: Where `npm ci` in `contracts/` puts the native program.
DEFAULT_ANVIL = Path(__file__).resolve().parents[2] / "contracts/node_modules/.bin/anvil"
CHAIN_ID = 31337
START_S = 10.0
CALL_S = 10.0
_JSON = {"Content-Type": "application/json"}
_LISTENING = re.compile(rb"Listening on 127\.0\.0\.1:([0-9]{1,5})")


class Anvil:
    """JSON-RPC client of a local chain whose accounts are unlocked.

    Attributes:
        url: Of the JSON-RPC endpoint.
        process_id: Of the chain's process.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, process_id: int) -> None:
        self.url = url
        self.process_id = process_id
        self._session = session
        self._ids = itertools.count(1)

    async def call(self, method: str, *params: Any) -> Any:
        """One call.

        Raises:
            RpcRefused: The chain answers with an error; names the method.
            ChainError: The chain is not reachable.
        """
        return (await self.batch([(method, params)]))[0]

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """One call, as clients of other chains make it; see `call`."""
        return await self.call(method, *params)

    async def advance(self, seconds: int) -> None:
        """Set its clock forward, and mine a block that says so."""
        await self.batch([("evm_increaseTime", [seconds]), ("evm_mine", [])])

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several calls in one request, answered in order; see `call`."""
        answers = await self.answers(calls)
        for answer in answers:
            if isinstance(answer, RpcRefused):
                raise answer
        return answers

    async def answers(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """As `batch`, with an `RpcRefused` in the place of each answer that is an error.

        Raises:
            ChainError: The chain is not reachable.
        """
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
            for method, params in calls
        ]
        try:
            # A stream, as the batch of a deployment may be larger than aiohttp sends at once.
            body = io.BytesIO(json.dumps(requests).encode())
            async with self._session.post(self.url, data=body, headers=_JSON) as response:
                replies = {reply["id"]: reply for reply in await response.json()}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ChainError(f"local chain: {type(error).__name__}") from error
        return [_result(request, replies[request["id"]]) for request in requests]


def _result(request: dict[str, Any], reply: dict[str, Any]) -> Any:
    if "error" in reply:
        error = reply["error"]
        data = error.get("data")
        return RpcRefused(
            f"{request['method']}: {error.get('message')}",
            code=int(error.get("code", 0)),
            data=bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b"",
        )
    return reply["result"]


@contextlib.asynccontextmanager
async def anvil(
    program: Path = DEFAULT_ANVIL,
    *,
    block_time_s: int | None = None,
    stopped_at: int | None = None,
    began_s_ago: int = 0,
    hardfork: str = "osaka",
    chain_id: int = CHAIN_ID,
) -> AsyncIterator[Anvil]:
    """Run a fresh local chain for the length of the block.

    Args:
        program: The native `anvil`.
        block_time_s: Seconds between blocks; `None` mines each transaction at once.
        stopped_at: The moment of every block, in seconds since the epoch; `None` lets time pass.
        began_s_ago: How far its clock is behind at first.
        hardfork: The rules of the chain, by the name that `anvil --hardfork` takes.
        chain_id: EIP-155.

    Raises:
        ConfigError: The program is missing or does not start.
    """
    if not await asyncio.to_thread(program.exists):
        raise ConfigError(f"anvil is not at {program}: run scripts/setup or set ORACLE_ANVIL")
    command = [str(program), "--host", "127.0.0.1", "--port", "0", "--hardfork", hardfork]
    command += ["--chain-id", str(chain_id), "--accounts", "4", "--slots-in-an-epoch", "1"]
    command += ["--gas-limit", "300000000"]
    if block_time_s is not None:
        command += ["--block-time", str(block_time_s)]
    began_at = int(time.time()) - began_s_ago if stopped_at is None else stopped_at
    command += ["--timestamp", str(began_at)]
    async with child(command, name="anvil") as process:
        url = f"http://127.0.0.1:{await _port(process)}"
        timeout = aiohttp.ClientTimeout(total=CALL_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            node = Anvil(session, url, process.process_id)
            # It logs every call to the pipe, which nobody reads from now on.
            await node.call("anvil_setLoggingEnabled", False)
            if stopped_at is not None:
                await node.call("anvil_setBlockTimestampInterval", 0)
            else:
                await _set_clock(node, began_s_ago)
            yield node


async def _set_clock(node: Anvil, behind_s: int) -> None:
    """Set its clock by ours, exactly.

    Anvil keeps the difference of two whole seconds, of which the second may have ended between
    them: then it would be behind by one for good, and a facade, which says no time ahead of its
    block, would say a second less than a report.
    """
    while True:
        now = int(time.time())
        await node.call("evm_setTime", hex(now - behind_s))
        if int(time.time()) == now:
            return


async def _port(process: Child) -> int:
    while not (match := _LISTENING.search(await process.line(within_s=START_S))):
        pass
    return int(match[1])
