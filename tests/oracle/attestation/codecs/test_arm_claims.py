"""Lifecycles and software components of Arm's tokens."""

from typing import Any

import cbor2
import pytest

from oracle.attestation.claims import DebugState, Measurement, Unchecked
from oracle.attestation.codecs import arm_claims, cbor
from oracle.attestation.findings import Malformed
from tests.fakes.arm_tokens import COMPONENTS


def _item(value: Any) -> cbor.Item:
    return cbor.decode(cbor2.dumps(value))


@pytest.mark.parametrize(
    ("value", "state", "debug"),
    [
        (0x0000, "unknown", DebugState.UNKNOWN),
        (0x1001, "assembly-and-test", DebugState.UNKNOWN),
        (0x20FF, "rot-provisioning", DebugState.UNKNOWN),
        (0x3000, "secured", DebugState.DISABLED),
        (0x30FF, "secured", DebugState.DISABLED),
        (0x4000, "non-rot-debug", DebugState.ENABLED),
        (0x5000, "recoverable-rot-debug", DebugState.ENABLED),
        (0x6000, "decommissioned", DebugState.ENABLED),
    ],
)
def test_only_a_secured_device_is_not_debugged(value: int, state: str, debug: DebugState) -> None:
    lifecycle = arm_claims.parse_lifecycle(_item(value))
    assert lifecycle == arm_claims.Lifecycle(value, state, debug)


@pytest.mark.parametrize("value", [-1, 0x0100, 0x2F00, 0x3100, 0x6100, 0x10000, b"\x30\x00", None])
def test_a_lifecycle_that_arm_does_not_define_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        arm_claims.parse_lifecycle(_item(value))


@pytest.mark.parametrize("value", [b"\x01" * 32, b"\x01" * 34, b"\x02" * 33, "text"])
def test_another_instance_id_is_refused(value: Any) -> None:
    assert arm_claims.instance_id(_item(b"\x01" * 33)) == b"\x01" * 33
    with pytest.raises(Malformed, match="instance id"):
        arm_claims.instance_id(_item(value))


def test_a_component_is_named_by_its_type_or_else_its_place() -> None:
    named, nameless = arm_claims.parse_components(_item(COMPONENTS), "sha-384")
    assert named == arm_claims.Component(
        Measurement("BL", "sha256", b"\x21" * 32), b"\x25" * 32, "3.4.2", ()
    )
    assert nameless.measurement == Measurement("component-1", "sha384", b"\x31" * 48)
    assert arm_claims.component_facts((named, nameless)) == {
        "component-0-signer-id": b"\x25" * 32,
        "component-0-version": "3.4.2",
        "component-1-signer-id": b"\x35" * 64,
    }


@pytest.mark.parametrize("said", ["sha-512", "md5", "", "what the profile says"])
def test_an_algorithm_that_is_unknown_or_of_another_length_is_not_claimed(said: str) -> None:
    assert arm_claims.measured("it", said, bytes(32)).algorithm == ""


_GOOD = {2: bytes(32), 5: bytes(32)}


@pytest.mark.parametrize(
    "components",
    [
        {},
        [],
        [_GOOD] * 65,
        [_GOOD, []],
        [{2: bytes(32)}],
        [{5: bytes(32)}],
        [_GOOD | {2: bytes(31)}],
        [_GOOD | {5: bytes(65)}],
        [_GOOD | {1: b"BL"}],
        [_GOOD | {1: "x" * 1025}],
        [_GOOD | {4: 1}],
        [_GOOD | {6: None}],
    ],
    ids=lambda one: str(one)[:40],
)
def test_other_components_are_refused(components: Any) -> None:
    with pytest.raises(Malformed):
        arm_claims.parse_components(_item(components), "sha-256")


def test_what_nobody_reads_is_told() -> None:
    (component,) = arm_claims.parse_components(_item([_GOOD | {7: True, 8: []}]), "sha-256")
    assert component.unknown == (7, 8)
    assert arm_claims.unread({"claims": (), "claims of component 0": component.unknown}) == (
        Unchecked("claims of component 0: 7, 8", "claims that the token's profile does not have"),
    )
