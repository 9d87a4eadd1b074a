"""PSA attestation tokens: what a device with TrustZone says of itself, under a pinned key.

Reference: RFC 9783 (May 2025), sections 4 and 5; its predecessors with the profiles
`http://arm.com/psa/2.0.0` and `PSA_IOT_PROFILE_1` (Arm, PSA Attestation API 1.0.3, IHI 0085,
appendix with the CDDL).
"""

from dataclasses import dataclass
from typing import Final

from oracle.attestation.claims import Claims, Fact, Tee, Unchecked
from oracle.attestation.codecs import arm_claims, cbor, cose
from oracle.attestation.codecs.cbor_tree import names_of, node_of
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence
from oracle.attestation.findings import Malformed, Remedy, Step, performing
from oracle.attestation.roots import PinnedKey, Roots

ENVELOPE = Step(
    1, "psa.envelope", "The file is one COSE_Sign1 that says its algorithm and nothing else."
)
CLAIMS = Step(
    2, "psa.claims", "The payload has the claims of its profile, of their types and sizes."
)
SIGNATURE = Step(3, "psa.signature", "A pinned attestation key signed these very bytes.")
STEPS: Final = (ENVELOPE, CLAIMS, SIGNATURE)

_ALGORITHMS: Final = tuple(cose.Algorithm)
_PROFILE: Final = 265
_PROFILES: Final = ("http://arm.com/psa/2.0.0", "tag:psacertified.org,2023:psa#tfm")
_LABELS: Final[dict[str, cbor.Label]] = {
    "nonce": 10,
    "instance-id": 256,
    "profile": _PROFILE,
    "client-id": 2394,
    "security-lifecycle": 2395,
    "implementation-id": 2396,
    "boot-seed": 2397,
    "certification-reference": 2398,
    "software-components": 2399,
    "verification-service": 2400,
}
_LEGACY_PROFILES: Final = ("PSA_IOT_PROFILE_1",)
_LEGACY_LABELS: Final[dict[str, cbor.Label]] = {
    "profile": -75000,
    "client-id": -75001,
    "security-lifecycle": -75002,
    "implementation-id": -75003,
    "boot-seed": -75004,
    "hardware-version": -75005,
    "software-components": -75006,
    "no-software-measurements": -75007,
    "nonce": -75008,
    "instance-id": -75009,
    "verification-service": -75010,
}
_NAMES: Final = names_of(_LABELS, _LEGACY_LABELS, arm_claims.COMPONENT_LABELS)
_CLIENT_IDS: Final = range(-(2**31), 2**31)
_UNCHECKED: Final = (
    Unchecked("age", "a token has no time: compare its nonce with your own"),
    Unchecked("revocation of the attestation key", "a pinned key, and nobody publishes a list"),
    Unchecked(
        "client", "which partition asked is a claim: those of the non-secure side are negative"
    ),
)


@dataclass(frozen=True, slots=True)
class Token:
    """The payload; nothing is verified.

    Attributes:
        nonce: Of whoever asked; 32, 48 or 64 bytes.
        instance_id: 1, then 32 bytes that identify the attestation key.
        lifecycle: Where in its life the device is.
        components: Measured software; empty if the device says that it measures none.
        facts: What else it says.
        unknown: Claims that the profile does not have.
    """

    nonce: bytes
    instance_id: bytes
    lifecycle: arm_claims.Lifecycle
    components: tuple[arm_claims.Component, ...]
    facts: dict[str, Fact]
    unknown: tuple[cbor.Label, ...]


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that a device whose attestation key is pinned made a token.

    1. The file is a COSE_Sign1, tagged or not; its protected header is ES256, ES384 or ES512 alone.
       A COSE_Mac0 is refused: it proves nothing to a third party.
    2. The payload has the claims of RFC 9783 or of a predecessor's profile, each within its limits;
       claims that the profile does not have are named in `unchecked`.
    3. One of `roots.keys` signed the exact bytes of protected header and payload.

    Not established: that the token is fresh (it has no time), which software the measurements are,
    nor anything of the device beyond its vendor's word for its key. The lifecycle is a claim.

    Args:
        evidence: The token, raw.
        endorsements: Not read.
        roots: Pinned keys.
        now: Not read: neither tokens nor pinned keys have dates.

    Raises:
        Refusal: With the step that failed.
    """
    # 1. Envelope.
    with performing(ENVELOPE, subject="token"):
        sign1 = cose.parse_sign1(evidence.raw, algorithms=_ALGORITHMS)
    # 2. Claims.
    with performing(CLAIMS, subject="payload"):
        token = parse_token(evidence.raw, sign1)
    # 3. Signature.
    with performing(SIGNATURE, subject="signature"):
        signer = cose.find_signer(sign1, roots.keys, subject="token")
    return _claims(evidence, token, signer)


def parse_token(raw: bytes, sign1: cose.Sign1) -> Token:
    """Read the payload of a token; checks shape only.

    Args:
        raw: The whole file.
        sign1: Its envelope.

    Raises:
        Malformed: A claim is missing, of another type, or outside its profile's limits.
    """
    entries = cbor.mapping(_decode(raw, sign1), "payload")
    is_legacy = _PROFILE not in entries
    fields = cbor.Fields("a token", entries, _LEGACY_LABELS if is_legacy else _LABELS)
    components = _components(fields, is_legacy=is_legacy)
    lifecycle = arm_claims.parse_lifecycle(fields.need("security-lifecycle"))
    return Token(
        nonce=cbor.byte_string(fields.need("nonce"), "nonce", arm_claims.HASH_SIZES),
        instance_id=arm_claims.instance_id(fields.need("instance-id")),
        lifecycle=lifecycle,
        components=components,
        facts={
            "profile": _profile(fields, is_legacy=is_legacy),
            "client-id": _client_id(fields),
            "implementation-id": cbor.byte_string(
                fields.need("implementation-id"), "implementation-id", (32,)
            ),
            "lifecycle": lifecycle.value,
            "lifecycle-state": lifecycle.state,
            **_boot_seed(fields, is_legacy=is_legacy),
            **_texts(fields, is_legacy=is_legacy),
            **arm_claims.component_facts(components),
        },
        unknown=fields.unknown,
    )


def show(evidence: Evidence) -> Node:
    """Decode a token into a tree with offsets; nothing is verified.

    Raises:
        Malformed: Not a PSA token.
        Unsigned: A COSE_Mac0.
    """
    sign1 = cose.parse_sign1(evidence.raw, algorithms=_ALGORITHMS)
    payload = node_of("payload", _decode(evidence.raw, sign1), _NAMES)
    return cose.show_sign1("PSA token", sign1, payload)


def _decode(raw: bytes, sign1: cose.Sign1) -> cbor.Item:
    return cbor.decode(raw, start=sign1.payload_at, end=sign1.payload_at + len(sign1.payload))


def _malformed(seen: str, wanted: str, subject: str) -> Malformed:
    return Malformed(seen, wanted, subject=subject, remedy=Remedy.RIGHT_FORMAT)


def _profile(fields: cbor.Fields, *, is_legacy: bool) -> str:
    """The oldest tokens need not name theirs."""
    item = fields.get("profile")
    profile = cbor.text(item, "profile") if item else _LEGACY_PROFILES[0]
    known = _LEGACY_PROFILES if is_legacy else _PROFILES
    if profile not in known:
        raise _malformed(profile, " or ".join(known), "profile")
    return profile


def _client_id(fields: cbor.Fields) -> int:
    client = cbor.integer(fields.need("client-id"), "client-id", _CLIENT_IDS)
    if client == 0:
        raise _malformed("0", "a partition's number", "client-id")
    return client


def _boot_seed(fields: cbor.Fields, *, is_legacy: bool) -> dict[str, Fact]:
    if is_legacy:
        return {"boot-seed": cbor.byte_string(fields.need("boot-seed"), "boot-seed", (32,))}
    item = fields.get("boot-seed")
    return {"boot-seed": cbor.byte_string(item, "boot-seed", range(8, 33))} if item else {}


def _texts(fields: cbor.Fields, *, is_legacy: bool) -> dict[str, Fact]:
    reference = "hardware-version" if is_legacy else "certification-reference"
    names = (reference, "verification-service")
    return {name: cbor.text(item, name) for name in names if (item := fields.get(name))}


def _components(fields: cbor.Fields, *, is_legacy: bool) -> tuple[arm_claims.Component, ...]:
    """None only of an old device that says so outright."""
    if is_legacy and (none := fields.get("no-software-measurements")):
        cbor.integer(none, "no-software-measurements", (1,))
        if fields.get("software-components"):
            raise _malformed("both", "measurements, or the claim of none", "software components")
        return ()
    return arm_claims.parse_components(fields.need("software-components"), "")


def _claims(evidence: Evidence, token: Token, signer: PinnedKey) -> Claims:
    unknown = {"claims": token.unknown} | {
        f"claims of component {i}": one.unknown for i, one in enumerate(token.components)
    }
    return Claims(
        format=evidence.format,
        tee=Tee.TRUSTZONE,
        root_id=signer.id,
        measurements=tuple(one.measurement for one in token.components),
        tcb=None,
        debug=token.lifecycle.debug,
        hardware_id=token.instance_id,
        report_data=token.nonce,
        issued_at=None,
        expires_at=None,
        facts=token.facts,
        unchecked=(*_UNCHECKED, *arm_claims.unread(unknown)),
    )
