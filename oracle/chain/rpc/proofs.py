"""What a block's hash proves: the header's fields, and an account under its state root.

Nothing here says that the block is of the chain; that its hash was told by everybody does.

Reference:
    Ethereum yellow paper (Shanghai version, 2025-02-04), section 4.3 (header), appendix D (Merkle
    Patricia tree); fields since London in the order of EIP-1559, 4895, 4844, 4788 and 7685.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types

from enclave.domain.errors import ChainError
from enclave.domain.report import keccak256
from oracle.chain.rpc.errors import RpcMalformed
from oracle.chain.rpc.values import hex_bytes, number_bytes

#: Of a header before London, in order, with whether it is a number.
_FIELDS = (
    ("parentHash", False),
    ("sha3Uncles", False),
    ("miner", False),
    ("stateRoot", False),
    ("transactionsRoot", False),
    ("receiptsRoot", False),
    ("logsBloom", False),
    ("difficulty", True),
    ("number", True),
    ("gasLimit", True),
    ("gasUsed", True),
    ("timestamp", True),
    ("extraData", False),
    ("mixHash", False),
    ("nonce", False),
)
#: What later forks appended; a block has the first few of them.
_LATER = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)
#: Of a block, but not of its header.
_OTHERS = ("hash", "size", "totalDifficulty", "transactions", "uncles", "withdrawals")
_BRANCH, _LEAF = 17, 2
_MAX_NODES = 65


@dataclass(frozen=True, slots=True)
class Account:
    """An account's state, as far as it is used.

    Attributes:
        nonce: Of its next transaction.
        balance_wei: Funds.
    """

    nonce: int
    balance_wei: int


def is_header(block: Mapping[str, Any]) -> bool:
    """Whether the block's hash is that of its fields.

    False says nothing: chains have headers of other forms.
    """
    # Each fork's field stands behind those of the forks before it: one that is missing would let
    # a later name stand for it.
    later = takewhile(lambda field: block.get(field[0]) is not None, _LATER)
    try:
        items = [
            number_bytes(block.get(name)) if is_number else hex_bytes(block.get(name))
            for name, is_number in (*_FIELDS, *later)
        ]
        return bool(keccak256(rlp.encode(items)) == hex_bytes(block.get("hash"), 32))
    except ChainError:
        return False


def unknown_fields(block: Mapping[str, Any]) -> list[str]:
    """Names in a block that may be fields of its header of which nothing is known here."""
    known = {name for name, _ in (*_FIELDS, *_LATER)} | set(_OTHERS)
    return sorted(set(block) - known)


def prove_account(value: Any, *, address: bytes, state_root: bytes) -> Account:
    """Read an account out of the answer to `eth_getProof`.

    1. Each node of `accountProof` hashes to what the one before it, or the root, says.
    2. Its path is the hash of the address.
    3. The leaf is an account; no leaf on the path is an account that was never used.

    Args:
        value: The answer; only `accountProof` is looked at.
        address: 20 bytes.
        state_root: 32 bytes, of a header that is known to be the block's.

    Raises:
        RpcMalformed: It proves nothing.
    """
    if not isinstance(value, dict) or not isinstance(value.get("accountProof"), list):
        raise RpcMalformed("its proof is none")
    nodes = [hex_bytes(node) for node in value["accountProof"]]
    if not 0 < len(nodes) <= _MAX_NODES:
        raise RpcMalformed(f"its proof has {len(nodes)} nodes")
    leaf = _walk(nodes, state_root, keccak256(address).hex())
    if leaf is None:
        return Account(0, 0)
    fields = _decode(leaf)
    if len(fields) != 4 or not all(isinstance(field, bytes) for field in fields):
        raise RpcMalformed("its proof ends in no account")
    return Account(*(int.from_bytes(field, "big") for field in fields[:2]))


def _walk(nodes: Sequence[bytes], root: bytes, path: str) -> bytes | None:
    """The value at the end of the path; `None` if the tree has none."""
    wanted: Any = root
    for node in nodes:
        # 1. The node is the one that was wanted.
        if keccak256(node) != wanted:
            raise RpcMalformed("its proof has another node than its tree")
        items = _decode(node)
        # 2. The path.
        if len(items) == _BRANCH and path:
            wanted, path = items[int(path[0], 16)], path[1:]
        elif len(items) == _LEAF and isinstance(items[0], bytes) and items[0]:
            part, is_leaf = _part(items[0])
            if not path.startswith(part) or (is_leaf and part != path):
                return None
            # 3. The leaf.
            if is_leaf and isinstance(items[1], bytes):
                return items[1]
            wanted, path = items[1], path[len(part) :]
        else:
            raise RpcMalformed("its proof has a node of another kind")
        if wanted == b"":
            return None
    raise RpcMalformed("its proof ends early")


def _part(packed: bytes) -> tuple[str, bool]:
    """Nibbles of a leaf or an extension, and whether it is a leaf."""
    digits = packed.hex()
    kind = int(digits[0], 16)
    return digits[1:] if kind & 1 else digits[2:], bool(kind & 2)


def _decode(raw: bytes) -> list[Any]:
    try:
        items = rlp.decode(raw)
    except (rlp.exceptions.RLPException, RecursionError) as error:
        raise RpcMalformed(f"its proof is not RLP ({type(error).__name__})") from None
    if not isinstance(items, list):
        raise RpcMalformed("its proof has a node of another kind")
    return items
