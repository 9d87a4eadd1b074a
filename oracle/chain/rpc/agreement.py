"""What several endpoints must agree on before it is acted upon.

Who is asked, and what decides:

| what | asked | decides where they differ |
| --- | --- | --- |
| the latest block | all that are alive, for the block at the lowest of their heads | nobody: the \
block before it, up to three back, as nodes may differ for a moment; then no answer |
| a block's fields | the same | the header that hashes to the hash that all told |
| nonce and balance of an account | all, at that block | a Merkle proof against its state root |
| gas that a call needs | all, at the block to come | the highest; a refusal if all refuse |
| a receipt | all; one of a later block than that counts as none | the transactions and receipts \
of its block, which make the roots in the header; one of a block that all deny counts as none |
| a call, such as a hub's state or a signer's standing | all, at that block | nobody |

Nobody means `RpcDisagreement`: nothing is known, and nothing is done on it; so does a proof that
cannot be had. A majority does not decide, since two of three may have the same interest in a lie.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from enclave.domain.errors import ChainError
from oracle.chain.rpc.blocks import (
    AgreedBlock,
    Refusal,
    ask_all,
    block_at,
    contradiction,
    silence,
    valid_votes,
)
from oracle.chain.rpc.endpoint import Endpoint
from oracle.chain.rpc.errors import RpcMalformed
from oracle.chain.rpc.proofs import prove_account, unknown_fields
from oracle.chain.rpc.receipts import find_transaction, price_wei, prove_receipt
from oracle.chain.rpc.values import hex_bytes, quantity

_RECEIPT = "eth_getTransactionReceipt"
_BLOCK = "eth_getBlockByNumber"
_ESTIMATE = "eth_estimateGas"
#: What of a receipt is compared; nodes differ in the rest.
_RECEIPT_FIELDS = ("transactionHash", "blockHash")
_RECEIPT_NUMBERS = ("blockNumber", "status", "gasUsed")
_LOG_FIELDS = ("address", "topics", "data")
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
    votes = _counted(method, valid_votes(voters, found, check), block)
    if not votes:
        raise silence(method, found)
    if len({_key(method, value) for value in votes.values()}) == 1:
        return _answer(next(iter(votes.values())))
    if method in _PROVED and block.is_proved:
        proved = await _prove(voters, block, method, params[0], chain_id=chain_id)
        if proved is not None:
            _expose(voters, votes, method, proved)
            return hex(proved)
    if method == _RECEIPT:
        return await _decide(voters, votes, params[0], chain_id=chain_id)
    raise contradiction(method, votes)


def _counted(method: str, votes: Mapping[int, Any], block: AgreedBlock) -> dict[int, Any]:
    """The votes as they count."""
    if method == _RECEIPT:
        return {n: _if_reached(value, block.head.number) for n, value in votes.items()}
    limits = {n: value for n, value in votes.items() if not isinstance(value, Refusal)}
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


def _own_receipt(wanted: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or not isinstance(value.get("logs"), list):
        raise RpcMalformed("its receipt is none")
    if not all(isinstance(log, dict) for log in value["logs"]):
        raise RpcMalformed("a log of its receipt is none")
    for name in _RECEIPT_NUMBERS:
        quantity(value.get(name))
    hex_bytes(value.get("blockHash"), 32)
    if str(value.get("transactionHash")).lower() != wanted.lower():
        raise RpcMalformed("its receipt is of another transaction")


def _if_reached(receipt: Any, number: int) -> Any:
    """A receipt of a block that not all have is none yet."""
    if isinstance(receipt, dict) and quantity(receipt["blockNumber"]) > number:
        return None
    return receipt


def _key(method: str, value: Any) -> str:
    """The same for answers that say the same."""
    if isinstance(value, Refusal):
        return value.key
    if method in _PROVED:
        return str(quantity(value))
    if method == _RECEIPT and value is not None:
        logs = [{name: log.get(name) for name in _LOG_FIELDS} for log in value["logs"]]
        numbers = {name: quantity(value[name]) for name in _RECEIPT_NUMBERS}
        value = {name: value[name] for name in _RECEIPT_FIELDS} | numbers | {"logs": logs}
    return json.dumps(value, sort_keys=True).lower()


def _answer(value: Any) -> Any:
    if isinstance(value, Refusal):
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


async def _decide(
    voters: Sequence[Endpoint], votes: Mapping[int, Any], wanted: str, *, chain_id: int
) -> Any:
    """The receipt that a block proves, of those that were told; `None` if all are of no block.

    Whoever told of a block of the chain what is not in it counts as lying. To deny a receipt, or
    to tell one of another block, is none: an endpoint that balances its load over nodes may do so
    for a moment.

    Raises:
        RpcDisagreement: Nothing proves one of them.
        ChainError: As `block_at`.
    """
    told = {n: value for n, value in votes.items() if value is not None}
    proved = None
    for number in sorted({quantity(value["blockNumber"]) for value in told.values()}):
        block = await block_at(voters, number, chain_id=chain_id, told={})
        hash_ = "0x" + block.head.hash.hex()
        claims = {n: value for n, value in told.items() if value["blockHash"].lower() == hash_}
        if not claims:
            continue
        found, reason = await _receipt_in(voters, block, wanted, chain_id=chain_id)
        if reason:
            raise contradiction(_RECEIPT, votes, reason=reason)
        for endpoint in voters:
            claim = claims.get(endpoint.number)
            if claim is not None and _key(_RECEIPT, claim) != _key(_RECEIPT, found):
                endpoint.lied(_RECEIPT)
        proved = proved or found
    return proved


async def _receipt_in(
    voters: Sequence[Endpoint], block: AgreedBlock, wanted: str, *, chain_id: int
) -> tuple[dict[str, Any] | None, str]:
    """The receipt that a block has of a transaction, if any, and why that is not proved.

    One endpoint after the other is asked for the whole block, until one proves it.
    """
    if not block.is_proved:
        return None, _unproved(block)
    reasons = []
    for endpoint in voters:
        try:
            return await _ask_receipt(endpoint, block, wanted, chain_id=chain_id), ""
        except ChainError as error:
            reasons.append(f"endpoint {endpoint.number}: {error}")
    return None, "; ".join(reasons)


def _unproved(block: AgreedBlock) -> str:
    names = ", ".join(unknown_fields(block.fields)) or "no others"
    return (
        f"the hash of block {block.head.number} is not that of the fields of a header that are"
        f" known here; it has {names}"
    )


async def _ask_receipt(
    endpoint: Endpoint, block: AgreedBlock, wanted: str, *, chain_id: int
) -> dict[str, Any] | None:
    """The receipt, as far as it is proved; `None` if the block has not the transaction.

    Raises:
        ChainError: It proves nothing.
    """
    hash_ = "0x" + block.head.hash.hex()
    whole = await endpoint.ask("eth_getBlockByHash", [hash_, True], chain_id=chain_id)
    told = whole.get("transactions") if isinstance(whole, dict) else None
    root = hex_bytes(block.fields.get("transactionsRoot"), 32)
    place = find_transaction(hex_bytes(wanted, 32), told, root=root)
    if place is None:
        return None
    asked = [hex(block.head.number)]
    receipts = await endpoint.ask("eth_getBlockReceipts", asked, chain_id=chain_id)
    root = hex_bytes(block.fields.get("receiptsRoot"), 32)
    receipt = prove_receipt(place[0], receipts, root=root)
    base_fee_wei = quantity(block.fields.get("baseFeePerGas", "0x0"))
    return receipt | {
        "transactionHash": wanted,
        "blockHash": hash_,
        "blockNumber": hex(block.head.number),
        "effectiveGasPrice": hex(price_wei(place[1], base_fee_wei)),
    }
