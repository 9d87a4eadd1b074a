"""PSA tokens: what each step of the verifier refuses, and what genuine ones claim."""

from dataclasses import dataclass
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from oracle.attestation.claims import Claims, DebugState, Measurement, Tee
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.findings import Malformed, Refusal, Remedy, Unsigned
from oracle.attestation.roots import Roots
from oracle.attestation.tees import psa
from tests.fakes.arm_tokens import ES256, ES384, PSA, PSA_LEGACY, changed, pinned, psa_token
from tests.fakes.refusals import (
    assert_each_flip_is_refused,
    assert_each_step_has_a_case,
    assert_refused,
)

_KEY = ec.generate_private_key(ec.SECP256R1())
_OTHER = ec.generate_private_key(ec.SECP256R1())
_TOKEN = psa_token(PSA, _KEY)
_MAC0 = cbor2.dumps(cbor2.CBORTag(17, [cbor2.dumps({1: 5}), {}, cbor2.dumps(PSA), bytes(32)]))


def _verify(raw: bytes, *, roots: Roots | None = None) -> Claims:
    evidence = Evidence(EvidenceFormat.PSA_TOKEN, raw)
    return psa.verify(evidence, Endorsements(), roots=roots or pinned(_KEY), now=0)


def _changed(claims: dict[int, Any], changes: dict[int, Any]) -> bytes:
    return psa_token(changed(claims, changes), _KEY)


@dataclass(frozen=True)
class _Broken:
    """Evidence that passes every step but one."""

    raw: bytes
    kind: type[Refusal]
    roots: Roots | None = None


_BROKEN = {
    psa.ENVELOPE: _Broken(_MAC0, Unsigned),
    psa.CLAIMS: _Broken(_changed(PSA, {10: bytes(16)}), Malformed),
    psa.SIGNATURE: _Broken(_TOKEN, Unsigned, pinned(_OTHER)),
}


def test_every_step_has_a_case_that_breaks_it() -> None:
    assert_each_step_has_a_case(psa.STEPS, _BROKEN)


@pytest.mark.parametrize("step", psa.STEPS, ids=lambda step: step.name)
def test_each_step_refuses_what_breaks_only_it(step: Any) -> None:
    broken = _BROKEN[step]
    assert_refused(lambda: _verify(broken.raw, roots=broken.roots), step, broken.kind)


def test_a_token_claims_what_it_says() -> None:
    claims = _verify(_TOKEN)
    assert (claims.format, claims.tee) == (EvidenceFormat.PSA_TOKEN, Tee.TRUSTZONE)
    assert claims.root_id == pinned(_KEY).keys[0].id
    assert claims.measurements == (
        Measurement("BL", "sha256", b"\x21" * 32),
        Measurement("component-1", "", b"\x31" * 48),
    )
    assert claims.debug is DebugState.DISABLED
    assert claims.hardware_id == PSA[256]
    assert claims.report_data == PSA[10]
    assert (claims.tcb, claims.issued_at, claims.expires_at) == (None, None, None)
    assert claims.facts == {
        "profile": "tag:psacertified.org,2023:psa#tfm",
        "client-id": -7,
        "implementation-id": b"\x96" * 32,
        "lifecycle": 0x3001,
        "lifecycle-state": "secured",
        "boot-seed": b"\x97" * 8,
        "certification-reference": "1234567890123-12345",
        "verification-service": "https://verifier.example",
        "component-0-signer-id": b"\x25" * 32,
        "component-0-version": "3.4.2",
        "component-1-signer-id": b"\x35" * 64,
    }
    assert len(claims.unchecked) == 3


def test_a_legacy_token_claims_what_it_says() -> None:
    claims = _verify(psa_token(PSA_LEGACY, _KEY))
    assert claims.debug is DebugState.ENABLED
    assert claims.report_data == PSA_LEGACY[-75008]
    assert claims.facts["profile"] == "PSA_IOT_PROFILE_1"
    assert claims.facts["client-id"] == 3002
    assert claims.facts["hardware-version"] == "1234567890123"
    assert claims.facts["boot-seed"] == b"\x97" * 32
    assert len(claims.measurements) == 2


def test_what_a_profile_makes_optional_may_be_absent() -> None:
    absent = dict.fromkeys((2397, 2398, 2400), cbor2.undefined)
    claims = _verify(_changed(PSA, {265: "http://arm.com/psa/2.0.0", **absent}))
    assert claims.facts["profile"] == "http://arm.com/psa/2.0.0"
    assert not {"boot-seed", "certification-reference", "verification-service"} & set(claims.facts)
    absent = dict.fromkeys((-75000, -75005, -75010), cbor2.undefined)
    assert _verify(_changed(PSA_LEGACY, absent)).facts["profile"] == "PSA_IOT_PROFILE_1"


def test_a_device_that_measures_nothing_says_so_outright() -> None:
    assert _verify(_changed(PSA_LEGACY, {-75006: cbor2.undefined, -75007: 1})).measurements == ()
    for changes in ({-75006: cbor2.undefined}, {-75007: 1}, {-75006: cbor2.undefined, -75007: 0}):
        with pytest.raises(Malformed):
            _verify(_changed(PSA_LEGACY, changes))


def test_claims_that_the_profile_does_not_have_are_told() -> None:
    claims = _verify(_changed(PSA, {2450: 1, 2451: 2, 2399: [{2: bytes(32), 5: bytes(32), 9: 1}]}))
    assert [one.what for one in claims.unchecked][3:] == [
        "claims: 2450, 2451",
        "claims of component 0: 9",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {265: "PSA_IOT_PROFILE_1"},
        {265: "http://arm.com/psa/3.0.0"},
        {265: 1},
        {10: bytes(31)},
        {256: b"\x02" + bytes(32)},
        {2394: 0},
        {2394: 2**31},
        {2394: -(2**31) - 1},
        {2395: 0x7000},
        {2396: bytes(33)},
        {2397: bytes(7)},
        {2397: bytes(33)},
        {2398: b"text"},
        {2399: []},
        {2400: ""},
        *({label: cbor2.undefined} for label in (10, 256, 265, 2394, 2395, 2396, 2399)),
    ],
    ids=str,
)
def test_a_claim_outside_its_limits_is_refused(changes: dict[int, Any]) -> None:
    assert_refused(lambda: _verify(_changed(PSA, changes)), psa.CLAIMS, Malformed)


@pytest.mark.parametrize(
    "changes",
    [
        {-75000: "http://arm.com/psa/2.0.0"},
        {-75004: bytes(8)},
        {-75004: cbor2.undefined},
        {-75005: 1},
    ],
    ids=str,
)
def test_a_legacy_claim_outside_its_limits_is_refused(changes: dict[int, Any]) -> None:
    assert_refused(lambda: _verify(_changed(PSA_LEGACY, changes)), psa.CLAIMS, Malformed)


def test_a_payload_that_is_no_map_is_refused() -> None:
    listed = psa_token([], _KEY)  # type: ignore[arg-type] # the point of the test
    assert_refused(lambda: _verify(listed), psa.CLAIMS, Malformed)


def test_a_token_may_be_untagged_and_of_another_algorithm() -> None:
    assert _verify(_TOKEN.removeprefix(b"\xd2")) == _verify(_TOKEN)
    key = ec.generate_private_key(ec.SECP384R1())
    assert (
        _verify(psa_token(PSA, key, ES384), roots=pinned(_OTHER, key)).facts["lifecycle"] == 12289
    )


def test_a_mac_is_refused_with_the_reason() -> None:
    with pytest.raises(Unsigned, match="whoever can check a MAC") as refusal:
        _verify(_MAC0)
    assert refusal.value.remedy is Remedy.ASYMMETRIC_KEY


def test_without_a_pinned_key_nothing_is_genuine() -> None:
    with pytest.raises(Unsigned, match="none of the 0 pinned keys") as refusal:
        _verify(_TOKEN, roots=Roots())
    assert refusal.value.step == psa.SIGNATURE


@pytest.mark.parametrize("claims", [PSA, PSA_LEGACY], ids=["rfc9783", "legacy"])
def test_no_changed_bit_of_a_token_is_accepted(claims: dict[int, Any]) -> None:
    assert_each_flip_is_refused(psa_token(claims, _KEY, ES256), _verify)


def test_show_names_claims_and_their_places() -> None:
    for claims, label in ((PSA, 2395), (PSA_LEGACY, -75002)):
        raw = psa_token(claims, _KEY)
        tree = psa.show(Evidence(EvidenceFormat.PSA_TOKEN, raw))
        payload = tree.children[1]
        (lifecycle,) = (one for one in payload.children if one.name == "security-lifecycle")
        assert lifecycle.value == str(claims[label])
        assert lifecycle.offset is not None
        assert raw[lifecycle.offset :].startswith(cbor2.dumps(claims[label]))
        (components,) = (one for one in payload.children if one.name == "software-components")
        assert components.children[0].children[0].name == "measurement-type"


def test_show_refuses_what_is_no_token() -> None:
    with pytest.raises(Malformed):
        psa.show(Evidence(EvidenceFormat.PSA_TOKEN, b"\xa0"))
