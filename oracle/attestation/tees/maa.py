"""Tokens of Microsoft Azure Attestation (MAA): SGX enclaves, SNP and TDX virtual machines.

A token is Microsoft's word about evidence that its service has checked.

Reference: Microsoft Learn, Azure Attestation: "Claim sets" (2025-04-15), "EAT profile for Intel
TDX" (2023-10-18), "Basic concepts" (2024-01-30); RFC 7519.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from oracle.attestation.claims import (
    Claims,
    DebugState,
    Fact,
    Measurement,
    Tcb,
    Tee,
    Unchecked,
)
from oracle.attestation.codecs.jws import (
    Jws,
    SigningKey,
    check_algorithm,
    parse_jws,
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
    number,
    text,
)
from oracle.attestation.codecs.strict_json import Json
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, Part
from oracle.attestation.findings import Remedy, Step, Unsigned, performing
from oracle.attestation.roots import Roots

FORM: Final = Step(
    1, "maa.token-form", "The token is one compact JWS of strict JSON, nothing before or after."
)
ALGORITHM: Final = Step(
    2, "maa.algorithm", "The token says that it is signed with RS256, without extensions."
)
KEY_SET: Final = Step(
    3, "maa.key-set", "Its key id names one signing key of the provider's key set, in date."
)
SIGNATURE: Final = Step(4, "maa.signature", "That key signed header and claims.")
VALIDITY: Final = Step(5, "maa.validity", "The token is valid already and not expired.")
CLAIMS: Final = Step(
    6, "maa.claims", "Every claim that is relied on has the form that Microsoft documents."
)
RUNTIME_DATA: Final = Step(
    7, "maa.runtime-data", "The report data begins with the SHA-256 of the runtime data given."
)
ATTESTED: Final = Step(
    8, "maa.attested-evidence", "The quote given is the one that the service evaluated."
)
STEPS: Final[tuple[Step, ...]] = (
    FORM,
    ALGORITHM,
    KEY_SET,
    SIGNATURE,
    VALIDITY,
    CLAIMS,
    RUNTIME_DATA,
    ATTESTED,
)

_ALGORITHMS: Final = frozenset({"RS256"})
_SHA256: Final = 32
_SHA384: Final = 48
_REPORT_DATA: Final = 64
_MAX_SVN: Final = 0xFFFF
_MAX_VMPL: Final = 3
#: TD attribute DEBUG, bit 0 of the first byte.
_TD_DEBUG: Final = 1
_TYPE: Final = "x-ms-attestation-type"
#: Where the claims of each type keep the hash of the quote; the first two are one under two names.
_COLLATERAL: Final = ("x-ms-sgx-collateral", "maa-attestationcollateral", "tdx_collateral")
#: Inputs that are hashed and no more.
_MAX_PART: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class _Machine:
    """What the claims of one attestation type say."""

    tee: Tee
    measurements: tuple[Measurement, ...]
    debug: DebugState
    report_data: bytes
    tcb: Tcb | None = None
    facts: dict[str, Fact] = field(default_factory=dict)


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that a provider of Azure Attestation issued a token, and that it holds now.

    Steps:
        1. Three canonical base64url parts, strict JSON, at most 65,536 bytes.
        2. RS256; `none` and critical extensions are refused. `jku` is not followed.
        3. `kid` names exactly one key of `endorsements.jwks`; its certificate is in date. Without a
           key set the token is refused.
        4. The signature.
        5. nbf and iat not after now, now before exp; no leeway.
        6. Attestation type `sgx`, `sevsnpvm`, `tdxvm`, or `azurevm` with one of these within
           `x-ms-isolation-tee`, and that type's claims.
        7. If `Part.RUNTIME_DATA` is given: its SHA-256 is the first half of the report data.
        8. If `Part.HARDWARE_REPORT` is given: its SHA-256 is the `quotehash` of the collateral.

    Not established: anything that the service has to see (certificates, firmware, boot log).
    Several providers of a region share one key, and anyone may have a provider whose own policy
    issues claims: `iss` is a claim that the policy must hold to `issuers.AZURE_SHARED` or to
    providers it knows. Nor that the key set is Microsoft's, unless the key is among `roots.keys`.

    Args:
        evidence: The token as ASCII, without a line end; parts as in 7 and 8, at most 1 MiB each.
        endorsements: `jwks`: the provider's `/certs`.
        roots: Keys that the caller has pinned.
        now: Seconds since the epoch.

    Returns:
        Claims. `report_data` is the hardware report's, 64 bytes. Measurements: SGX `mrenclave`,
        `mrsigner`; SNP `measurement`, `host-data`; TDX `mrtd`, `rtmr0` to `rtmr3`, `mrseam`,
        `mrsignerseam`, `mrconfigid`, `mrowner`, `mrownerconfig`. Facts: `issuer`,
        `attestation-type` (of the hardware), `token-type`; SGX `isv-prod-id`, `isv-svn`; SNP
        `vmpl`, `policy-migrate-ma`, `policy-smt`; TDX `sept-ve-disable`; and every claim by its
        path (`claims.…`).

    Raises:
        Refusal: With the step that failed.
    """
    # 1. Form.
    with performing(FORM, subject="token"):
        jws = parse_jws(evidence.raw)
    # 2. Algorithm.
    with performing(ALGORITHM, subject="header alg"):
        check_algorithm(jws, _ALGORITHMS)
    # 3. Key set.
    with performing(KEY_SET, subject="key set of the provider", remedy=Remedy.REFRESH_COLLATERAL):
        signer = select_key(endorsements.jwks, jws, now=now)
    # 4. Signature.
    with performing(SIGNATURE, subject="signature of the token"):
        verify_signature(jws, signer.key)
    # 5. Validity.
    with performing(VALIDITY, subject="token"):
        window = check_window(jws.claims, now=now)
    # 6. Claims.
    with performing(CLAIMS, subject="claims"):
        kind, own = _hardware(jws)
        machine = _MACHINES[kind](own)
        facts = {**flat_claims(jws.claims), **machine.facts, **_facts(jws, kind)}
    # 7. Runtime data.
    with performing(RUNTIME_DATA, subject="report data"):
        unbound = _check_runtime_data(evidence, machine.report_data)
    # 8. The evaluated quote.
    with performing(ATTESTED, subject="claim quotehash"):
        unbound += _check_attested(evidence, own)
    return Claims(
        format=evidence.format,
        tee=machine.tee,
        root_id=signer.id,
        measurements=machine.measurements,
        tcb=machine.tcb,
        debug=machine.debug,
        hardware_id=b"",
        report_data=machine.report_data,
        issued_at=window.issued_at,
        expires_at=min(window.expires_at, signer.expires_at or window.expires_at),
        facts=facts,
        unchecked=(*_open(signer, roots), *unbound),
    )


def show(evidence: Evidence) -> Node:
    """Decode a token into header, claims and signature. Verifies nothing.

    Raises:
        MalformedEvidence: Not a compact JWS of strict JSON.
    """
    return show_jws(evidence.raw)


def _hardware(jws: Jws) -> tuple[str, dict[str, Json]]:
    """The hardware's attestation type and the claims about it: nested for a whole machine."""
    own = jws.claims
    if text(own, _TYPE) == "azurevm":
        own = member(own, "x-ms-isolation-tee")
    kind = text(own, _TYPE)
    if kind not in _MACHINES:
        raise malformed(_TYPE, kind, f"one of {', '.join(_MACHINES)}")
    return kind, own


def _sgx(claims: dict[str, Json]) -> _Machine:
    return _Machine(
        tee=Tee.SGX,
        measurements=tuple(
            Measurement(name, "sha256", hexadecimal(claims, f"x-ms-sgx-{name}", size=_SHA256))
            for name in ("mrenclave", "mrsigner")
        ),
        debug=_debug(flag(claims, "x-ms-sgx-is-debuggable")),
        report_data=hexadecimal(claims, "x-ms-sgx-report-data", size=_REPORT_DATA),
        facts={
            "isv-prod-id": number(claims, "x-ms-sgx-product-id", most=_MAX_SVN),
            "isv-svn": number(claims, "x-ms-sgx-svn", most=_MAX_SVN),
        },
    )


def _snp(claims: dict[str, Json]) -> _Machine:
    launched = hexadecimal(claims, "x-ms-sevsnpvm-launchmeasurement", size=_SHA384)
    host_data = hexadecimal(claims, "x-ms-sevsnpvm-hostdata", size=_SHA256)
    return _Machine(
        tee=Tee.SNP,
        measurements=(
            Measurement("measurement", "sha384", launched),
            Measurement("host-data", "", host_data),
        ),
        debug=_debug(flag(claims, "x-ms-sevsnpvm-is-debuggable")),
        report_data=hexadecimal(claims, "x-ms-sevsnpvm-reportdata", size=_REPORT_DATA),
        tcb=Tcb(
            "",
            (),
            {
                name: number(claims, f"x-ms-sevsnpvm-{claim}-svn", most=_MAX_SVN)
                for name, claim in (
                    ("bootloader", "bootloader"),
                    ("tee", "tee"),
                    ("snp", "snpfw"),
                    ("microcode", "microcode"),
                )
            },
        ),
        facts={
            "vmpl": number(claims, "x-ms-sevsnpvm-vmpl", most=_MAX_VMPL),
            "policy-migrate-ma": flag(claims, "x-ms-sevsnpvm-migration-allowed"),
            "policy-smt": flag(claims, "x-ms-sevsnpvm-smt-allowed"),
        },
    )


def _tdx(claims: dict[str, Json]) -> _Machine:
    hashes = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrsignerseam")
    chosen = ("mrconfigid", "mrowner", "mrownerconfig")
    attributes = hexadecimal(claims, "tdx_td_attributes", size=8)
    may_debug = flag(claims, "tdx_td_attributes_debug")
    return _Machine(
        tee=Tee.TDX,
        measurements=tuple(
            Measurement(
                name,
                "sha384" if name in hashes else "",
                hexadecimal(claims, f"tdx_{name}", size=_SHA384),
            )
            for name in hashes + chosen
        ),
        debug=_debug(may_debug or bool(attributes[0] & _TD_DEBUG)),
        report_data=hexadecimal(claims, "tdx_report_data", size=_REPORT_DATA),
        tcb=Tcb(text(claims, "attester_tcb_status"), (), {}),
        facts={"sept-ve-disable": flag(claims, "tdx_td_attributes_septve_disable")},
    )


#: `x-ms-attestation-type` of the hardware.
_MACHINES: Final[dict[str, Callable[[dict[str, Json]], _Machine]]] = {
    "sgx": _sgx,
    "sevsnpvm": _snp,
    "tdxvm": _tdx,
}


def _debug(is_debuggable: bool) -> DebugState:
    return DebugState.ENABLED if is_debuggable else DebugState.DISABLED


def _facts(jws: Jws, kind: str) -> dict[str, Fact]:
    return {
        "issuer": text(jws.claims, "iss"),
        "attestation-type": kind,
        "token-type": text(jws.claims, _TYPE),
    }


def _check_runtime_data(evidence: Evidence, report_data: bytes) -> tuple[Unchecked, ...]:
    if Part.RUNTIME_DATA not in evidence.parts:
        return (
            Unchecked(
                "runtime data",
                "none was given, so nothing says what the report data is the hash of",
            ),
        )
    _check_hash(
        evidence.parts[Part.RUNTIME_DATA], report_data[:_SHA256], subject="SHA-256 of runtime data"
    )
    return ()


def _check_attested(evidence: Evidence, claims: dict[str, Json]) -> tuple[Unchecked, ...]:
    if Part.HARDWARE_REPORT not in evidence.parts:
        return (
            Unchecked(
                "evidence of the hardware",
                "the service has checked it and it was not given: this is Microsoft's word, not the"
                " hardware vendor's",
            ),
        )
    collateral = next((member(claims, name) for name in _COLLATERAL if name in claims), {})
    wanted = hexadecimal(collateral, "quotehash", size=_SHA256)
    _check_hash(evidence.parts[Part.HARDWARE_REPORT], wanted, subject="SHA-256 of the quote")
    return (
        Unchecked(
            "signature of the quote",
            "the quote given is the one that the service evaluated; verify it on its own to know"
            " that the hardware vendor's key signed it",
        ),
    )


def _check_hash(data: bytes, wanted: bytes, *, subject: str) -> None:
    seen = hashlib.sha256(data).digest() if len(data) <= _MAX_PART else b""
    if seen != wanted:
        raise Unsigned(
            seen.hex() or f"{len(data)} bytes, over {_MAX_PART}",
            wanted.hex(),
            subject=subject,
            remedy=Remedy.NEW_EVIDENCE,
        )


def _open(signer: SigningKey, roots: Roots) -> tuple[Unchecked, ...]:
    """What the key and its provider leave open."""
    policy = Unchecked(
        "the provider's attestation policy",
        "its hash is the claim x-ms-policy-hash; a provider with a policy of its own may issue what"
        " its owner likes, so the issuer has to be pinned",
    )
    if signer.id in {pinned.id for pinned in roots.keys}:
        return (policy,)
    return (
        policy,
        Unchecked(
            "whose the key set is",
            "its certificates are self-signed, and the quote of Microsoft's own enclave in them is"
            " not verified: it is the provider's only if it was fetched from the provider's TLS"
            " endpoint. Pin the key to close this",
        ),
    )
