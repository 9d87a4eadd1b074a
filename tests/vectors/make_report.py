"""Write report.json: reports that Python and Solidity must read and sign alike.

The digests come from eth-account's typed data and the bytes are packed by hand, so that neither of
the codecs under test takes part. Keys and values are fixed: a second run writes the same file.

Usage: python tests/vectors/make_report.py [FILE]
"""

import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

VECTORS = Path(__file__).resolve().parent / "report.json"
FIELDS = ("index", "value", "dispersion", "sources", "flags")
TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ],
    "Report": [
        {"name": "version", "type": "uint8"},
        {"name": "observedAt", "type": "uint32"},
        {"name": "listRoot", "type": "bytes32"},
        {"name": "entries", "type": "bytes"},
    ],
}

Row = tuple[int, int, int, int, int]


def list_root(feed_ids: Sequence[bytes]) -> bytes:
    """Running hash of the list, from 32 zero bytes."""
    root = bytes(32)
    for feed_id in feed_ids:
        root = keccak(root + feed_id)
    return root


def sign(private_key: bytes, digest: bytes) -> bytes:
    """EIP-2098: 32 bytes r, then yParity in the highest bit over s."""
    signature = Account.unsafe_sign_hash(digest, private_key)
    compact: int = signature.s | (signature.v - 27) << 255
    return bytes(signature.r.to_bytes(32, "big")) + compact.to_bytes(32, "big")


def vector(
    *,
    chain_id: int,
    hub: str,
    observed_at: int,
    feeds: int,
    rows: Sequence[Row],
    positions: list[int],
) -> dict[str, Any]:
    """One case; the signer in position p has the key keccak256("position p").

    Feed i has 8 decimals and the definition "feed i", so that a real hub can list it.
    """
    feed_ids = [keccak(b"\x01\x08" + f"feed {index}".encode()) for index in range(feeds)]
    root = list_root(feed_ids)
    packed = b"".join(struct.pack(">HqHBB", *row) for row in rows)
    message = {"version": 1, "observedAt": observed_at, "listRoot": root, "entries": packed}
    domain = {
        "name": "ConfidentialOracle",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": hub,
    }
    signable = encode_typed_data(
        full_message={
            "types": TYPES,
            "primaryType": "Report",
            "domain": domain,
            "message": message,
        }
    )
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    keys = [keccak(text=f"position {position}") for position in positions]
    mask = sum(1 << position for position in positions)
    head = struct.pack(">BI32sH", 1, observed_at, root, len(rows))
    report = head + packed + mask.to_bytes(8, "big") + b"".join(sign(key, digest) for key in keys)
    return {
        "chainId": chain_id,
        "hub": hub,
        "version": 1,
        "observedAt": observed_at,
        "feedIds": ["0x" + feed_id.hex() for feed_id in feed_ids],
        "entries": [dict(zip(FIELDS, row, strict=True)) for row in rows],
        "positions": positions,
        "privateKeys": ["0x" + key.hex() for key in keys],
        "listRoot": "0x" + root.hex(),
        "digest": "0x" + digest.hex(),
        "report": "0x" + report.hex(),
    }


def vectors() -> list[dict[str, Any]]:
    """All cases: one feed, three, the ends of every range, a hundred by 13 of 32 and of 19."""
    hub = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    hundred = [(index, 10**8 + index, index, 1 + index, index % 16) for index in range(100)]
    return [
        vector(
            chain_id=31337,
            hub=hub,
            observed_at=1_790_000_000,
            feeds=1,
            rows=[(0, 183_412_000_000, 12, 5, 0)],
            positions=[0],
        ),
        vector(
            chain_id=1,
            hub="0x00000000219ab540356cBB839Cbe05303d7705Fa",
            observed_at=1_790_000_001,
            feeds=9,
            rows=[(0, 6_543_210_000_000, 3, 7, 0), (3, 99_990_000, 0, 3, 1), (8, 1, 250, 4, 15)],
            positions=[1, 2, 8],
        ),
        vector(
            chain_id=2**53 - 1,
            hub="0xFFfFfFffFFfffFFfFFfFFFFFffFFFffffFfFFFfF",
            observed_at=2**32 - 1,
            feeds=64,
            rows=[(0, 1, 0, 1, 0), (63, 2**63 - 1, 65_535, 255, 15)],
            positions=[0, 63],
        ),
        vector(
            chain_id=137,
            hub="0x000000000000000000000000000000000000Feed",
            observed_at=1_790_000_002,
            feeds=100,
            rows=hundred,
            positions=[0, 3, 4, 7, 9, 11, 12, 20, 33, 40, 50, 55, 62],
        ),
        vector(
            chain_id=8453,
            hub="0xDeaDbeefdEAdbeefdEadbEEFdeadbeEFdEaDbeeF",
            observed_at=1_790_000_003,
            feeds=128,
            rows=hundred,
            positions=[1, 2, 5, 6, 9, 13, 15, 18, 21, 26, 29, 32, 37],
        ),
    ]


def render() -> str:
    """The file: stable order, one space of indentation, a newline at the end."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS
    target.write_text(render())
