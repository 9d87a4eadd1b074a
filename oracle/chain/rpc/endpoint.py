"""One endpoint and how it is doing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.rpc.errors import RpcBusy, RpcFailure, RpcMalformed, RpcRefused
from oracle.chain.rpc.transport import Transport
from oracle.chain.rpc.values import hex_bytes, quantity
from oracle.telemetry.state import EndpointState

log = structlog.get_logger(__name__)

#: How long a failed endpoint is passed over, seconds; doubles with each failure in a row.
_REST_S = 2.0
_REST_MAX_S = 60.0
#: Longest wait that an endpoint may ask for, and how long one that lied is not asked, seconds.
_WAIT_MAX_S = 600.0
_LIAR_REST_S = 3_600.0


class Health(StrEnum):
    """What is known of an endpoint.

    | from | what happens | to |
    | --- | --- | --- |
    | any but LAGGING | asked after its rest, it tells the right chain id | ALIVE |
    | any but LYING | it tells another chain id | WRONG_CHAIN, rests 60 s |
    | any but LYING | no reply, or none to the question | UNREACHABLE, rests 2 s to 60 s, doubling |
    | any but LYING | it limits the rate | RATE_LIMITED, rests as long as it says (at most 600 s), \
or as an unreachable one |
    | ALIVE | others show that it is behind; see `Rpc` | LAGGING |
    | LAGGING | it has caught up | ALIVE |
    | any | it is proved to have lied | LYING, rests 3,600 s |

    In every state but ALIVE and LAGGING the chain id is asked before anything else.
    """

    UNCHECKED = "unchecked"
    ALIVE = "alive"
    LAGGING = "lagging"
    WRONG_CHAIN = "wrong chain"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate-limited"
    LYING = "lying"


#: Its chain id was right when it was last asked.
CHECKED = frozenset({Health.ALIVE, Health.LAGGING})


class WrongChain(RpcFailure):
    """The endpoint is of another chain."""

    kind = "wrong chain"


@dataclass(frozen=True, slots=True)
class Head:
    """A block's header as an endpoint tells it; its hash is not recomputed.

    Attributes:
        number: Height.
        hash: 32 bytes.
        parent_hash: 32 bytes.
        timestamp: Seconds since the epoch.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int


def parse_head(value: Any) -> Head | None:
    """Read a block; `None` if the endpoint has none there.

    Raises:
        ChainError: A field is missing or of another type.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RpcMalformed("its block is none")
    return Head(
        number=quantity(value.get("number")),
        hash=hex_bytes(value.get("hash"), 32),
        parent_hash=hex_bytes(value.get("parentHash"), 32),
        timestamp=quantity(value.get("timestamp")),
    )


@dataclass(slots=True)
class Endpoint:
    """One endpoint; the pool writes it.

    Attributes:
        number: From 1, in the order of the configuration; how logs and metrics name it.
        transport: Speaks to it.
        health: See `Health`.
        failures: In a row.
        rests_until: Loop time before which others are asked first.
        must_rest: Whether it asked not to be asked before that.
        head: Latest block that it told; `None` before it did.
        latest: The same as JSON-RPC gave it.
        state: For metrics and views.
    """

    number: int
    transport: Transport
    health: Health = Health.UNCHECKED
    failures: int = 0
    rests_until: float = 0.0
    must_rest: bool = False
    head: Head | None = None
    latest: Any = None
    state: EndpointState = field(default_factory=EndpointState)

    def __post_init__(self) -> None:
        self.state.number = self.number

    def is_resting(self, now: float) -> bool:
        """Whether others are to be asked first."""
        return self.rests_until > now

    async def ask(self, method: str, params: Sequence[Any], *, chain_id: int) -> Any:
        """Ask it, its chain id first if that is not known, and keep account.

        Raises:
            RpcRefused: It answers with an error.
            RpcFailure: It does not answer; it rests from now on.
        """
        try:
            if self.health not in CHECKED:
                await self._check(chain_id)
            result = await self._ask(method, params)
        except RpcFailure as error:
            self.failed(error)
            raise
        except RpcRefused:
            self._well()
            raise
        self._well()
        return result

    def has_head(self, number: int) -> bool:
        """Whether the latest block that it told is at this height."""
        return self.head is not None and self.head.number == number

    async def look(self, *, chain_id: int) -> None:
        """Ask for its latest block.

        Raises:
            RpcRefused: It answers with an error.
            RpcFailure: It does not answer, or with no block; it rests from now on.
        """
        found = await self.ask("eth_getBlockByNumber", ["latest", False], chain_id=chain_id)
        head = self._parse(found)
        if head is None:
            raise self._malformed("has no latest block")
        self.head, self.latest = head, found
        self.state.head = head.number

    async def block(self, number: int, *, chain_id: int) -> Head | None:
        """A block by its height; `None` if it has none there.

        Raises:
            RpcRefused: It answers with an error.
            RpcFailure: It does not answer, or with another block; it rests from now on.
        """
        found = await self.ask("eth_getBlockByNumber", [hex(number), False], chain_id=chain_id)
        head = self._parse(found)
        if head is not None and head.number != number:
            raise self._malformed(f"block {head.number}, asked for {number}")
        return head

    def _parse(self, value: Any) -> Head | None:
        try:
            return parse_head(value)
        except ChainError as error:
            raise self._malformed(str(error)) from None

    def _malformed(self, reason: str) -> RpcMalformed:
        error = RpcMalformed(reason)
        self.failed(error)
        return error

    async def _check(self, chain_id: int) -> None:
        try:
            seen = quantity(await self._ask("eth_chainId", []))
        except RpcFailure:
            raise
        except ChainError as error:
            raise RpcMalformed(f"tells no chain id: {error}") from None
        if seen != chain_id:
            raise WrongChain(f"chain id {seen}, wanted {chain_id}")
        self.turn(Health.ALIVE)

    async def _ask(self, method: str, params: Sequence[Any]) -> Any:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.state.calls += 1
        try:
            return await self.transport.ask(method, params)
        finally:
            self.state.answer_s = loop.time() - began

    def _well(self) -> None:
        self.failures, self.rests_until, self.must_rest = 0, 0.0, False

    def failed(self, error: RpcFailure) -> None:
        """Take account of a failure: it rests."""
        self.state.errors[error.kind] = self.state.errors.get(error.kind, 0) + 1
        self.failures += 1
        log.debug("rpc_failed", endpoint=self.number, error=str(error))
        rest_s = min(_REST_MAX_S, _REST_S * 2 ** min(self.failures - 1, 8))
        if isinstance(error, WrongChain):
            self._rest(Health.WRONG_CHAIN, _REST_MAX_S, str(error))
        elif isinstance(error, RpcBusy):
            self.must_rest = error.retry_after_s is not None
            wait_s = min(_WAIT_MAX_S, error.retry_after_s or rest_s)
            self._rest(Health.RATE_LIMITED, wait_s, str(error))
        else:
            self._rest(Health.UNREACHABLE, rest_s, str(error))

    def lied(self, about: str) -> None:
        """Take account of a proof that it said what is not so."""
        self.state.errors["lie"] = self.state.errors.get("lie", 0) + 1
        self.must_rest = True
        self._rest(Health.LYING, _LIAR_REST_S, about)

    def turn(self, health: Health, reason: str = "") -> None:
        """Change its state; logged."""
        if health is self.health:
            return
        facts = {"endpoint": self.number, "was": str(self.health), "now": str(health)}
        if health is Health.LYING:
            log.error("rpc_health", **facts, error=reason)
        elif health in CHECKED:
            log.info("rpc_health", **facts)
        else:
            log.warning("rpc_health", **facts, error=reason)
        self.health = health
        self.state.health = str(health)

    def _rest(self, health: Health, rest_s: float, reason: str) -> None:
        self.turn(health, reason)
        self.rests_until = asyncio.get_running_loop().time() + rest_s
