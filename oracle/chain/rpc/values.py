"""Numbers and bytes as JSON-RPC writes them.

Reference:
    Ethereum execution API specification 1.0, "base types": uint and bytes. Leading zeros of a
    quantity and upper case are let through; blanks and underscores are not.
"""

import re

from enclave.domain.errors import ChainError

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


def quantity(value: object) -> int:
    """Read a JSON-RPC quantity of at most 256 bits, such as `0x1b4`.

    Raises:
        ChainError: Anything else.
    """
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        return int(value, 16)
    raise ChainError(f"answer is {_form(value)}, wanted a quantity")


def number_bytes(value: object) -> bytes:
    """A JSON-RPC quantity as RLP has numbers: big-endian, no leading zeros, empty for 0.

    Raises:
        ChainError: Not a quantity.
    """
    number = quantity(value)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def hex_bytes(value: object, size: int | None = None) -> bytes:
    """Read JSON-RPC bytes, such as `0x00ff`.

    Raises:
        ChainError: Anything else, or another length than `size`.
    """
    if isinstance(value, str) and _BYTES.fullmatch(value) and size in (None, len(value) // 2 - 1):
        return bytes.fromhex(value[2:])
    raise ChainError(f"answer is {_form(value)}, wanted {size or 'some'} bytes")


def _form(value: object) -> str:
    """What it is, not what it says: an endpoint may repeat the URL that it was asked at."""
    return f"text of {len(value)} characters" if isinstance(value, str) else type(value).__name__
