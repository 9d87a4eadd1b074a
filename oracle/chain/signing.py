"""Signed transactions as bytes: RLP, and signatures by libsecp256k1.

Reference:
    Ethereum yellow paper, appendices B (RLP) and F (signatures); EIP-155; EIP-1559; EIP-2718.
"""

from collections.abc import Mapping
from typing import Any, Final

import rlp  # type: ignore[import-untyped]  # it ships no types
from coincurve import PrivateKey

from enclave.domain.report import keccak256

_DYNAMIC_FEE: Final = 2


def sign_transaction(key: PrivateKey, fields: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Sign a transaction: of type 2 (EIP-1559) if it says so, else a legacy one (EIP-155).

    Args:
        key: Of the account.
        fields: As JSON-RPC names them: numbers as numbers, `to` in hexadecimal, `data` as bytes.

    Returns:
        Its raw bytes and its hash, 32 bytes.
    """
    to = bytes.fromhex(fields["to"][2:])
    common = [fields["gas"], to, fields["value"], fields["data"]]
    chain_id, nonce = fields["chainId"], fields["nonce"]
    if fields.get("type") == _DYNAMIC_FEE:
        kind = bytes((_DYNAMIC_FEE,))
        fees = [fields["maxPriorityFeePerGas"], fields["maxFeePerGas"]]
        body = [chain_id, nonce, *fees, *common, fields["accessList"]]
        parity, r, s = _sign(key, kind + rlp.encode(body))
        raw = kind + rlp.encode([*body, parity, r, s])
    else:
        body = [nonce, fields["gasPrice"], *common]
        parity, r, s = _sign(key, rlp.encode([*body, chain_id, 0, 0]))
        raw = rlp.encode([*body, 2 * chain_id + 35 + parity, r, s])
    return raw, keccak256(raw)


def _sign(key: PrivateKey, message: bytes) -> tuple[int, int, int]:
    """Parity, r and s of a signature of the keccak256 of a message; s is the lower one."""
    signature = key.sign_recoverable(keccak256(message), hasher=None)
    r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
    return signature[64], r, s
