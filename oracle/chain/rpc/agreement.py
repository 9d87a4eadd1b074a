"""What several endpoints must agree on before it is acted upon.

Who is asked, and what decides:

| what | asked | decides where they differ |
| --- | --- | --- |
| the latest block | all that are alive, for the block at the lowest of their heads | nobody: the \
block before it, up to three back, as nodes may differ for a moment; then no answer |
| a block's fields | the same | the header that hashes to the hash that all told |
| nonce and balance of an account | all, at that block | a Merkle proof against its state root |
| gas that a call needs | all, at the block to come | the highest; a refusal if all refuse |
| a receipt | all; one of a later block than that counts as none | nobody |
| a call, such as a hub's state or a signer's standing | all, at that block | nobody |

Nobody means `RpcDisagreement`: nothing is known, and nothing is done on it. A majority does not
decide, since two of three may have the same interest in a lie.
"""

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
from oracle.chain.rpc.proofs import is_header, prove_account
from oracle.chain.rpc.values import hex_bytes, quantity

log = structlog.get_logger(__name__)

#: How far back endpoints may differ without contradicting each other, blocks.
_FORK_BLOCKS = 3
_REVERT_CODE = 3
_RECEIPT = "eth_getTransactionReceipt"
_BLOCK = "eth_getBlockByNumber"
_ESTIMATE = "eth_estimateGas"
#: What of a receipt is compared; nodes differ in the rest.
_RECEIPT_FIELDS = ("transactionHash", "blockHash", "blockNumber", "status", "gasUsed", "logs")
_LOG_FIELDS = ("address", "topics", "data", "logIndex")
#: What these answer is text, and of which kind.
_KINDS: Mapping[str, Callable[[Any], object]] = {
    "eth_call": hex_bytes,
    "eth_getCode": hex_bytes,
    "eth_getTransactionCount": quantity,
    "eth_getBalance": quantity,
    _ESTIMATE: quantity,
}
#: Fields of an account that a proof shows, by the method that asks for one.
_PROVED = {"eth_getTransactionCount": "nonce", "eth_getBalance": "balance"}


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
class _Refusal:
    """A revert, as an answer."""

    error: RpcRefused

    @property
    def key(self) -> str:
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
        except RpcDisagreement as contradiction:
            error = error or contradiction
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
    said = _votes(voters, found, partial(_own_block, number))
    if not said:
        raise _silence(_BLOCK, found)
    if len({block["hash"].lower() for block in said.values()}) > 1:
        raise _contradiction(f"block {number}", said)
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
        raise _contradiction(f"the fields of block {first['hash']}", said)
    return AgreedBlock(_head(first), first, is_proved=False)


def _head(fields: Any) -> Head:
    head = parse_head(fields)
    if head is None:
        raise RpcMalformed("has a block without what a head has")
    return head


def _header_key(fields: Mapping[str, Any]) -> str:
    wanted = ("number", "hash", "parentHash", "timestamp", "baseFeePerGas", "stateRoot")
    return json.dumps([str(fields.get(name)).lower() for name in wanted])


async def agree(
    voters: Sequence[Endpoint],
    block: AgreedBlock,
    method: str,
    params: Sequence[Any],
    *,
    chain_id: int,
) -> Any:
    """What all of them answer that answer.

    Args:
        voters: Who is asked.
        block: `latest` in the parameters stands for it.
        method: A method that reads.
        params: Its parameters.
        chain_id: EIP-155.

    Raises:
        RpcDisagreement: They differ, and nothing proves one of the answers.
        RpcRefused: They refuse alike.
        ChainError: None answers.
    """
    if method == "eth_blockNumber":
        return hex(block.head.number)
    if method == _BLOCK:
        return await _fields(voters, block, params[0], chain_id=chain_id)
    asked = [block.parameter if each == "latest" else each for each in params]
    found = await ask_all(voters, method, asked, chain_id=chain_id)
    check = partial(_own_receipt, params[0]) if method == _RECEIPT else _KINDS.get(method, repr)
    votes = _counted(method, _votes(voters, found, check), block)
    if not votes:
        raise _silence(method, found)
    if len({_key(method, value) for value in votes.values()}) == 1:
        return _answer(next(iter(votes.values())))
    if method in _PROVED and block.is_proved:
        proved = await _prove(voters, block, method, params[0], chain_id=chain_id)
        if proved is not None:
            _expose(voters, votes, method, proved)
            return hex(proved)
    raise _contradiction(method, votes)


def _counted(method: str, votes: Mapping[int, Any], block: AgreedBlock) -> dict[int, Any]:
    """The votes as they count."""
    if method == _RECEIPT:
        return {n: _if_reached(value, block.head.number) for n, value in votes.items()}
    limits = {n: value for n, value in votes.items() if not isinstance(value, _Refusal)}
    if method == _ESTIMATE and limits:
        number = max(limits, key=lambda n: quantity(limits[n]))
        return {number: limits[number]}
    return dict(votes)


async def _fields(
    voters: Sequence[Endpoint], block: AgreedBlock, wanted: str, *, chain_id: int
) -> Any:
    """A block by its height; `None` if not all have it yet."""
    if wanted == "latest":
        return dict(block.fields)
    number = quantity(wanted)
    if number > block.head.number:
        return None
    return dict((await block_at(voters, number, chain_id=chain_id, told={})).fields)


def _votes(
    voters: Sequence[Endpoint], found: Mapping[int, Any], check: Callable[[Any], object]
) -> dict[int, Any]:
    """The answers among what was said; what cannot be one is a failure of its endpoint."""
    votes: dict[int, Any] = {}
    for endpoint in voters:
        value = found[endpoint.number]
        if isinstance(value, RpcRefused) and (value.data or value.code == _REVERT_CODE):
            votes[endpoint.number] = _Refusal(value)
        if isinstance(value, ChainError):
            continue
        try:
            check(value)
        except ChainError as error:
            endpoint.failed(error if isinstance(error, RpcFailure) else RpcMalformed(str(error)))
            continue
        votes[endpoint.number] = value
    return votes


def _own_receipt(wanted: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or not isinstance(value.get("logs"), list):
        raise RpcMalformed("its receipt is none")
    if not all(isinstance(log, dict) for log in value["logs"]):
        raise RpcMalformed("a log of its receipt is none")
    quantity(value.get("blockNumber"))
    quantity(value.get("status"))
    if str(value.get("transactionHash")).lower() != wanted.lower():
        raise RpcMalformed("its receipt is of another transaction")


def _if_reached(receipt: Any, number: int) -> Any:
    """A receipt of a block that not all have is none yet."""
    if isinstance(receipt, dict) and quantity(receipt["blockNumber"]) > number:
        return None
    return receipt


def _key(method: str, value: Any) -> str:
    """The same for answers that say the same."""
    if isinstance(value, _Refusal):
        return value.key
    if method in _PROVED:
        return str(quantity(value))
    if method == _RECEIPT and value is not None:
        logs = [{name: log.get(name) for name in _LOG_FIELDS} for log in value["logs"]]
        value = {name: value.get(name) for name in _RECEIPT_FIELDS} | {"logs": logs}
    return json.dumps(value, sort_keys=True).lower()


def _answer(value: Any) -> Any:
    if isinstance(value, _Refusal):
        raise value.error
    return value


async def _prove(
    voters: Sequence[Endpoint],
    block: AgreedBlock,
    method: str,
    address: str,
    *,
    chain_id: int,
) -> int | None:
    """What a proof says that any of them has; `None` without one."""
    asked = [address, [], block.parameter]
    root = hex_bytes(block.fields.get("stateRoot"), 32)
    found = await ask_all(voters, "eth_getProof", asked, chain_id=chain_id)
    for value in found.values():
        try:
            account = prove_account(value, address=hex_bytes(address, 20), state_root=root)
        except ChainError:
            continue
        return account.nonce if _PROVED[method] == "nonce" else account.balance_wei
    return None


def _expose(voters: Sequence[Endpoint], votes: Mapping[int, Any], method: str, proved: int) -> None:
    for endpoint in voters:
        value = votes.get(endpoint.number)
        if endpoint.number in votes and _key(method, value) != str(proved):
            endpoint.lied(method)


def _silence(method: str, found: Mapping[int, Any]) -> ChainError:
    reasons = [f"endpoint {number}: {said}" for number, said in found.items()]
    return ChainError(f"{method}: " + "; ".join(reasons))


def _contradiction(about: str, said: Mapping[int, Any]) -> RpcDisagreement:
    numbers = ", ".join(map(str, said))
    log.warning("rpc_disagreement", about=about, endpoints=numbers)
    return RpcDisagreement(
        f"endpoints {numbers} contradict each other about {about}; nothing is done on it",
        answers={
            n: value.error if isinstance(value, _Refusal) else value for n, value in said.items()
        },
    )
