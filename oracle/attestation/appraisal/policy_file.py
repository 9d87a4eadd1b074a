"""A policy and its reference values in TOML; the keys with examples are in `README.md`.

Whatever is not known is refused: a misspelled rule would otherwise not be a rule.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from enclave.domain.errors import ConfigError
from oracle.attestation.appraisal.policy import BANNED_PRODUCT_LINES, Policy, ReferenceImage
from oracle.attestation.claims import Tee
from oracle.attestation.evidence import EvidenceFormat

MAX_POLICY: Final = 65_536
#: In one line: the reader of TOML takes memory by the square of a dotted key's length.
MAX_DOTS: Final = 32
#: Of keys, values and tables there is at most one for each mark. 200 machines and 50 images of five
#: registers have 700; the reader's time goes by them, not by bytes.
MAX_MARKS: Final = 2_048
_MARKS: Final = b".,=[{"
#: Of a key that is not known, in the refusal.
_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What a file says."""

    policy: Policy
    reference_values: tuple[ReferenceImage, ...]


def parse_policy(raw: bytes) -> PolicyFile:
    """Read a policy.

    Args:
        raw: TOML, at most 65,536 bytes, 32 dots in a line, and 2,048 of the marks `.,=[{`, also in
            texts and comments.

    Raises:
        ConfigError: Not TOML, or a key that is unknown or has another kind of value; it names the
            key, what was seen and what was wanted.
    """
    if len(raw) > MAX_POLICY:
        raise ConfigError(f"policy of {len(raw)} bytes, wanted at most {MAX_POLICY}")
    marks = sum(raw.count(mark) for mark in _MARKS)
    if marks > MAX_MARKS:
        raise ConfigError(f"policy with {marks} of the marks .,=[{{, wanted at most {MAX_MARKS}")
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.count(b".") > MAX_DOTS:
            raise ConfigError(f"policy: {MAX_DOTS + 1} dots or more in line {number}, wanted fewer")
    try:
        document = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"policy is not TOML: {error}") from error
    images = document.pop("image", [])
    return PolicyFile(_policy(document), _images(images))


def _policy(document: dict[str, Any]) -> Policy:
    values: dict[str, Any] = {}
    _read(document, _KEYS, "", values)
    return Policy(**values)


def _read(
    table: Mapping[str, Any], keys: Mapping[str, Any], path: str, values: dict[str, Any]
) -> None:
    for key, value in table.items():
        name = f"{path}{key}"
        known = keys.get(key)
        if known is None:
            shown = key[:_SHOWN]
            raise ConfigError(f"policy: {path}{shown} is not a key{_nearest(shown, keys)}")
        if isinstance(known, dict):
            if not isinstance(value, dict):
                raise _other(name, value, "a table")
            _read(value, known, f"{name}.", values)
        else:
            field, reader = known
            if field in values:
                raise ConfigError(f"policy: {name} says again what another key said: {field}")
            values[field] = reader(name, value)


def _nearest(key: str, keys: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, [*keys, *_NAMED_APART], 1, 0.5)
    return f"; did you mean {near[0]}?" if near else f", wanted one of {', '.join(sorted(keys))}"


def _other(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"policy: {name} is {value!r}, wanted {wanted}")


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _other(name, value, "true or false")
    return value


def _debug(name: str, value: object) -> bool:
    if value not in ("refuse", "allow"):
        raise _other(name, value, '"refuse" or "allow"')
    return value == "allow"


def _number(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _other(name, value, "a whole number, at least 0")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _other(name, value, "a text")
    return value


def _nonce(name: str, value: object) -> bytes:
    return _text(name, value).encode()


def _hex(name: str, value: object) -> bytes:
    try:
        raw = bytes.fromhex(_text(name, value))
    except ValueError:
        raw = b""
    if not raw:
        raise _other(name, value, "bytes in hexadecimal digits")
    return raw


def _list(name: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _other(name, value, "a list")
    return value


def _texts(name: str, value: object) -> frozenset[str]:
    return frozenset(_text(name, each) for each in _list(name, value))


def _all_hex(name: str, value: object) -> frozenset[bytes]:
    return frozenset(_hex(name, each) for each in _list(name, value))


def _levels(name: str, value: object) -> frozenset[int]:
    levels = frozenset(_number(name, each) for each in _list(name, value))
    if not levels or max(levels) > 3:
        raise _other(name, value, "a list of privilege levels 0 to 3")
    return levels


def _of(kind: type[Tee] | type[EvidenceFormat]) -> Callable[[str, object], frozenset[Any]]:
    def read(name: str, value: object) -> frozenset[Any]:
        names = _texts(name, value)
        unknown = names - {each.value for each in kind}
        if unknown:
            wanted = ", ".join(each.value for each in kind)
            raise _other(name, sorted(unknown)[0], f"one of {wanted}")
        return frozenset(kind(each) for each in names)

    return read


def _minima(name: str, value: object) -> dict[str, dict[str, int]]:
    if not isinstance(value, dict):
        raise _other(name, value, "tables of numbers by component")
    for group, components in value.items():
        if not isinstance(components, dict):
            raise _other(f"{name}.{group}", components, "numbers by component")
        for component, least in components.items():
            _number(f"{name}.{group}.{component}", least)
    return value


def _banned(name: str, value: object) -> dict[str, str]:
    lines = _texts(name, value)
    return {line: BANNED_PRODUCT_LINES.get(line, "the policy bans it") for line in sorted(lines)}


def _images(value: object) -> tuple[ReferenceImage, ...]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _other("image", value, "tables: [[image]]")
    return tuple(_image(f"image[{index}]", each) for index, each in enumerate(value))


def _image(path: str, table: dict[str, Any]) -> ReferenceImage:
    name = _text(f"{path}.name", table.get("name"))
    registers = {key: _hex(f"{path}.{key}", table[key]) for key in table if key != "name"}
    if not registers:
        raise _other(path, table, "at least one register besides its name")
    return ReferenceImage(name, registers)


#: Read apart from the others.
_NAMED_APART: Final = ("image",)
#: Field of `Policy` and reader, by key; a table is a dictionary.
_KEYS: Final[dict[str, Any]] = {
    "tees": ("tees", _of(Tee)),
    "formats": ("formats", _of(EvidenceFormat)),
    "debug": ("allow_debug", _debug),
    "platform_ids": ("platform_ids", _all_hex),
    "issuers": ("issuers", _texts),
    "audience": ("audience", _text),
    "report_data": ("report_data", _hex),
    "report_data_prefix": ("report_data_prefix", _hex),
    "nonce": ("nonce", _nonce),
    "nonce_hex": ("nonce", _hex),
    "user_data": ("user_data", _hex),
    "maximum_age_s": ("maximum_age_s", _number),
    "minimum_validity_s": ("minimum_validity_s", _number),
    "tcb": {
        "statuses": ("statuses", _texts),
        "advisories": ("advisories", _texts),
        "denied_advisories": ("denied_advisories", _texts),
        "minimum_evaluation_number": ("minimum_evaluation_number", _number),
        "minimum": ("minimum_tcb", _minima),
    },
    "tdx": {
        "require_sept_ve_disable": ("require_sept_ve_disable", _switch),
        "require_mrservicetd_zero": ("require_mrservicetd_zero", _switch),
    },
    "intel": {
        "require_production_attributes": ("require_production_attributes", _switch),
    },
    "snp": {
        "vmpls": ("vmpls", _levels),
        "allow_migration_agent": ("allow_migration_agent", _switch),
        "require_policy_bit_17": ("require_policy_bit_17", _switch),
        "allow_smt": ("allow_smt", _switch),
        "banned_product_lines": ("banned_product_lines", _banned),
    },
    "tpm": {"require_nonce": ("require_nonce", _switch)},
}
