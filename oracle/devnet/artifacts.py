"""Creation code of the committed contracts, and the addresses they get."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.abi import get_abi_input_types

from enclave.domain.errors import ConfigError
from enclave.domain.report import keccak256

FOLDER: Final = Path(__file__).resolve().parents[1] / "chain/abi"


def creation_code(name: str, *arguments: Any) -> bytes:
    """Creation code of a contract with its constructor arguments.

    Raises:
        ConfigError: There is no artifact of this name.
    """
    bytecode, types = _artifact(name)
    return bytecode + encode(types, arguments)


@cache
def _artifact(name: str) -> tuple[bytes, list[str]]:
    """Creation code without arguments, and the types of the constructor."""
    try:
        raw = json.loads((FOLDER / f"{name}.json").read_bytes())
    except OSError as error:
        raise ConfigError(f"no artifact {name}.json in {FOLDER}: run scripts/gen_abi") from error
    constructors = [entry for entry in raw["abi"] if entry["type"] == "constructor"]
    types = get_abi_input_types(constructors[0]) if constructors else []
    return bytes.fromhex(raw["bytecode"].removeprefix("0x")), types


def created_address(deployer: bytes, nonce: int) -> bytes:
    """Address of the contract that an account creates with a nonce, 20 bytes.

    Reference:
        Ethereum yellow paper, section 7: keccak256(RLP(sender, nonce)), the last 20 bytes.
    """
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    encoded = number if 0 < nonce < 0x80 else bytes((0x80 + len(number),)) + number
    payload = bytes((0x80 + len(deployer),)) + deployer + encoded
    return keccak256(bytes((0xC0 + len(payload),)), payload)[12:]
