"""Blocks, receipts and events as JSON-RPC gives them."""

from typing import Any

from enclave.domain.errors import ChainError
from oracle.chain.base import Block, Log, Receipt
from oracle.chain.rpc import hex_bytes, quantity


def parse_block(value: Any) -> Block:
    """Read a block's header as JSON-RPC gives it.

    Raises:
        ChainError: A field is missing or of another type.
    """
    if not isinstance(value, dict):
        raise ChainError("the endpoint has no such block")
    base = value.get("baseFeePerGas")
    return Block(
        number=quantity(value.get("number")),
        hash=hex_bytes(value.get("hash"), 32),
        parent_hash=hex_bytes(value.get("parentHash"), 32),
        timestamp=quantity(value.get("timestamp")),
        base_fee_wei=None if base is None else quantity(base),
    )


def parse_receipt(value: Any) -> Receipt:
    """Read a receipt as JSON-RPC gives it.

    Raises:
        ChainError: A field is missing or of another type.
    """
    if not isinstance(value, dict) or not isinstance(value.get("logs"), list):
        raise ChainError("the endpoint's receipt is none")
    return Receipt(
        hash=hex_bytes(value.get("transactionHash"), 32),
        block=quantity(value.get("blockNumber")),
        is_success=quantity(value.get("status")) == 1,
        gas_used=quantity(value.get("gasUsed")),
        gas_price_wei=quantity(value.get("effectiveGasPrice")),
        logs=tuple(parse_log(item) for item in value["logs"]),
        block_hash=hex_bytes(value.get("blockHash"), 32),
    )


def parse_log(value: Any) -> Log:
    """Read a log as JSON-RPC gives it.

    Raises:
        ChainError: A field is missing or of another type.
    """
    if not isinstance(value, dict) or not isinstance(value.get("topics"), list):
        raise ChainError("the endpoint's log is none")
    address = hex_bytes(value.get("address"), 20)
    topics = tuple(hex_bytes(topic, 32) for topic in value["topics"])
    return Log("0x" + address.hex(), topics, hex_bytes(value.get("data")))
