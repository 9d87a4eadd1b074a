"""The block that all endpoints have, and what each of them says of it."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.rpc.endpoint import Endpoint, Head, parse_head
from oracle.chain.rpc.errors import (
    RpcDisagreement,
    RpcFailure,
    RpcMalformed,
    RpcRefused,
)
from oracle.chain.rpc.proofs import is_header

log = structlog.get_logger(__name__)

#: How far back endpoints may differ without contradicting each other, blocks.
_FORK_BLOCKS = 3
_REVERT_CODE = 3
_BLOCK = "eth_getBlockByNumber"


@dataclass(frozen=True, slots=True)
class AgreedBlock:
    """A block that all endpoints have that are alive.

    Attributes:
        head: Its number and hashes.
        fields: As JSON-RPC gives it; recomputed from its hash, or the same everywhere.
        is_proved: Whether its hash is that of its fields.
    """

    head: Head
    fields: Mapping[str, Any]
    is_proved: bool

    @property
    def parameter(self) -> Mapping[str, str]:
        """The block parameter that names it (EIP-1898)."""
        return {"blockHash": "0x" + self.head.hash.hex()}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A revert, as an answer."""

    error: RpcRefused

    @property
    def key(self) -> str:
        """The same for the same revert data."""
        return "reverted 0x" + self.error.data.hex()


async def ask_all(
    voters: Sequence[Endpoint], method: str, params: Sequence[Any], *, chain_id: int
) -> dict[int, Any]:
    """Ask all at once: endpoint's number -> result or `ChainError`."""
    answers: dict[int, Any] = {}

    async def ask(endpoint: Endpoint) -> None:
        try:
            answers[endpoint.number] = await endpoint.ask(method, params, chain_id=chain_id)
        except ChainError as error:
            answers[endpoint.number] = error

    async with asyncio.TaskGroup() as tasks:
        for endpoint in voters:
            tasks.create_task(ask(endpoint))
    return dict(sorted(answers.items()))


async def agree_block(voters: Sequence[Endpoint], *, chain_id: int) -> AgreedBlock:
    """The latest block that all of them have that answer.

    Args:
        voters: Alive; each has told its latest block.
        chain_id: EIP-155.

    Raises:
        RpcDisagreement: They differ further back than a chain's tip.
        ChainError: None answers.
    """
    lowest = min(each.head.number for each in voters if each.head is not None)
    error: RpcDisagreement | None = None
    for number in range(lowest, max(-1, lowest - 1 - _FORK_BLOCKS), -1):
        try:
            told = {each.number: each.latest for each in voters if each.has_head(number)}
            return await block_at(voters, number, chain_id=chain_id, told=told)
        except RpcDisagreement as difference:
            error = error or difference
    raise error or ChainError("no endpoint has told its latest block")


async def block_at(
    voters: Sequence[Endpoint], number: int, *, chain_id: int, told: Mapping[int, Any]
) -> AgreedBlock:
    """The block at a height, as all of them have it that answer.

    Args:
        voters: Who is asked.
        number: Height.
        chain_id: EIP-155.
        told: Endpoint's number -> the block, of those that need not be asked again.

    Raises:
        RpcDisagreement: They have different ones.
        ChainError: None answers.
    """
    others = [each for each in voters if each.number not in told]
    found = await ask_all(others, _BLOCK, [hex(number), False], chain_id=chain_id)
    found |= told
    said = valid_votes(voters, found, partial(_own_block, number))
    if not said:
        raise silence(_BLOCK, found)
    if len({block["hash"].lower() for block in said.values()}) > 1:
        raise contradiction(f"block {number}", said)
    return _block(said)


def _own_block(number: int, value: Any) -> None:
    head = parse_head(value)
    if head is None or head.number != number:
        raise RpcMalformed(f"has not block {number} below its head")


def _block(said: Mapping[int, Any]) -> AgreedBlock:
    """The block whose fields are proved by its hash, or told by all."""
    for fields in said.values():
        if is_header(fields):
            return AgreedBlock(_head(fields), fields, is_proved=True)
    first = next(iter(said.values()))
    if any(_header_key(fields) != _header_key(first) for fields in said.values()):
        raise contradiction(f"the fields of block {first['hash']}", said)
    return AgreedBlock(_head(first), first, is_proved=False)


def _head(fields: Any) -> Head:
    head = parse_head(fields)
    if head is None:
        raise RpcMalformed("has a block without what a head has")
    return head


def _header_key(fields: Mapping[str, Any]) -> str:
    wanted = ("number", "hash", "parentHash", "timestamp", "baseFeePerGas", "stateRoot")
    return json.dumps([str(fields.get(name)).lower() for name in wanted])


def valid_votes(
    voters: Sequence[Endpoint], found: Mapping[int, Any], check: Callable[[Any], object]
) -> dict[int, Any]:
    """The answers among what was said; what cannot be one is a failure of its endpoint."""
    votes: dict[int, Any] = {}
    for endpoint in voters:
        value = found[endpoint.number]
        if isinstance(value, RpcRefused) and (value.data or value.code == _REVERT_CODE):
            votes[endpoint.number] = Refusal(value)
        if isinstance(value, ChainError):
            continue
        try:
            check(value)
        except ChainError as error:
            endpoint.failed(error if isinstance(error, RpcFailure) else RpcMalformed(str(error)))
            continue
        votes[endpoint.number] = value
    return votes


def silence(method: str, found: Mapping[int, Any]) -> ChainError:
    """Nobody gave an answer; what they said instead."""
    reasons = [f"endpoint {number}: {said}" for number, said in found.items()]
    return ChainError(f"{method}: " + "; ".join(reasons))


def contradiction(about: str, said: Mapping[int, Any], *, reason: str = "") -> RpcDisagreement:
    """They answer differently.

    Args:
        about: What they were asked.
        said: Endpoint's number -> its answer.
        reason: Why nothing proves one of the answers; empty where there is no proof of such.
    """
    numbers = ", ".join(map(str, said))
    log.warning("rpc_disagreement", about=about, endpoints=numbers, reason=reason)
    text = f"endpoints {numbers} contradict each other about {about}; nothing is done on it"
    return RpcDisagreement(
        f"{text}; no proof: {reason}" if reason else text,
        answers={
            n: value.error if isinstance(value, Refusal) else value for n, value in said.items()
        },
    )
