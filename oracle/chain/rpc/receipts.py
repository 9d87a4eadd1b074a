"""What a block proves of a transaction: that it holds it, and how it ended.

The header has the roots of two trees, of the block's transactions and of their receipts, both by
index. Whoever has all of either makes the root anew. The block's hash must be known to be that of
the header's fields, and to be of the chain; nothing here says so.

Reference:
    Ethereum yellow paper (Shanghai version, 2025-02-04), section 4.3 and appendix D (Merkle
    Patricia tree); EIP-2718 (types), EIP-2930 (1), EIP-1559 (2), EIP-4844 (3), EIP-7702 (4);
    OP Stack specification, "Deposits" (0x7E; receipts as since its upgrade Canyon).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types

from enclave.domain.report import keccak256
from oracle.chain.rpc.errors import RpcMalformed
from oracle.chain.rpc.values import hex_bytes, number_bytes, quantity

_TO = ("gas", "to", "value", "input")
_SIGNED = ("yParity", "r", "s")
_FEES = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", *_TO, "accessList")
#: Fields of a transaction in order, by its type.
_FIELDS: Mapping[int, Sequence[str]] = {
    0: ("nonce", "gasPrice", *_TO, "v", "r", "s"),
    1: ("chainId", "nonce", "gasPrice", *_TO, "accessList", *_SIGNED),
    2: (*_FEES, *_SIGNED),
    3: (*_FEES, "maxFeePerBlobGas", "blobVersionedHashes", *_SIGNED),
    4: (*_FEES, "authorizationList", *_SIGNED),
    0x7E: ("sourceHash", "from", "to", "mint", "value", "gas", "isSystemTx", "input"),
}
_DYNAMIC_FEES = 2
_BLOOM_SIZE = 256
_LAST_TYPE = 0x7F


def ordered_root(values: Sequence[bytes]) -> bytes:
    """The root of the tree that has each value at its index, 32 bytes."""
    pairs = sorted((rlp.encode(index).hex(), value) for index, value in enumerate(values))
    return keccak256(rlp.encode(_node(pairs, 0)))


def _node(pairs: Sequence[tuple[str, bytes]], depth: int) -> Any:
    """The node of these paths, of which so many digits are those of the nodes above.

    No path begins with another one, as no RLP does, so that a branch never has a value.
    """
    if not pairs:
        return b""
    (first, value), (last, _) = pairs[0], pairs[-1]
    if len(pairs) == 1:
        return [_packed(first[depth:], is_leaf=True), value]
    end = depth
    while first[end] == last[end]:
        end += 1
    if end > depth:
        return [_packed(first[depth:end], is_leaf=False), _link(_node(pairs, end))]
    below = [[pair for pair in pairs if pair[0][depth] == digit] for digit in "0123456789abcdef"]
    return [*(_link(_node(each, depth + 1)) for each in below), b""]


def _link(node: Any) -> bytes:
    """How the node above names it, if there is one.

    One of less than 32 bytes would stand there itself; those of transactions and receipts are
    longer, by the signature or the bloom filter alone.
    """
    return keccak256(rlp.encode(node)) if node else b""


def _packed(digits: str, *, is_leaf: bool) -> bytes:
    is_odd = len(digits) % 2
    return bytes.fromhex(f"{2 * is_leaf + is_odd}{'' if is_odd else '0'}{digits}")


def find_transaction(
    wanted: bytes, transactions: Any, *, root: bytes
) -> tuple[int, Mapping[str, Any]] | None:
    """The transaction of this hash among those of a block; `None` proves that it has it not.

    Args:
        wanted: 32 bytes.
        transactions: All of the block, each with its fields, as JSON-RPC gives them.
        root: `transactionsRoot` of the block's header, 32 bytes.

    Returns:
        Its index and its fields; those that it signed are proved, no other.

    Raises:
        RpcMalformed: They are not what the root is of, or one is of a type that is not known.
        ChainError: A field is missing or of another type.
    """
    raws = [_transaction(each) for each in _objects(transactions)]
    if ordered_root(raws) != root:
        raise RpcMalformed("its transactions are not those of the block")
    found = [index for index, raw in enumerate(raws) if keccak256(raw) == wanted]
    return (found[0], transactions[found[0]]) if found else None


def prove_receipt(index: int, receipts: Any, *, root: bytes) -> dict[str, Any]:
    """The receipt at an index, as JSON-RPC gives it, with what is proved and nothing else.

    Args:
        index: Of the transaction in its block.
        receipts: All of the block.
        root: `receiptsRoot` of the block's header, 32 bytes.

    Returns:
        `status`, `gasUsed` (units) and `logs`, each with `address`, `topics` and `data`.

    Raises:
        RpcMalformed: They are not what the root is of.
        ChainError: A field is missing or of another type.
    """
    told = _objects(receipts)
    if ordered_root([_receipt(each) for each in told]) != root or index >= len(told):
        raise RpcMalformed("its receipts are not those of the block")
    used = [0, *(quantity(each["cumulativeGasUsed"]) for each in told)]
    names = ("address", "topics", "data")
    return {
        "status": told[index]["status"],
        "gasUsed": hex(used[index + 1] - used[index]),
        "logs": [{name: log[name] for name in names} for log in told[index]["logs"]],
    }


def price_wei(transaction: Mapping[str, Any], base_fee_wei: int) -> int:
    """What a transaction paid for a unit of gas in a block of this base fee."""
    if quantity(transaction.get("type")) < _DYNAMIC_FEES:
        return quantity(transaction.get("gasPrice"))
    fee, tip = (quantity(transaction.get(f"max{name}PerGas")) for name in ("Fee", "PriorityFee"))
    return min(fee, base_fee_wei + tip)


def _transaction(fields: Mapping[str, Any]) -> bytes:
    """As it is signed and hashed."""
    kind = quantity(fields.get("type"))
    if kind not in _FIELDS:
        raise RpcMalformed(f"a transaction of the block is of type {kind}, which is not known")
    items = [_ENCODERS.get(name, number_bytes)(_field(fields, name)) for name in _FIELDS[kind]]
    return _typed(kind, items)


def _field(fields: Mapping[str, Any], name: str) -> Any:
    # Older nodes call the parity of a signature `v` whatever the type.
    return fields.get(name, fields.get("v") if name == "yParity" else None)


def _receipt(fields: Mapping[str, Any]) -> bytes:
    """As it is hashed since Byzantium."""
    kind, status = quantity(fields.get("type")), number_bytes(fields.get("status"))
    used = number_bytes(fields.get("cumulativeGasUsed"))
    bloom = hex_bytes(fields.get("logsBloom"), _BLOOM_SIZE)
    logs = [
        [hex_bytes(log.get("address"), 20), _hashes(log.get("topics")), hex_bytes(log.get("data"))]
        for log in _objects(fields.get("logs"))
    ]
    deposit = [fields.get(name) for name in ("depositNonce", "depositReceiptVersion")]
    more = [number_bytes(each) for each in deposit] if deposit[1] is not None else []
    return _typed(kind, [status, used, bloom, logs, *more])


def _typed(kind: int, items: Sequence[Any]) -> bytes:
    if kind > _LAST_TYPE:
        raise RpcMalformed(f"type {kind} of a transaction is none")
    encoded: bytes = rlp.encode(items)
    return bytes([kind]) + encoded if kind else encoded


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise RpcMalformed("its list is none")
    return value


def _to(value: Any) -> bytes:
    """Empty for a contract that is made."""
    return b"" if value is None else hex_bytes(value, 20)


def _hashes(value: Any) -> list[bytes]:
    if not isinstance(value, list):
        raise RpcMalformed("its list is none")
    return [hex_bytes(each, 32) for each in value]


def _access_list(value: Any) -> list[Any]:
    return [
        [hex_bytes(each.get("address"), 20), _hashes(each.get("storageKeys"))]
        for each in _objects(value)
    ]


def _authorizations(value: Any) -> list[Any]:
    return [
        [
            number_bytes(each.get("chainId")),
            hex_bytes(each.get("address"), 20),
            *(number_bytes(_field(each, name)) for name in ("nonce", *_SIGNED)),
        ]
        for each in _objects(value)
    ]


#: How a field is encoded that is no number, or need not be there.
_ENCODERS: Mapping[str, Callable[[Any], Any]] = {
    "sourceHash": lambda value: hex_bytes(value, 32),
    "from": lambda value: hex_bytes(value, 20),
    "to": _to,
    "mint": lambda value: b"" if value is None else number_bytes(value),
    "isSystemTx": lambda value: b"\x01" if value is True else b"",
    "input": hex_bytes,
    "accessList": _access_list,
    "blobVersionedHashes": _hashes,
    "authorizationList": _authorizations,
}
