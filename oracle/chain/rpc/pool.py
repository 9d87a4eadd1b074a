"""JSON-RPC endpoints of one chain: keep-alive sessions, chain-id check, failover in order.

An endpoint's URL may hold a secret: no error and no log carries one; endpoints have numbers.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.rpc.errors import RpcMalformed, RpcOversized, RpcRefused
from oracle.chain.rpc.transport import Transport, open_transport
from oracle.chain.rpc.values import quantity

log = structlog.get_logger(__name__)

#: How long a failed endpoint is passed over, seconds; doubles with each failure in a row.
_REST_S = 2.0
_REST_MAX_S = 60.0
#: JSON-RPC error codes of an endpoint that is broken or lacks the method: another one may do.
_BROKEN = frozenset({-32700, -32600, -32601, -32603})


@dataclass(slots=True)
class Endpoint:
    """One endpoint and how it is doing.

    Attributes:
        number: From 1, in the order of the configuration; how logs and metrics name it.
        transport: Speaks to it.
        is_checked: It answered the right chain id since its last failure.
        failures: In a row.
        rests_until: Loop time before which others are asked first.
    """

    number: int
    transport: Transport
    is_checked: bool = False
    failures: int = 0
    rests_until: float = 0.0
    calls: int = 0
    errors: int = 0


@dataclass(slots=True)
class Rpc:
    """The endpoints of one chain, asked in order.

    Attributes:
        chain_id: EIP-155 chain id that every endpoint must have.
        endpoints: By preference.
    """

    chain_id: int
    endpoints: Sequence[Endpoint]

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """Ask the first endpoint that answers.

        Safe for `eth_sendRawTransaction` too: the same bytes twice are one transaction. An error
        does not say that a transaction was not accepted.

        Raises:
            RpcRefused: An endpoint answered with an error of its own.
            ChainError: No endpoint answered, or all are of another chain.
        """
        reasons = []
        last: ChainError | None = None
        for endpoint in self._order():
            try:
                await self._check(endpoint)
                result = await self._ask(endpoint, method, params)
            except RpcRefused as error:
                self._recovered(endpoint)
                if error.code not in _BROKEN:
                    raise
                last = error
            except RpcOversized as error:
                last = RpcOversized(f"{method}: {self._name(endpoint, str(error))}")
            except ChainError as error:
                reasons.append(self._failed(endpoint, str(error)))
            else:
                self._recovered(endpoint)
                return result
        raise last or ChainError(f"{method}: " + "; ".join(reasons))

    def _order(self) -> list[Endpoint]:
        """Rested endpoints first, each group in the configured order."""
        now = asyncio.get_running_loop().time()
        return sorted(self.endpoints, key=lambda endpoint: endpoint.rests_until > now)

    async def _check(self, endpoint: Endpoint) -> None:
        if endpoint.is_checked:
            return
        try:
            seen = quantity(await self._ask(endpoint, "eth_chainId", []))
        except RpcRefused as error:
            raise RpcMalformed(f"tells no chain id: {error}") from None
        if seen != self.chain_id:
            raise ChainError(f"chain id {seen}, wanted {self.chain_id}")
        endpoint.is_checked = True

    async def _ask(self, endpoint: Endpoint, method: str, params: Sequence[Any]) -> Any:
        endpoint.calls += 1
        return await endpoint.transport.ask(method, params)

    def _name(self, endpoint: Endpoint, reason: str) -> str:
        return f"endpoint {endpoint.number} of {len(self.endpoints)}: {reason}"

    def _failed(self, endpoint: Endpoint, reason: str) -> str:
        loop = asyncio.get_running_loop()
        endpoint.failures += 1
        endpoint.errors += 1
        endpoint.is_checked = False
        rest_s = min(_REST_MAX_S, _REST_S * 2 ** min(endpoint.failures - 1, 8))
        endpoint.rests_until = loop.time() + rest_s
        if endpoint.failures == 1:
            log.warning("rpc_failed", endpoint=endpoint.number, error=reason)
        return self._name(endpoint, reason)

    def _recovered(self, endpoint: Endpoint) -> None:
        if endpoint.failures:
            log.info("rpc_recovered", endpoint=endpoint.number, failures=endpoint.failures)
        endpoint.failures = 0
        endpoint.rests_until = 0.0


@asynccontextmanager
async def open_rpc(urls: Sequence[str], *, chain_id: int, timeout_s: float) -> AsyncIterator[Rpc]:
    """Open keep-alive sessions to the endpoints; nothing is asked yet.

    Args:
        urls: `http://` or `https://`, by preference.
        chain_id: What every endpoint must answer to `eth_chainId`.
        timeout_s: Of one call to one endpoint.
    """
    async with AsyncExitStack() as stack:
        endpoints = []
        for number, url in enumerate(urls, 1):
            opened = open_transport(url, timeout_s=timeout_s)
            endpoints.append(Endpoint(number, await stack.enter_async_context(opened)))
        yield Rpc(chain_id, endpoints)
