"""The JSON-RPC endpoints of one chain: who is asked.

An endpoint's URL may hold a secret: no error and no log carries one; endpoints have numbers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from enclave.domain.errors import ChainError
from oracle.chain.rpc.agreement import agree
from oracle.chain.rpc.blocks import AgreedBlock, agree_block
from oracle.chain.rpc.endpoint import CHECKED, Endpoint, Head, Health
from oracle.chain.rpc.errors import RpcBusy, RpcFailure, RpcOversized, RpcRefused, RpcUnreachable
from oracle.chain.rpc.transport import open_transport

#: JSON-RPC error codes of an endpoint that is broken or lacks the method: another one may do.
_BROKEN = frozenset({-32700, -32600, -32601, -32603})
#: What is asked about the very latest block, as it follows what the node did itself.
_FRESH = frozenset({"eth_getTransactionCount", "eth_getTransactionReceipt", "eth_getBlockByNumber"})
_SEND = "eth_sendRawTransaction"
#: An endpoint may be so many blocks behind the others before it counts as lagging.
LAG_BLOCKS = 3
#: How long the others are waited for once one has taken a transaction, seconds.
_GRACE_S = 1.0
#: Limit of the first answer of an endpoint that is not known to be well, seconds.
_PROBE_S = 3.0
#: Who is asked first.
_RANK = {Health.ALIVE: 0, Health.LAGGING: 1}
_LAST = 9


@dataclass(slots=True)
class Rpc:
    """The endpoints of one chain.

    With several, every `block_s` their latest blocks are compared before something is asked; no
    task runs in between. An endpoint lags if another is more than `LAG_BLOCKS` blocks ahead, shows
    the child of the endpoint's own latest block, and that block is older than `LAG_BLOCKS` times
    `block_s` by this host's clock. So whoever invents a far head makes nobody lag, and an endpoint
    that follows the chain cannot be made to.

    Attributes:
        chain_id: EIP-155 chain id that every endpoint must have.
        endpoints: By preference.
        block_s: Usual time between blocks.
        clock: Seconds since the epoch.
        looked_at: Loop time of the last comparison.
    """

    chain_id: int
    endpoints: Sequence[Endpoint]
    block_s: float = 1.0
    clock: Callable[[], float] = time.time
    looked_at: float | None = None
    _block: tuple[float, AgreedBlock] | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """Ask the first endpoint that answers; it is believed.

        Those that are alive come first, by preference, so that a better one is used again as soon
        as it has recovered; then the lagging, then those that rest. One that asked to be left
        alone, or that lied, is not asked before its time. A transaction goes to all endpoints that
        are up at once: sending the same bytes twice is safe, and one of them may drop it. An error
        does not say that it was not accepted.

        Raises:
            RpcRefused: An endpoint answered with an error of its own.
            ChainError: No endpoint answered, or all are of another chain.
        """
        await self.look(max_age_s=self.block_s)
        if method == _SEND and len(self.endpoints) > 1:
            return await self._send(params)
        reasons = []
        last: ChainError | None = None
        for endpoint in self.order():
            try:
                return await endpoint.ask(method, params, chain_id=self.chain_id)
            except RpcRefused as error:
                if error.code not in _BROKEN:
                    raise
                last = error
            except RpcOversized as error:
                last = RpcOversized(f"{method}: {self._name(endpoint)}: {error}")
            except RpcFailure as error:
                reasons.append(f"{self._name(endpoint)}: {error}")
        raise last or self._nobody(method, reasons)

    def order(self) -> list[Endpoint]:
        """Who may be asked, first to last."""
        now = asyncio.get_running_loop().time()
        free = [each for each in self.endpoints if not (each.must_rest and each.is_resting(now))]
        return sorted(free, key=lambda each: _LAST if each.is_resting(now) else _rank(each))

    async def look(self, *, max_age_s: float) -> None:
        """Compare the latest blocks of several endpoints, unless that was done just now."""
        if len(self.endpoints) == 1:
            return
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if self.looked_at is not None and now - self.looked_at < max_age_s:
                return
            rested = [each for each in self.endpoints if not each.is_resting(now)]
            if not any(each.health in CHECKED for each in rested):
                rested = self.order()
            async with asyncio.TaskGroup() as tasks:
                for endpoint in rested:
                    tasks.create_task(self._probe(endpoint))
            await self._judge()
            self.looked_at = asyncio.get_running_loop().time()

    async def _probe(self, endpoint: Endpoint) -> None:
        limit_s = None if endpoint.health in CHECKED else _PROBE_S
        try:
            async with asyncio.timeout(limit_s):
                await endpoint.look(chain_id=self.chain_id)
        except ChainError:
            return
        except TimeoutError:
            endpoint.failed(RpcUnreachable(f"no answer within {limit_s} s"))

    async def _judge(self) -> None:
        """Find who lags."""
        able = [each for each in self.endpoints if each.health in CHECKED and each.head]
        for endpoint in able:
            is_behind = await self._is_behind(endpoint, able)
            endpoint.turn(Health.LAGGING if is_behind else Health.ALIVE)

    async def _is_behind(self, endpoint: Endpoint, others: Sequence[Endpoint]) -> bool:
        head = endpoint.head
        if head is None or self.clock() - head.timestamp <= LAG_BLOCKS * self.block_s:
            return False
        ahead = [
            other
            for other in others
            if other.head is not None and other.head.number > head.number + LAG_BLOCKS
        ]
        for other in ahead:
            if await self._has_child(other, head):
                return True
        return False

    async def _has_child(self, endpoint: Endpoint, head: Head) -> bool:
        try:
            child = await endpoint.block(head.number + 1, chain_id=self.chain_id)
        except ChainError:
            return False
        return child is not None and child.parent_hash == head.hash

    async def _send(self, params: Sequence[Any]) -> Any:
        """Send to all at once; the first that takes it answers for them."""
        now = asyncio.get_running_loop().time()
        order = self.order()
        chosen = [each for each in order if not each.is_resting(now)] or order
        answers: dict[int, Any] = {}
        errors: list[ChainError] = []

        async def send(endpoint: Endpoint) -> None:
            try:
                answer = await endpoint.ask(_SEND, params, chain_id=self.chain_id)
                answers[endpoint.number] = answer
            except ChainError as error:
                errors.append(error)

        async with asyncio.TaskGroup() as tasks:
            sends = [tasks.create_task(send(endpoint)) for endpoint in chosen]
            await _wait_for_first(sends, lambda: bool(answers))
        if answers:
            return answers[min(answers)]
        refusals = [error for error in errors if isinstance(error, RpcRefused)]
        if refusals:
            raise refusals[0]
        raise self._nobody(_SEND, [str(error) for error in errors])

    async def request_agreed(self, method: str, params: Sequence[Any]) -> Any:
        """Ask all endpoints for what matters; none is believed alone.

        With one endpoint this is `request`. With several, those that are alive are asked about one
        block that all of them have, and all that answer must answer the same: one honest endpoint
        among them is enough for a lie not to be acted upon. Who is silent, lags or rests has no
        say. Where they differ, a proof against the block's hash decides if there is one, and who
        told otherwise counts as lying; see `agreement`.

        Args:
            method: A method that reads.
            params: `latest` stands for the block that all have.

        Raises:
            RpcDisagreement: They differ: nothing is known.
            RpcRefused: All refuse alike.
            ChainError: None of them answers.
        """
        if len(self.endpoints) == 1:
            return await self.request(method, params)
        max_age_s = 0.0 if method in _FRESH else min(1.0, self.block_s / 4)
        block = await self.agreed_block(max_age_s=max_age_s)
        return await agree(self._voters(), block, method, params, chain_id=self.chain_id)

    async def pin(self) -> Any:
        """The block parameter by which several reads are of one block, the latest."""
        if len(self.endpoints) == 1:
            return await self.request("eth_blockNumber", [])
        return (await self.agreed_block()).parameter

    async def agreed_block(self, *, max_age_s: float = 0.0) -> AgreedBlock:
        """The latest block that all endpoints have that are alive.

        Args:
            max_age_s: How long ago it may have been the latest.

        Raises:
            RpcDisagreement: They are on different chains.
            ChainError: None answers.
        """
        now = asyncio.get_running_loop().time()
        if self._block is None or now - self._block[0] >= max_age_s:
            await self.look(max_age_s=0.0)
            self._block = (now, await agree_block(self._voters(), chain_id=self.chain_id))
        return self._block[1]

    def _voters(self) -> list[Endpoint]:
        voters = [each for each in self.endpoints if each.health is Health.ALIVE]
        if not voters:
            states = [f"{self._name(each)}: {each.health}" for each in self.endpoints]
            raise ChainError("no endpoint is alive: " + "; ".join(states))
        return voters

    def _name(self, endpoint: Endpoint) -> str:
        return f"endpoint {endpoint.number} of {len(self.endpoints)}"

    def _nobody(self, method: str, reasons: Sequence[str]) -> ChainError:
        if reasons:
            return ChainError(f"{method}: " + "; ".join(reasons))
        now = asyncio.get_running_loop().time()
        wait_s = max(0.0, min(each.rests_until for each in self.endpoints) - now)
        return RpcBusy(f"{method}: all endpoints want to be left alone", retry_after_s=wait_s)


def _rank(endpoint: Endpoint) -> int:
    return _RANK.get(endpoint.health, len(_RANK))


async def _wait_for_first(
    tasks: Collection[asyncio.Task[None]], is_done: Callable[[], bool]
) -> None:
    """Wait until it is done, and a little for the others, which are then cancelled."""
    pending = set(tasks)
    while pending and not is_done():
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    if pending:
        _, pending = await asyncio.wait(pending, timeout=_GRACE_S)
    for task in pending:
        task.cancel()


@asynccontextmanager
async def open_rpc(
    urls: Sequence[str], *, chain_id: int, timeout_s: float, block_s: float = 1.0
) -> AsyncIterator[Rpc]:
    """Open keep-alive sessions to the endpoints; nothing is asked yet.

    Args:
        urls: `http://` or `https://`, by preference.
        chain_id: What every endpoint must answer to `eth_chainId`.
        timeout_s: Of one call to one endpoint.
        block_s: Usual time between blocks.
    """
    async with AsyncExitStack() as stack:
        endpoints = []
        for number, url in enumerate(urls, 1):
            opened = open_transport(url, timeout_s=timeout_s)
            endpoints.append(Endpoint(number, await stack.enter_async_context(opened)))
        yield Rpc(chain_id, endpoints, block_s)
