"""JSON-RPC endpoints of one chain: keep-alive sessions, chain-id check, failover in order.

An endpoint's URL may hold a secret: no error and no log carries one; endpoints have numbers.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import structlog

from enclave.domain.errors import ChainError

log = structlog.get_logger(__name__)

#: How long a failed endpoint is passed over, seconds; doubles with each failure in a row.
_REST_S = 2.0
_REST_MAX_S = 60.0
#: JSON-RPC error codes that say "not me, not now" (rate limits), so that another endpoint may.
_BUSY = frozenset({-32005, 429})


class RpcRefused(ChainError):
    """The endpoint answered with a JSON-RPC error.

    Attributes:
        code: JSON-RPC error code.
        data: Revert data, if it holds any.
    """

    def __init__(self, message: str, *, code: int, data: bytes) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Provider(Protocol):
    """The part of a web3 provider that is used."""

    async def make_request(self, method: Any, params: Any) -> Any:
        """One JSON-RPC call; the whole response object."""
        ...


@dataclass(slots=True)
class Endpoint:
    """One endpoint and how it is doing.

    Attributes:
        number: From 1, in the order of the configuration; how logs and metrics name it.
        provider: Speaks to it.
        is_checked: It answered the right chain id since its last failure.
        failures: In a row.
        rests_until: Loop time before which others are asked first.
    """

    number: int
    provider: Provider
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
        timeout_s: Of one call to one endpoint.
    """

    chain_id: int
    endpoints: Sequence[Endpoint]
    timeout_s: float
    _switches: "itertools.count[int]" = field(default_factory=itertools.count)

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """Ask the first endpoint that answers.

        Safe for `eth_sendRawTransaction` too: the same bytes twice are one transaction. An error
        does not say that a transaction was not accepted.

        Raises:
            RpcRefused: An endpoint answered with an error of its own.
            ChainError: No endpoint answered, or all are of another chain.
        """
        reasons = []
        for endpoint in self._order():
            try:
                async with asyncio.timeout(self.timeout_s):
                    await self._check(endpoint)
                    result = await _ask(endpoint, method, params)
            except RpcRefused as error:
                if error.code not in _BUSY:
                    self._recovered(endpoint)
                    raise
                reasons.append(self._failed(endpoint, "rate limit"))
            except ChainError as error:
                reasons.append(self._failed(endpoint, str(error)))
            except TimeoutError:
                reasons.append(self._failed(endpoint, f"no answer within {self.timeout_s:g} s"))
            else:
                self._recovered(endpoint)
                return result
        raise ChainError(f"{method}: " + "; ".join(reasons))

    def _order(self) -> list[Endpoint]:
        """Rested endpoints first, each group in the configured order."""
        now = asyncio.get_running_loop().time()
        return sorted(self.endpoints, key=lambda endpoint: endpoint.rests_until > now)

    async def _check(self, endpoint: Endpoint) -> None:
        if endpoint.is_checked:
            return
        seen = quantity(await _ask(endpoint, "eth_chainId", []))
        if seen != self.chain_id:
            raise ChainError(f"chain id {seen}, wanted {self.chain_id}")
        endpoint.is_checked = True

    def _failed(self, endpoint: Endpoint, reason: str) -> str:
        loop = asyncio.get_running_loop()
        endpoint.failures += 1
        endpoint.errors += 1
        endpoint.is_checked = False
        rest_s = min(_REST_MAX_S, _REST_S * 2 ** min(endpoint.failures - 1, 8))
        endpoint.rests_until = loop.time() + rest_s
        if endpoint.failures == 1:
            log.warning("rpc_failed", endpoint=endpoint.number, error=reason)
        return f"endpoint {endpoint.number} of {len(self.endpoints)}: {reason}"

    def _recovered(self, endpoint: Endpoint) -> None:
        if endpoint.failures:
            log.info("rpc_recovered", endpoint=endpoint.number, failures=endpoint.failures)
        endpoint.failures = 0
        endpoint.rests_until = 0.0


async def _ask(endpoint: Endpoint, method: str, params: Sequence[Any]) -> Any:
    """One call to one endpoint; foreign exceptions become `ChainError` without their text."""
    endpoint.calls += 1
    try:
        response = await endpoint.provider.make_request(method, list(params))
    except aiohttp.ClientResponseError as error:
        raise ChainError(f"HTTP status {error.status}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ChainError(f"not reachable ({type(error).__name__})") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ChainError(f"answer is not JSON-RPC ({type(error).__name__})") from None
    if not isinstance(response, dict) or not ({"result", "error"} & response.keys()):
        raise ChainError("answer is not JSON-RPC")
    if response.get("error") is not None:
        raise _refusal(method, response["error"])
    return response.get("result")


def _refusal(method: str, error: object) -> RpcRefused:
    body = error if isinstance(error, dict) else {}
    code = body.get("code")
    data = body.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    raw = b""
    if isinstance(data, str) and data.startswith("0x"):
        try:
            raw = bytes.fromhex(data[2:])
        except ValueError:
            raw = b""
    number = code if isinstance(code, int) else 0
    message = str(body.get("message", ""))[:200]
    return RpcRefused(f"{method}: error {number}: {message}", code=number, data=raw)


def quantity(value: object) -> int:
    """Read a JSON-RPC quantity, such as `0x1b4`.

    Raises:
        ChainError: Anything else.
    """
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise ChainError(f"answer {str(value)[:40]!r}, wanted a quantity")


def hex_bytes(value: object, size: int | None = None) -> bytes:
    """Read JSON-RPC bytes, such as `0x00ff`.

    Raises:
        ChainError: Anything else, or another length than `size`.
    """
    if isinstance(value, str) and value.startswith("0x"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError:
            raw = b""
        if (size is None and len(value) == 2 + 2 * len(raw)) or len(raw) == size:
            return raw
    raise ChainError(f"answer {str(value)[:40]!r}, wanted {size or 'some'} bytes")


@asynccontextmanager
async def open_rpc(urls: Sequence[str], *, chain_id: int, timeout_s: float) -> AsyncIterator[Rpc]:
    """Open keep-alive sessions to the endpoints; nothing is asked yet.

    Args:
        urls: `http://` or `https://`, by preference.
        chain_id: What every endpoint must answer to `eth_chainId`.
        timeout_s: Of one call to one endpoint.
    """
    # Imported here: web3 takes a second, which `oracle --help` and a crash loop need not pay.
    from web3 import AsyncHTTPProvider

    limit = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(timeout=limit, raise_for_status=True) as session:
        endpoints = []
        for number, url in enumerate(urls, 1):
            provider = AsyncHTTPProvider(
                url,
                request_kwargs={"timeout": limit, "allow_redirects": False},
                exception_retry_configuration=None,
            )
            provider.global_ccip_read_enabled = False
            await provider.cache_async_session(session)
            endpoints.append(Endpoint(number, provider))
        yield Rpc(chain_id, endpoints, timeout_s)
