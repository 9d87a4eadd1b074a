"""Arm CCA attestation tokens: a realm's, bound to its platform's, under a pinned platform key.

Reference: Arm, Realm Management Monitor specification 1.0-rel0 (DEN0137), section A7.2.3;
draft-ffm-rats-cca-token-00 and -03, sections 3 and 4; before that profile
`http://arm.com/CCA-SSD/1.0.0` (specification 1.0-eac, the realm's key as a bare point).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from oracle.attestation.claims import Claims, Fact, Measurement, Tee, Unchecked
from oracle.attestation.codecs import arm_claims, cbor, cose
from oracle.attestation.codecs.cbor_tree import names_of, node_of
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence
from oracle.attestation.findings import Malformed, Remedy, Step, Unsigned, performing
from oracle.attestation.roots import PinnedKey, Roots

COLLECTION = Step(
    1, "cca.collection", "The file is one platform token and one realm token, each a COSE_Sign1."
)
PLATFORM = Step(
    2,
    "cca.platform-claims",
    "The platform token has its profile's claims, of their types and sizes.",
)
REALM = Step(
    3, "cca.realm-claims", "The realm token has its profile's claims, of their types and sizes."
)
PLATFORM_SIGNATURE = Step(
    4, "cca.platform-signature", "A pinned platform key (CPAK) signed the platform token."
)
BINDING = Step(
    5, "cca.binding", "The platform token's challenge is the hash of the realm token's key."
)
REALM_SIGNATURE = Step(6, "cca.realm-signature", "The realm token's own key signed it.")
STEPS: Final = (COLLECTION, PLATFORM, REALM, PLATFORM_SIGNATURE, BINDING, REALM_SIGNATURE)

_ALGORITHMS: Final = tuple(cose.Algorithm)
#: The collection's tag, and that of drafts since draft-ffm-rats-cca-token-02, whose entries are
#: pairs of a content format and a token.
_TAG, _TYPED_TAG = 399, 907
_EAT_CWT: Final = 263
_ENTRIES: Final[dict[str, cbor.Label]] = {"platform token": 44234, "realm token": 44241}
_PLATFORM_PROFILES: Final = (
    "http://arm.com/CCA-SSD/1.0.0",
    "tag:arm.com,2023:cca_platform#1.0.0",
)
_REALM_PROFILES: Final = ("tag:arm.com,2023:realm#1.0.0",)
_PLATFORM_LABELS: Final[dict[str, cbor.Label]] = {
    "challenge": 10,
    "instance-id": 256,
    "profile": 265,
    "lifecycle": 2395,
    "implementation-id": 2396,
    "software-components": 2399,
    "verification-service": 2400,
    "config": 2401,
    "hash-algorithm": 2402,
}
_REALM_LABELS: Final[dict[str, cbor.Label]] = {
    "challenge": 10,
    "profile": 265,
    "personalization-value": 44235,
    "hash-algorithm": 44236,
    "public-key": 44237,
    "initial-measurement": 44238,
    "extensible-measurements": 44239,
    "public-key-hash-algorithm": 44240,
}
_PLATFORM_NAMES: Final = names_of(_PLATFORM_LABELS, arm_claims.COMPONENT_LABELS)
_REALM_NAMES: Final = names_of(_REALM_LABELS)
_REMS: Final = 4
_CHALLENGE_SIZE: Final = 64
_CONFIG_SIZES: Final = range(1_025)
_POINT_SIZE: Final = 97  # of P-384, uncompressed
_KEY_SIZES: Final = range(1, 257)
_HASHES: Final[dict[str, Callable[[bytes], "hashlib._Hash"]]] = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
_UNCHECKED: Final = (
    Unchecked("age", "a token has no time: compare its challenge with your own"),
    Unchecked("revocation of the platform key", "a pinned key, and nobody publishes a list"),
)


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform token's payload; nothing is verified.

    Attributes:
        challenge: Hash of the realm's key, 32, 48 or 64 bytes.
        instance_id: 1, then 32 bytes that identify the platform's key.
        lifecycle: Where in its life the platform is.
        components: Measured firmware.
        facts: What else it says.
        unknown: Claims that the profile does not have.
    """

    challenge: bytes
    instance_id: bytes
    lifecycle: arm_claims.Lifecycle
    components: tuple[arm_claims.Component, ...]
    facts: dict[str, Fact]
    unknown: tuple[cbor.Label, ...]


@dataclass(frozen=True, slots=True)
class Realm:
    """A realm token's payload; nothing is verified.

    Attributes:
        challenge: The realm's own choice, 64 bytes.
        measurements: RIM, REM 0 to 3, RPV.
        key: That signed the token.
        key_hash: Of the key's bytes as the token has them, by the algorithm that it names.
        facts: What else it says.
        unknown: Claims that the profile does not have.
    """

    challenge: bytes
    measurements: tuple[Measurement, ...]
    key: ec.EllipticCurvePublicKey
    key_hash: bytes
    facts: dict[str, Fact]
    unknown: tuple[cbor.Label, ...]


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that a realm on a platform whose key is pinned made a token.

    1. The file is a collection (tag 399, or 907 with typed entries) of exactly a platform token and
       a realm token; each is a COSE_Sign1 whose protected header is ES256, ES384 or ES512 alone.
    2. The platform token has the claims of its profile, each within its limits.
    3. So has the realm token; its key is a point of P-384 or a COSE_Key. Claims that the profiles
       do not have are named in `unchecked`.
    4. One of `roots.keys` signed the exact bytes of the platform token.
    5. The platform's challenge is the hash of the realm's key, by the algorithm that the realm
       token names.
    6. The realm's key signed the exact bytes of the realm token.

    Not established: that the token is fresh (it has no time), which firmware the components are,
    nor anything of the platform beyond its vendor's word for its key. The lifecycle is a claim.

    Args:
        evidence: The token, raw.
        endorsements: Not read.
        roots: Pinned platform keys; Arm has no root.
        now: Not read: neither tokens nor pinned keys have dates.

    Raises:
        Refusal: With the step that failed.
    """
    # 1. Collection.
    with performing(COLLECTION, subject="token"):
        platform_token, realm_token = parse_collection(evidence.raw)
    # 2. Platform's claims.
    with performing(PLATFORM, subject="platform token"):
        platform = parse_platform(evidence.raw, platform_token)
    # 3. Realm's claims.
    with performing(REALM, subject="realm token"):
        realm = parse_realm(evidence.raw, realm_token)
    # 4. Platform's signature.
    with performing(PLATFORM_SIGNATURE, subject="platform token"):
        signer = cose.find_signer(platform_token, roots.keys, subject="platform token")
    # 5. Binding.
    with performing(BINDING, subject="platform challenge"):
        _check_binding(platform, realm)
    # 6. Realm's signature.
    with performing(REALM_SIGNATURE, subject="realm token"):
        cose.verify_sign1(realm_token, realm.key, subject="realm token")
    return _claims(evidence, platform, realm, signer)


def parse_collection(raw: bytes) -> tuple[cose.Sign1, cose.Sign1]:
    """The platform's and the realm's token; checks shape only.

    Raises:
        Malformed: Anything but exactly these two.
        Unsigned: One is a COSE_Mac0.
    """
    item = cbor.decode(raw, tags=frozenset({_TAG, _TYPED_TAG}))
    collection = item.value
    if not isinstance(collection, cbor.Tagged):
        raise cbor.mistyped(item, "collection", f"tag {_TAG}")
    entries = cbor.mapping(collection.item, "collection")
    fields = cbor.Fields("a collection", entries, _ENTRIES)
    if fields.unknown:
        raise _malformed(f"entry {fields.unknown[0]!r}", "platform and realm token", "collection")
    platform, realm = (
        _entry(raw, fields.need(name), name, is_typed=collection.number == _TYPED_TAG)
        for name in _ENTRIES
    )
    return platform, realm


def parse_platform(raw: bytes, sign1: cose.Sign1) -> Platform:
    """Read the payload of a platform token; checks shape only.

    Raises:
        Malformed: A claim is missing, of another type, or outside its profile's limits.
    """
    fields = _fields(raw, sign1, "a platform token", _PLATFORM_LABELS)
    profile = _profile(fields, _PLATFORM_PROFILES)
    algorithm = cbor.text(fields.need("hash-algorithm"), "hash-algorithm")
    components = arm_claims.parse_components(fields.need("software-components"), algorithm)
    lifecycle = arm_claims.parse_lifecycle(fields.need("lifecycle"))
    service = fields.get("verification-service")
    facts: dict[str, Fact] = {
        "profile-platform": profile,
        "platform-hash-algorithm": algorithm,
        "implementation-id": _bytes(fields, "implementation-id", (32,)),
        "platform-config": _bytes(fields, "config", _CONFIG_SIZES),
        "lifecycle": lifecycle.value,
        "lifecycle-state": lifecycle.state,
        **arm_claims.component_facts(components),
    }
    if service:
        facts["verification-service"] = cbor.text(service, "verification-service")
    return Platform(
        challenge=_bytes(fields, "challenge", arm_claims.HASH_SIZES),
        instance_id=arm_claims.instance_id(fields.need("instance-id")),
        lifecycle=lifecycle,
        components=components,
        facts=facts,
        unknown=fields.unknown,
    )


def parse_realm(raw: bytes, sign1: cose.Sign1) -> Realm:
    """Read the payload of a realm token; checks shape only.

    Raises:
        Malformed: A claim is missing, of another type, or outside its profile's limits.
    """
    fields = _fields(raw, sign1, "a realm token", _REALM_LABELS)
    algorithm = cbor.text(fields.need("hash-algorithm"), "hash-algorithm")
    key = _bytes(fields, "public-key", _KEY_SIZES)
    is_point = len(key) == _POINT_SIZE and key[0] == 4
    subject = "realm's public key"
    key_algorithm = cbor.text(fields.need("public-key-hash-algorithm"), "public-key-hash-algorithm")
    facts: dict[str, Fact] = {
        "realm-hash-algorithm": algorithm,
        "rak-hash-algorithm": key_algorithm,
        "rak-encoding": "raw uncompressed point" if is_point else "COSE_Key",
    }
    if fields.get("profile"):
        facts["profile-realm"] = _profile(fields, _REALM_PROFILES)
    return Realm(
        challenge=_bytes(fields, "challenge", (_CHALLENGE_SIZE,)),
        measurements=_registers(fields, algorithm),
        key=(
            cose.parse_point(key, ec.SECP384R1(), subject)
            if is_point
            else cose.parse_key(key, subject)
        ),
        key_hash=_hash(key_algorithm, key),
        facts=facts,
        unknown=fields.unknown,
    )


def show(evidence: Evidence) -> Node:
    """Decode a token into a tree with offsets; nothing is verified.

    Raises:
        Malformed: Not a CCA token.
        Unsigned: One of its tokens is a COSE_Mac0.
    """
    platform, realm = parse_collection(evidence.raw)
    return Node(
        "CCA token",
        offset=0,
        size=len(evidence.raw),
        children=tuple(
            cose.show_sign1(name, sign1, node_of("claims", _decode(evidence.raw, sign1), names))
            for name, sign1, names in (
                ("platform token", platform, _PLATFORM_NAMES),
                ("realm token", realm, _REALM_NAMES),
            )
        ),
    )


def _entry(raw: bytes, item: cbor.Item, name: str, *, is_typed: bool) -> cose.Sign1:
    if is_typed:
        parts = cbor.array(item, name)
        if len(parts) != 2:
            raise _malformed(f"{len(parts)} parts", "content format and token", name)
        cbor.integer(parts[0], f"content format of the {name}", (_EAT_CWT,))
        item = parts[1]
    token = cbor.byte_string(item, name, range(1, cbor.MAX_SIZE))
    begins = item.end - len(token)
    return cose.parse_sign1(raw, algorithms=_ALGORITHMS, start=begins, end=item.end)


def _decode(raw: bytes, sign1: cose.Sign1) -> cbor.Item:
    return cbor.decode(raw, start=sign1.payload_at, end=sign1.payload_at + len(sign1.payload))


def _fields(raw: bytes, sign1: cose.Sign1, what: str, labels: dict[str, cbor.Label]) -> cbor.Fields:
    return cbor.Fields(what, cbor.mapping(_decode(raw, sign1), what), labels)


def _bytes(fields: cbor.Fields, name: str, sizes: range | tuple[int, ...]) -> bytes:
    return cbor.byte_string(fields.need(name), f"{name} of {fields.what}", sizes)


def _malformed(seen: str, wanted: str, subject: str) -> Malformed:
    return Malformed(seen, wanted, subject=subject, remedy=Remedy.RIGHT_FORMAT)


def _profile(fields: cbor.Fields, known: tuple[str, ...]) -> str:
    profile = cbor.text(fields.need("profile"), "profile")
    if profile not in known:
        raise _malformed(profile, " or ".join(known), f"profile of {fields.what}")
    return profile


def _registers(fields: cbor.Fields, algorithm: str) -> tuple[Measurement, ...]:
    initial = _bytes(fields, "initial-measurement", arm_claims.HASH_SIZES)
    items = cbor.array(fields.need("extensible-measurements"), "extensible-measurements")
    if len(items) != _REMS:
        raise _malformed(f"{len(items)} registers", str(_REMS), "extensible-measurements")
    extensible = (
        arm_claims.measured(
            f"rem{i}", algorithm, cbor.byte_string(item, f"REM {i}", arm_claims.HASH_SIZES)
        )
        for i, item in enumerate(items)
    )
    personal = _bytes(fields, "personalization-value", (64,))
    return (
        arm_claims.measured("rim", algorithm, initial),
        *extensible,
        Measurement("rpv", "", personal),
    )


def _hash(said: str, key: bytes) -> bytes:
    algorithm = arm_claims.hash_name(said)
    if algorithm not in _HASHES:
        raise _malformed(said, "sha-256, sha-384 or sha-512", "public-key-hash-algorithm")
    return _HASHES[algorithm](key).digest()


def _check_binding(platform: Platform, realm: Realm) -> None:
    if platform.challenge != realm.key_hash:
        raise Unsigned(
            platform.challenge.hex(),
            f"{realm.key_hash.hex()}, the hash of the realm's key",
            subject="platform challenge",
            remedy=Remedy.NEW_EVIDENCE,
        )


def _claims(evidence: Evidence, platform: Platform, realm: Realm, signer: PinnedKey) -> Claims:
    unknown = {
        "claims of the platform token": platform.unknown,
        "claims of the realm token": realm.unknown,
    } | {f"claims of component {i}": one.unknown for i, one in enumerate(platform.components)}
    return Claims(
        format=evidence.format,
        tee=Tee.CCA,
        root_id=signer.id,
        measurements=(*realm.measurements, *(one.measurement for one in platform.components)),
        tcb=None,
        debug=platform.lifecycle.debug,
        hardware_id=platform.instance_id,
        report_data=realm.challenge,
        issued_at=None,
        expires_at=None,
        facts=platform.facts | realm.facts,
        unchecked=(*_UNCHECKED, *arm_claims.unread(unknown)),
    )
