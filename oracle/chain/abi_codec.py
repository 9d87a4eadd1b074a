"""Calls, answers, events and errors by the committed ABIs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from enclave.domain.errors import ChainError, ConfigError
from enclave.domain.report import keccak256

_SELECTOR = 4
_ERROR_STRING = keccak256(b"Error(string)")[:_SELECTOR]
_PANIC = keccak256(b"Panic(uint256)")[:_SELECTOR]


@dataclass(frozen=True, slots=True)
class Item:
    """A function, event or error.

    Attributes:
        name: Its name.
        selector: First four bytes of the signature's hash; the whole hash for an event.
        inputs: ABI of the parameters.
        outputs: ABI of the results.
    """

    name: str
    selector: bytes
    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ContractAbi:
    """What a contract speaks."""

    functions: Mapping[str, Item]
    errors: Mapping[bytes, Item]
    events: Mapping[bytes, Item]

    def encode_call(self, function: str, *arguments: object) -> bytes:
        """Selector and ABI-encoded arguments; a struct is a tuple of its fields in order.

        Raises:
            ConfigError: An argument does not fit its type.
        """
        item = self.functions[function]
        try:
            return item.selector + encode(_types(item.inputs), arguments)
        except (EncodingError, TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"arguments do not fit {function}: {error}") from error

    def decode_result(self, function: str, raw: bytes) -> Any:
        """The results of a call: structs as dicts; a single result without a tuple around it.

        Raises:
            ChainError: The bytes are not such a result; there may be no contract there.
        """
        item = self.functions[function]
        try:
            values = decode(_types(item.outputs), raw)
        except (DecodingError, ValueError, OverflowError) as error:
            raise ChainError(
                f"{function}: answer of {len(raw)} bytes is none of its own"
            ) from error
        named = [_named(abi, value) for abi, value in zip(item.outputs, values, strict=True)]
        return named[0] if len(named) == 1 else tuple(named)

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]]:
        """Name and fields of a log.

        Raises:
            ChainError: No event of this contract.
        """
        item = self.events.get(topics[0]) if topics else None
        if item is None:
            raise ChainError("log is no event of this contract")
        indexed = [abi for abi in item.inputs if abi["indexed"]]
        plain = [abi for abi in item.inputs if not abi["indexed"]]
        try:
            fields = {
                abi["name"]: decode([_type(abi)], topic)[0]
                for abi, topic in zip(indexed, topics[1:], strict=True)
            }
            fields |= dict(
                zip((abi["name"] for abi in plain), decode(_types(plain), data), strict=True)
            )
        except (DecodingError, ValueError) as error:
            raise ChainError(f"log is no {item.name}") from error
        return item.name, fields


@cache
def load_abi(name: str) -> ContractAbi:
    """The ABI of one of this project's contracts, with the errors of all of them.

    A call goes through several contracts, so any of their errors can come back.
    """
    own = _entries(name)
    others = [entry for other in contract_names() for entry in _entries(other)]
    return ContractAbi(
        functions={e["name"]: _item(e) for e in own if e["type"] == "function"},
        errors={_item(e).selector: _item(e) for e in others if e["type"] == "error"},
        events={keccak256(_signature(e)): _item(e) for e in own if e["type"] == "event"},
    )


def contract_names() -> list[str]:
    """Contracts whose ABI comes with the program."""
    folder = resources.files("oracle.chain") / "abi"
    found = (item.name for item in folder.iterdir())
    return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))


def decode_revert(abi: ContractAbi, data: bytes) -> str:
    """One line about why a call reverted: the error's name and its values.

    Args:
        abi: Whose errors to know.
        data: Revert data; empty if the node gave none.
    """
    if len(data) < _SELECTOR:
        return "reverted without a reason"
    selector, body = data[:_SELECTOR], data[_SELECTOR:]
    item = abi.errors.get(selector)
    try:
        if selector == _ERROR_STRING:
            return f"reverted: {decode(['string'], body)[0][:200]}"
        if selector == _PANIC:
            return f"panic 0x{decode(['uint256'], body)[0]:02x}"
        if item is None:
            return f"reverted with unknown error 0x{selector.hex()}"
        values = decode(_types(item.inputs), body)
    except (DecodingError, ValueError, OverflowError):
        return f"reverted with malformed error 0x{selector.hex()}"
    shown = ", ".join(
        f"{abi_['name'] or index} {_text(value)}"
        for index, (abi_, value) in enumerate(zip(item.inputs, values, strict=True))
    )
    return f"{item.name}({shown})"


def revert_name(abi: ContractAbi, data: bytes) -> str:
    """The bare name of the error, or an empty text."""
    item = abi.errors.get(data[:_SELECTOR])
    return item.name if item else ""


@cache
def _entries(name: str) -> Sequence[Mapping[str, Any]]:
    file = resources.files("oracle.chain") / "abi" / f"{name}.json"
    entries: Sequence[Mapping[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["abi"]
    return entries


def _item(entry: Mapping[str, Any]) -> Item:
    selector = keccak256(_signature(entry))[:_SELECTOR]
    return Item(entry["name"], selector, entry["inputs"], entry.get("outputs", ()))


def _signature(entry: Mapping[str, Any]) -> bytes:
    return f"{entry['name']}({','.join(_types(entry['inputs']))})".encode()


def _types(parameters: Sequence[Mapping[str, Any]]) -> list[str]:
    return [_type(parameter) for parameter in parameters]


def _type(parameter: Mapping[str, Any]) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_types(parameter['components']))}){kind.removeprefix('tuple')}"


def _named(parameter: Mapping[str, Any], value: Any) -> Any:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return value
    components = parameter["components"]
    if kind.endswith("]"):
        inner = {**parameter, "type": kind[: kind.rindex("[")]}
        return tuple(_named(inner, item) for item in value)
    return {
        component["name"]: _named(component, item)
        for component, item in zip(components, value, strict=True)
    }


def _text(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
