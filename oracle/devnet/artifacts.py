"""The committed contract artifacts: what it takes to deploy and to call them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_utils.abi import (
    filter_abi_by_name,
    function_abi_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
)

from enclave.domain.errors import ConfigError
from enclave.domain.report import keccak256

FOLDER: Final = Path(__file__).resolve().parents[1] / "chain/abi"
#: Highest nonce whose RLP encoding is the byte itself.
_MAX_NONCE = 0x7F


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract.

    Attributes:
        name: As in the Solidity source.
        abi: Its JSON ABI.
        bytecode: Creation code without constructor arguments.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes

    def creation(self, *arguments: Any) -> bytes:
        """Creation code with constructor arguments."""
        constructors = [entry for entry in self.abi if entry["type"] == "constructor"]
        types = get_abi_input_types(constructors[0]) if constructors else []  # type: ignore[arg-type]  # a Mapping, not their TypedDict
        return self.bytecode + encode(types, arguments)

    def call(self, function: str, *arguments: Any) -> bytes:
        """Call data."""
        abi = self._function(function)
        return bytes(function_abi_to_4byte_selector(abi)) + encode(
            get_abi_input_types(abi), arguments
        )

    def outputs(self, function: str, data: bytes) -> tuple[Any, ...]:
        """Decode what a call returned."""
        return tuple(decode(get_abi_output_types(self._function(function)), data))

    def _function(self, name: str) -> Any:
        found: Sequence[Any] = filter_abi_by_name(name, self.abi)  # type: ignore[arg-type]  # a Mapping, not their TypedDict
        if len(found) != 1:
            raise ConfigError(f"{self.name} has {len(found)} functions named {name!r}, wanted 1")
        return found[0]


@cache
def artifact(name: str) -> Artifact:
    """Load a committed artifact.

    Raises:
        ConfigError: There is none of this name.
    """
    try:
        raw = json.loads((FOLDER / f"{name}.json").read_bytes())
    except OSError as error:
        raise ConfigError(f"no artifact {name}.json in {FOLDER}: run scripts/gen_abi") from error
    return Artifact(name, tuple(raw["abi"]), bytes.fromhex(raw["bytecode"].removeprefix("0x")))


def created_address(deployer: bytes, nonce: int) -> bytes:
    """Address of the contract that an account creates with a nonce of 0 to 127, 20 bytes."""
    if not 0 <= nonce <= _MAX_NONCE:
        raise ConfigError(f"nonce {nonce}, wanted 0..{_MAX_NONCE}")
    return keccak256(b"\xd6\x94", deployer, bytes((nonce or 0x80,)))[12:]
