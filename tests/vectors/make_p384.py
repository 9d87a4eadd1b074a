"""Write p384.json: signatures with the hints that the machine needs.

Keys and messages are drawn from a fixed seed; signatures are deterministic (RFC 6979): a second run
writes the same file.

Usage: python -m tests.vectors.make_p384
"""

import json
import random
from hashlib import sha384
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from oracle.attestation.codecs.p384_hints import ORDER, SIZE, prove

VECTORS = Path(__file__).resolve().parent / "p384.json"
_CASES = 3


def main() -> None:
    """Write the file."""
    drawn = random.Random("P-384")
    cases = [_case(drawn) for _ in range(_CASES)]
    VECTORS.write_text(json.dumps({"cases": cases}, indent=1) + "\n")


def _case(drawn: random.Random) -> dict[str, str]:
    secret = ec.derive_private_key(drawn.randrange(1, ORDER), ec.SECP384R1())
    message = drawn.randbytes(drawn.randrange(300))
    signature = secret.sign(message, ec.ECDSA(SHA384(), deterministic_signing=True))
    numbers = secret.public_key().public_numbers()
    parts = {
        "digest": sha384(message).digest(),
        "signature": _pair(*decode_dss_signature(signature)),
        "key": _pair(numbers.x, numbers.y),
    }
    parts["hint"] = prove(parts["digest"], parts["signature"], parts["key"])
    return {name: f"0x{value.hex()}" for name, value in (("message", message), *parts.items())}


def _pair(first: int, second: int) -> bytes:
    return first.to_bytes(SIZE, "big") + second.to_bytes(SIZE, "big")


if __name__ == "__main__":
    main()
