"""Google Cloud Attestation's tokens: Confidential Space (PKI and OIDC) and Confidential VM.

A token is Google's word about hardware evidence that Google has checked and that is not here.

Reference: Google Cloud, Confidential Space, "Attestation token claims" and "Attestation token
validation endpoint fields" (2025); Confidential VM, "Google Cloud Attestation token claims".
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from oracle.attestation.claims import (
    Claims,
    DebugState,
    Fact,
    Measurement,
    Tcb,
    Tee,
    Unchecked,
)
from oracle.attestation.codecs.certificates import extensions_of, load_crl, name_of
from oracle.attestation.codecs.chains import verify_chain
from oracle.attestation.codecs.jws import (
    Jws,
    certificates_of,
    check_algorithm,
    parse_jws,
    rsa_key_of,
    select_key,
    show_jws,
    verify_signature,
)
from oracle.attestation.codecs.jwt import (
    check_window,
    flag,
    flat_claims,
    hexadecimal,
    malformed,
    member,
    text,
    texts,
)
from oracle.attestation.codecs.strict_json import Json, compact
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence
from oracle.attestation.findings import Remedy, Step, Unsigned, performing
from oracle.attestation.roots import Anchors, Roots

FORM: Final = Step(
    1, "google.token-form", "The token is one compact JWS of strict JSON, nothing before or after."
)
ALGORITHM: Final = Step(
    2, "google.algorithm", "The token says that it is signed with RS256, without extensions."
)
CHAIN: Final = Step(
    3,
    "google.certificate-chain",
    "PKI token: its x5c is the path, leaf first, to a pinned Confidential Space root, all in date.",
)
LEAF: Final = Step(4, "google.leaf", "PKI token: the leaf is no CA and its key may sign.")
KEY_SET: Final = Step(
    5, "google.key-set", "OIDC token: its key id names one signing key of the issuer's key set."
)
SIGNATURE: Final = Step(6, "google.signature", "That key signed header and claims.")
VALIDITY: Final = Step(7, "google.validity", "The token is valid already and not expired.")
CLAIMS: Final = Step(
    8, "google.claims", "Every claim that is relied on has the form that Google documents."
)
STEPS: Final[tuple[Step, ...]] = (
    FORM,
    ALGORITHM,
    CHAIN,
    LEAF,
    KEY_SET,
    SIGNATURE,
    VALIDITY,
    CLAIMS,
)

_ALGORITHMS: Final = frozenset({"RS256"})
#: `hwmodel`. A Shielded VM has a virtual TPM and no memory encryption.
_MODELS: Final = {
    "GCP_INTEL_TDX": Tee.TDX,
    "GCP_AMD_SEV": Tee.SEV,
    "GCP_AMD_SEV_ES": Tee.SEV,
    "GCP_SHIELDED_VM": Tee.TPM,
}
_DIGEST: Final = "sha256:"
_DIGEST_SIZE: Final = 32
#: Google's documents say 6.
_MAX_NONCES: Final = 6
_MAX_TEXTS: Final = 64


@dataclass(frozen=True, slots=True)
class _Signer:
    """Whose key signed: the key, what it is anchored in, until when, and what that leaves open."""

    key: RSAPublicKey
    root_id: bytes
    expires_at: int | None
    kind: str
    unchecked: tuple[Unchecked, ...]


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that Google issued a token, and that it holds now.

    Steps:
        1. Three canonical base64url parts, strict JSON, at most 65,536 bytes.
        2. RS256; `none` and critical extensions are refused.
        3. PKI token (header `x5c`): the certificates are exactly the path to a root of
           `Anchors.GOOGLE_CONFIDENTIAL_SPACE`, the last compared with it byte for byte.
        4. PKI token: the leaf is no CA; its key usage, if stated, has digital signature.
        5. OIDC token (no `x5c`): `kid` names exactly one key of `endorsements.jwks`.
        6. The signature.
        7. nbf and iat not after now, now before exp; no leeway.
        8. Issuer, audience, hardware model, debug state, software name, nonces, image digests.

    Not established: anything that Google's verifier has to see (the hardware's evidence, its
    firmware, the boot log). `iss` is a claim: hold it to `issuers.GOOGLE`. For an OIDC token,
    that the key set is Google's, unless the key is among `roots.keys`.

    Args:
        evidence: The token as ASCII, without a line end.
        endorsements: `jwks` for an OIDC token; `crls` if there are any.
        roots: Confidential Space roots; keys that the caller has pinned.
        now: Seconds since the epoch.

    Returns:
        Claims. `report_data`: UTF-8 of the one nonce; of several, their list as compact JSON;
        empty without. Measurements: `image-digest` and `image-id`, SHA-256 of the container's
        manifest and configuration. Facts: `issuer`, `audience`, `subject`, `token-type` (`PKI`,
        `OIDC`), `hwmodel`, `swname`, `swversion`, `secure-boot`, `support-attributes` (joined by
        commas; empty on debug images), `image-reference`, and every claim by its path
        (`claims.…`), the container's arguments and environment among them.

    Raises:
        Refusal: With the step that failed.
    """
    # 1. Form.
    with performing(FORM, subject="token"):
        jws = parse_jws(evidence.raw)
    # 2. Algorithm.
    with performing(ALGORITHM, subject="header alg"):
        check_algorithm(jws, _ALGORITHMS)
    # 3. and 4. PKI, or 5. OIDC.
    if "x5c" in jws.header:
        signer = _pki_signer(jws, endorsements, roots, now)
    else:
        signer = _oidc_signer(jws, endorsements, roots, now)
    # 6. Signature.
    with performing(SIGNATURE, subject="signature of the token"):
        verify_signature(jws, signer.key)
    # 7. Validity.
    with performing(VALIDITY, subject="token"):
        window = check_window(jws.claims, now=now)
    ends = [window.expires_at, *([signer.expires_at] if signer.expires_at else [])]
    # 8. Claims.
    with performing(CLAIMS, subject="claims"):
        return Claims(
            format=evidence.format,
            tee=_tee(jws.claims),
            root_id=signer.root_id,
            measurements=_measurements(jws.claims),
            tcb=_tcb(jws.claims),
            debug=_debug(jws.claims),
            hardware_id=b"",
            report_data=_report_data(jws.claims),
            issued_at=window.issued_at,
            expires_at=min(ends),
            facts=_facts(jws.claims, signer.kind),
            unchecked=(
                *signer.unchecked,
                Unchecked(
                    "evidence of the hardware",
                    "Google's verifier has checked it and the token does not carry it: this is"
                    " Google's word, not the hardware vendor's",
                ),
            ),
        )


def show(evidence: Evidence) -> Node:
    """Decode a token into header, claims and signature. Verifies nothing.

    Raises:
        MalformedEvidence: Not a compact JWS of strict JSON.
    """
    return show_jws(evidence.raw)


def _pki_signer(jws: Jws, endorsements: Endorsements, roots: Roots, now: int) -> _Signer:
    # 3. The chain is x5c and nothing but it.
    with performing(CHAIN, subject="header x5c", remedy=Remedy.FULL_CHAIN):
        given = certificates_of(jws)
        trusted = [root.certificate for root in roots.of(Anchors.GOOGLE_CONFIDENTIAL_SPACE)]
        crls = [load_crl(crl) for crl in endorsements.crls]
        chain = verify_chain(given[0], given[1:], trusted, now=now, crls=crls)
        if chain.path != given:
            raise Unsigned(
                f"{len(given)} certificates of which {len(chain.path)} make the path",
                "the path and no other certificate, leaf first, root last",
                subject="header x5c",
                remedy=Remedy.FULL_CHAIN,
            )
    # 4. The leaf.
    with performing(LEAF, subject=name_of(chain.leaf)):
        key = rsa_key_of(chain.leaf)
        _check_leaf(chain.leaf)
    unlisted = tuple(
        Unchecked(
            f"revocation of the {name_of(certificate)}",
            "no revocation list of its issuer was given; Google names none for leaves",
        )
        for certificate, has_crl in zip(chain.path, chain.has_crls, strict=False)
        if not has_crl
    )
    root_id = hashlib.sha256(chain.root_der).digest()
    return _Signer(key, root_id, chain.expires_at, "PKI", unlisted)


def _check_leaf(leaf: x509.Certificate) -> None:
    seen = ""
    for extension in extensions_of(leaf):
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            seen = "a CA certificate"
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.digital_signature:
            seen = "a key that may not sign"
    if seen:
        raise Unsigned(
            seen,
            "an end certificate whose key may sign",
            subject=name_of(leaf),
            remedy=Remedy.GENUINE_HARDWARE,
        )


def _oidc_signer(jws: Jws, endorsements: Endorsements, roots: Roots, now: int) -> _Signer:
    # 5. The key set.
    with performing(KEY_SET, subject="key set of the issuer", remedy=Remedy.REFRESH_COLLATERAL):
        found = select_key(endorsements.jwks, jws, now=now)
    unpinned = Unchecked(
        "whose the key set is",
        "Google signs it with nothing: it is Google's only if it was fetched from the issuer's TLS"
        " endpoint. Pin the key to close this",
    )
    is_pinned = found.id in {pinned.id for pinned in roots.keys}
    return _Signer(found.key, found.id, found.expires_at, "OIDC", () if is_pinned else (unpinned,))


def _tee(claims: dict[str, Json]) -> Tee:
    model = text(claims, "hwmodel")
    if model not in _MODELS:
        raise malformed("hwmodel", model, f"one of {', '.join(_MODELS)}")
    return _MODELS[model]


def _debug(claims: dict[str, Json]) -> DebugState:
    """Claim `dbgstat`; unknown if the token has none, as some of Confidential VMs."""
    if "dbgstat" not in claims:
        return DebugState.UNKNOWN
    stated = text(claims, "dbgstat")
    try:
        return DebugState(stated)
    except ValueError:
        raise malformed("dbgstat", stated, f"one of {', '.join(DebugState)}") from None


def _measurements(claims: dict[str, Json]) -> tuple[Measurement, ...]:
    """The container's manifest and configuration; a Confidential VM's token has no container."""
    container = member(member(claims, "submods"), "container")
    return tuple(
        Measurement(name.replace("_", "-"), "sha256", _digest(container, name))
        for name in ("image_digest", "image_id")
        if name in container
    )


def _digest(container: dict[str, Json], name: str) -> bytes:
    value = text(container, name)
    digits = value.removeprefix(_DIGEST)
    if digits == value:
        raise malformed(name, value, f"{_DIGEST} and {2 * _DIGEST_SIZE} hexadecimal digits")
    return hexadecimal({name: digits}, name, size=_DIGEST_SIZE)


def _tcb(claims: dict[str, Json]) -> Tcb | None:
    """TDX: the status that Google's verifier has found, and its date."""
    tdx = member(claims, "tdx")
    if not tdx:
        return None
    dated = text(tdx, "gcp_attester_tcb_date")
    try:
        dated_at = int(datetime.strptime(dated, "%Y-%m-%dT%H:%M:%S%z").timestamp())
    except ValueError:
        raise malformed("gcp_attester_tcb_date", dated, "a date and time with its zone") from None
    return Tcb(text(tdx, "gcp_attester_tcb_status"), (), {}, dated_at=dated_at)


def _report_data(claims: dict[str, Json]) -> bytes:
    """Claim `eat_nonce`: UTF-8 of the one nonce; of several their list as compact JSON."""
    nonces = texts(claims, "eat_nonce", most=_MAX_NONCES)
    return (nonces[0] if len(nonces) == 1 else compact(list(nonces)) if nonces else "").encode()


def _facts(claims: dict[str, Json], kind: str) -> Mapping[str, Fact]:
    submodules = member(claims, "submods")
    space = member(submodules, "confidential_space")
    container = member(submodules, "container")
    facts: dict[str, Fact] = {
        **flat_claims(claims),
        "token-type": kind,
        "issuer": text(claims, "iss"),
        "audience": text(claims, "aud"),
        "subject": text(claims, "sub"),
        "hwmodel": text(claims, "hwmodel"),
        "swname": text(claims, "swname"),
        "swversion": ",".join(texts(claims, "swversion", most=_MAX_TEXTS)),
        "secure-boot": flag(claims, "secboot"),
        "support-attributes": ",".join(texts(space, "support_attributes", most=_MAX_TEXTS)),
    }
    if container:
        facts["image-reference"] = text(container, "image_reference")
    return facts
