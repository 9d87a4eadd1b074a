"""CCA tokens: what each step of the verifier refuses, and what genuine ones claim."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from oracle.attestation.claims import Claims, DebugState, Measurement, Tee
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.findings import Malformed, Refusal, Unsigned
from oracle.attestation.roots import Roots
from oracle.attestation.tees import cca
from tests.fakes.arm_tokens import (
    CCA_PLATFORM,
    CCA_REALM,
    CcaMachine,
    collection,
    cose_key,
    pinned,
    point,
)
from tests.fakes.refusals import (
    assert_each_flip_is_refused,
    assert_each_step_has_a_case,
    assert_refused,
)

_MACHINE = CcaMachine()
_TOKEN = _MACHINE.token()
_STRANGER = ec.generate_private_key(ec.SECP384R1())


def _verify(raw: bytes, *, roots: Roots | None = None) -> Claims:
    evidence = Evidence(EvidenceFormat.CCA_TOKEN, raw)
    return cca.verify(evidence, Endorsements(), roots=roots or pinned(_MACHINE.platform_key), now=0)


@dataclass(frozen=True)
class _Broken:
    """Evidence that passes every step but one."""

    raw: bytes
    kind: type[Refusal]
    roots: Roots | None = None


_BROKEN = {
    cca.COLLECTION: _Broken(_TOKEN[3:], Malformed),
    cca.PLATFORM: _Broken(_MACHINE.token({2396: bytes(31)}), Malformed),
    cca.REALM: _Broken(_MACHINE.token(realm={10: bytes(32)}), Malformed),
    cca.PLATFORM_SIGNATURE: _Broken(_TOKEN, Unsigned, pinned(_STRANGER)),
    cca.BINDING: _Broken(_MACHINE.token({10: bytes(64)}), Unsigned),
    cca.REALM_SIGNATURE: _Broken(_MACHINE.token(realm_signer=_STRANGER), Unsigned),
}


def test_every_step_has_a_case_that_breaks_it() -> None:
    assert_each_step_has_a_case(cca.STEPS, _BROKEN)


@pytest.mark.parametrize("step", cca.STEPS, ids=lambda step: step.name)
def test_each_step_refuses_what_breaks_only_it(step: Any) -> None:
    broken = _BROKEN[step]
    assert_refused(lambda: _verify(broken.raw, roots=broken.roots), step, broken.kind)


def test_a_token_claims_what_it_says() -> None:
    claims = _verify(_TOKEN)
    assert (claims.format, claims.tee) == (EvidenceFormat.CCA_TOKEN, Tee.CCA)
    assert claims.root_id == pinned(_MACHINE.platform_key).keys[0].id
    assert claims.measurements == (
        Measurement("rim", "sha256", b"\x38" * 32),
        *(Measurement(f"rem{i}", "sha256", bytes((0x40 + i,)) * 32) for i in range(4)),
        Measurement("rpv", "", b"\x35" * 64),
        Measurement("BL", "sha256", b"\x21" * 32),
        Measurement("component-1", "sha384", b"\x31" * 48),
    )
    assert claims.debug is DebugState.DISABLED
    assert claims.hardware_id == CCA_PLATFORM[256]
    assert claims.report_data == CCA_REALM[10]
    assert (claims.tcb, claims.issued_at, claims.expires_at) == (None, None, None)
    assert claims.facts == {
        "profile-platform": "tag:arm.com,2023:cca_platform#1.0.0",
        "platform-hash-algorithm": "sha-384",
        "implementation-id": b"\x96" * 32,
        "platform-config": b"\xcf",
        "lifecycle": 0x3003,
        "lifecycle-state": "secured",
        "component-0-signer-id": b"\x25" * 32,
        "component-0-version": "3.4.2",
        "component-1-signer-id": b"\x35" * 64,
        "verification-service": "https://verifier.example",
        "profile-realm": "tag:arm.com,2023:realm#1.0.0",
        "realm-hash-algorithm": "sha-256",
        "rak-hash-algorithm": "sha-512",
        "rak-encoding": "COSE_Key",
    }
    assert [one.what for one in claims.unchecked] == ["age", "revocation of the platform key"]


def test_a_legacy_token_has_a_bare_point_and_no_realm_profile() -> None:
    raw = _MACHINE.token(
        {265: "http://arm.com/CCA-SSD/1.0.0", 2395: 0x5000, 2400: cbor2.undefined},
        {265: cbor2.undefined, 44237: point(_MACHINE.realm_key)},
    )
    claims = _verify(raw)
    assert claims.facts["rak-encoding"] == "raw uncompressed point"
    assert not {"profile-realm", "verification-service"} & set(claims.facts)
    assert claims.debug is DebugState.ENABLED


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-384", "sha-512"])
def test_the_realms_key_is_bound_by_the_hash_that_the_realm_names(algorithm: str) -> None:
    key = cose_key(_MACHINE.realm_key)
    hashed = hashlib.new(algorithm.replace("-", ""), key).digest()
    raw = _MACHINE.token({10: hashed}, {44240: algorithm})
    assert _verify(raw).facts["rak-hash-algorithm"] == algorithm
    others = {"sha-256", "sha-384", "sha-512"} - {algorithm}
    for other in others:
        unlike = _MACHINE.token({10: hashed}, {44240: other})
        assert_refused(partial(_verify, unlike), cca.BINDING, Unsigned)


def test_a_realm_of_another_platform_is_refused() -> None:
    other = CcaMachine()
    raw = collection(_MACHINE.tokens()[0], other.tokens()[1])
    assert_refused(lambda: _verify(raw), cca.BINDING, Unsigned)


def test_entries_with_their_type_are_read_under_the_newer_tag_alone() -> None:
    platform, realm = _MACHINE.tokens()
    typed = ([263, platform], [263, realm])
    assert _verify(collection(*typed, tag=907)) == _verify(collection(platform, realm))
    for raw in (
        collection(platform, realm, tag=907),
        collection(*typed),
        collection([263, platform], [601, realm], tag=907),
        collection([263, platform], [263, realm, 0], tag=907),
        collection(*typed, tag=61),
    ):
        assert_refused(partial(_verify, raw), cca.COLLECTION, Malformed)


def _collections() -> dict[str, bytes]:
    platform, realm = _MACHINE.tokens()
    tagged = {
        "platform-alone": {44234: platform},
        "realm-alone": {44241: realm},
        "third-entry": {44234: platform, 44241: realm, 44242: b""},
        "not-bytes": {44234: platform, 44241: "realm"},
        "empty": {44234: platform, 44241: b""},
        "no-map": [platform, realm],
        "longer": {44234: platform, 44241: realm + b"\0"},
    }
    return {name: cbor2.dumps(cbor2.CBORTag(399, value)) for name, value in tagged.items()} | {
        "nothing": b"",
        "trailing": _TOKEN + b"\0",
    }


@pytest.mark.parametrize("name", _collections())
def test_anything_but_two_tokens_is_refused(name: str) -> None:
    assert_refused(lambda: _verify(_collections()[name]), cca.COLLECTION, Malformed)


def test_a_mac_in_the_place_of_a_token_is_refused() -> None:
    mac = cbor2.dumps(cbor2.CBORTag(17, [cbor2.dumps({1: 5}), {}, b"p", bytes(32)]))
    with pytest.raises(Unsigned, match="whoever can check a MAC") as refusal:
        _verify(collection(mac, _MACHINE.tokens()[1]))
    assert refusal.value.step == cca.COLLECTION


@pytest.mark.parametrize(
    "changes",
    [
        {265: "tag:arm.com,2024:cca_platform#2.0.0"},
        {10: bytes(33)},
        {256: bytes(33)},
        {2395: 0x7000},
        {2399: []},
        {2400: 1},
        {2401: bytes(1025)},
        {2402: b"sha-256"},
        *({label: cbor2.undefined} for label in (10, *(set(CCA_PLATFORM) - {2400}))),
    ],
    ids=str,
)
def test_a_platforms_claim_outside_its_limits_is_refused(changes: dict[int, Any]) -> None:
    assert_refused(lambda: _verify(_MACHINE.token(changes)), cca.PLATFORM, Malformed)


@pytest.mark.parametrize(
    "changes",
    [
        {265: "tag:arm.com,2024:realm#2.0.0"},
        {10: bytes(63)},
        {44235: bytes(32)},
        {44236: None},
        {44237: b""},
        {44237: b"\x04" + bytes(96)},
        {44237: b"\x02" + bytes(96)},
        {44237: point(ec.derive_private_key(7, ec.SECP256R1()))},
        {44237: "text"},
        {44238: bytes(16)},
        {44239: [bytes(32)] * 3},
        {44239: [bytes(32)] * 5},
        {44239: [bytes(32)] * 3 + [b""]},
        {44240: "sha-1"},
        *({label: cbor2.undefined} for label in (44237, *(set(CCA_REALM) - {265}))),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_realms_claim_outside_its_limits_is_refused(changes: dict[int, Any]) -> None:
    assert_refused(lambda: _verify(_MACHINE.token(realm=changes)), cca.REALM, Malformed)


def test_claims_that_the_profiles_do_not_have_are_told() -> None:
    claims = _verify(_MACHINE.token({2403: b""}, {44299: 1}))
    assert [one.what for one in claims.unchecked][2:] == [
        "claims of the platform token: 2403",
        "claims of the realm token: 44299",
    ]


def test_no_changed_bit_of_a_token_is_accepted() -> None:
    assert_each_flip_is_refused(_TOKEN, _verify)


def test_show_names_claims_and_their_places() -> None:
    tree = cca.show(Evidence(EvidenceFormat.CCA_TOKEN, _TOKEN))
    assert (tree.offset, tree.size) == (0, len(_TOKEN))
    platform, realm = tree.children
    assert [one.name for one in tree.children] == ["platform token", "realm token"]
    (lifecycle,) = (one for one in platform.children[1].children if one.name == "lifecycle")
    (challenge,) = (one for one in realm.children[1].children if one.name == "challenge")
    assert lifecycle.value == str(0x3003)
    assert challenge.offset is not None
    assert _TOKEN[challenge.offset :].startswith(cbor2.dumps(CCA_REALM[10]))


def test_show_refuses_what_is_no_token() -> None:
    with pytest.raises(Malformed):
        cca.show(Evidence(EvidenceFormat.CCA_TOKEN, b"\xa0"))
