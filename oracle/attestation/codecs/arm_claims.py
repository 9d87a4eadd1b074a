"""What the platform tokens of Arm CCA and the tokens of PSA devices share.

Reference: RFC 9783 (PSA Attestation Token), sections 4.3.1 and 4.4.1; Arm, Realm Management Monitor
specification 1.0-rel0 (DEN0137), sections A7.2.3.2.6 and A7.2.3.2.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from oracle.attestation.claims import DebugState, Fact, Measurement, Unchecked
from oracle.attestation.codecs import cbor
from oracle.attestation.findings import Malformed, Remedy

#: Bytes of a hash.
HASH_SIZES: Final = (32, 48, 64)
#: Software components of one token.
MAX_COMPONENTS: Final = 64
COMPONENT_LABELS: Final[dict[str, cbor.Label]] = {
    "measurement-type": 1,
    "measurement-value": 2,
    "version": 4,
    "signer-id": 5,
    "measurement-description": 6,
}
_ALGORITHMS: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
#: Bits 15 to 8 of the lifecycle -> the state, and what it says of debugging.
_STATES: Final = {
    0x00: ("unknown", DebugState.UNKNOWN),
    0x10: ("assembly-and-test", DebugState.UNKNOWN),
    0x20: ("rot-provisioning", DebugState.UNKNOWN),
    0x30: ("secured", DebugState.DISABLED),
    0x40: ("non-rot-debug", DebugState.ENABLED),
    0x50: ("recoverable-rot-debug", DebugState.ENABLED),
    # Where debugging the root of trust cannot be undone, it ends here.
    0x60: ("decommissioned", DebugState.ENABLED),
}


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where in its life a device is.

    Attributes:
        value: As signed; bits 7 to 0 are the implementer's.
        state: Of bits 15 to 8.
        debug: What the state says of debugging.
    """

    value: int
    state: str
    debug: DebugState


@dataclass(frozen=True, slots=True)
class Component:
    """One piece of software that was measured when it was loaded.

    Attributes:
        measurement: Named by its type as signed, or `component-N` if it has none.
        signer_id: Hash of the key that signed the software; 32, 48 or 64 bytes.
        version: As the vendor writes it; empty if not there.
        unknown: Keys that the documents do not have.
    """

    measurement: Measurement
    signer_id: bytes
    version: str
    unknown: tuple[cbor.Label, ...]


def parse_lifecycle(item: cbor.Item) -> Lifecycle:
    """Read a security lifecycle.

    Raises:
        Malformed: No number, or of no state that Arm defines.
    """
    value = cbor.integer(item, "security lifecycle", range(2**16))
    if value >> 8 not in _STATES:
        raise Malformed(
            f"{value:#06x}",
            " or ".join(f"{state:#04x}00 to {state:#04x}ff" for state in _STATES),
            subject="security lifecycle",
            remedy=Remedy.NEW_EVIDENCE,
        )
    return Lifecycle(value, *_STATES[value >> 8])


def instance_id(item: cbor.Item) -> bytes:
    """What identifies the attestation key: 1 (a UEID of type RAND), then 32 bytes.

    Raises:
        Malformed: Of another size or type.
    """
    value = cbor.byte_string(item, "instance id", (33,))
    if value[0] != 1:
        raise Malformed(
            f"type {value[0]}", "type 1", subject="instance id", remedy=Remedy.NEW_EVIDENCE
        )
    return value


def parse_components(item: cbor.Item, algorithm: str) -> tuple[Component, ...]:
    """Read the software components.

    Args:
        item: The claim.
        algorithm: Hash of components that do not name theirs, as the token says; empty if it does
            not say.

    Raises:
        Malformed: Not 1 to 64 components with a measurement and a signer each.
    """
    items = cbor.array(item, "software components")
    if len(items) not in range(1, MAX_COMPONENTS + 1):
        raise Malformed(
            f"{len(items)} components",
            f"1 to {MAX_COMPONENTS}",
            subject="software components",
            remedy=Remedy.NEW_EVIDENCE,
        )
    return tuple(_component(one, f"component-{i}", algorithm) for i, one in enumerate(items))


def hash_name(said: str) -> str:
    """A hash algorithm as claims name it: `sha256` for `sha-256` and `SHA256`."""
    return said.lower().replace("-", "")


def measured(name: str, said: str, value: bytes) -> Measurement:
    """A register.

    Args:
        name: Of the register.
        said: Its hash algorithm as the token names it.
        value: In full.

    Returns:
        With the algorithm left empty where it is none that is known, or its hashes have another
        length than the value.
    """
    algorithm = hash_name(said)
    known = _ALGORITHMS.get(algorithm) == len(value)
    return Measurement(name, algorithm if known else "", value)


def component_facts(components: tuple[Component, ...]) -> dict[str, Fact]:
    """Signer and version of each, by its place: `component-0-signer-id`, `component-0-version`."""
    facts: dict[str, Fact] = {}
    for i, one in enumerate(components):
        facts[f"component-{i}-signer-id"] = one.signer_id
        if one.version:
            facts[f"component-{i}-version"] = one.version
    return facts


def unread(claims: Mapping[str, tuple[cbor.Label, ...]]) -> tuple[Unchecked, ...]:
    """One entry for each group of claims (its name -> keys) that no document of Arm's explains."""
    return tuple(
        Unchecked(
            f"{what}: {', '.join(map(str, labels))}",
            "claims that the token's profile does not have",
        )
        for what, labels in claims.items()
        if labels
    )


def _component(item: cbor.Item, place: str, algorithm: str) -> Component:
    fields = cbor.Fields(place, cbor.mapping(item, place), COMPONENT_LABELS)
    texts = {
        name: cbor.text(entry, f"{place} {name}", range(1_025)) if entry else ""
        for name in ("measurement-type", "version", "measurement-description")
        for entry in (fields.get(name),)
    }
    value, signer_id = (
        cbor.byte_string(fields.need(name), f"{place} {name}", HASH_SIZES)
        for name in ("measurement-value", "signer-id")
    )
    said = texts["measurement-description"] or algorithm
    name = texts["measurement-type"] or place
    return Component(measured(name, said, value), signer_id, texts["version"], fields.unknown)
