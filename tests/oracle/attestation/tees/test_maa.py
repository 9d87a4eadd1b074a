"""Azure Attestation's tokens: what genuine ones say, and for every step one that fails it alone."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oracle.attestation.claims import Claims, DebugState, Measurement, Tcb, Tee
from oracle.attestation.codecs.jwt import flat_claims
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.findings import Expired, Unsigned
from oracle.attestation.roots import PinnedKey, Roots
from oracle.attestation.tees import maa
from tests.fakes.refusals import (
    assert_each_flip_is_refused,
    assert_each_step_has_a_case,
    assert_refused,
)
from tests.fakes.tokens import (
    EXPIRES_AT,
    ISSUED_AT,
    NOW,
    REPORT_DATA,
    SIGNATURE_SIZE,
    azurevm_claims,
    issue,
    key_set,
    rsa_key,
    sgx_claims,
    sign,
    snp_claims,
    tdx_claims,
    x5c,
)

_HEADER = {"alg": "RS256", "kid": "one", "jku": "https://elsewhere.invalid/certs"}
_QUOTE = b"a quote"
_RUNTIME_DATA = b'{"key":"of the enclave"}'


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa_key()


def _keys(key: rsa.RSAPrivateKey, **certificate: Any) -> Endorsements:
    entry = {"kty": "RSA", "kid": "one", "x5c": x5c(issue("provider", key, **certificate))}
    return Endorsements(jwks=key_set(entry))


def _verify(
    token: bytes,
    endorsements: Endorsements,
    parts: Mapping[Part, bytes] | None = None,
    *,
    roots: Roots | None = None,
) -> Claims:
    evidence = Evidence(EvidenceFormat.MAA_TOKEN, token, parts or {})
    return maa.verify(evidence, endorsements, roots=roots or Roots(), now=NOW)


def _bound(make: Callable[..., dict[str, Any]], collateral: str, data: str) -> dict[str, Any]:
    """Claims about `_RUNTIME_DATA` and `_QUOTE`."""
    return make(
        **{
            data: hashlib.sha256(_RUNTIME_DATA).hexdigest() + "00" * 32,
            collateral: {"quotehash": hashlib.sha256(_QUOTE).hexdigest()},
        }
    )


_SGX_BOUND = _bound(sgx_claims, "x-ms-sgx-collateral", "x-ms-sgx-report-data")


def test_an_enclaves_token(key: rsa.RSAPrivateKey) -> None:
    claims = _verify(sign(key, _HEADER, sgx_claims()), _keys(key))
    assert claims.tee is Tee.SGX
    assert claims.measurements == (
        Measurement("mrenclave", "sha256", b"\x11" * 32),
        Measurement("mrsigner", "sha256", b"\x22" * 32),
    )
    assert (claims.tcb, claims.debug) == (None, DebugState.DISABLED)
    assert (claims.hardware_id, claims.report_data) == (b"", REPORT_DATA)
    assert (claims.issued_at, claims.expires_at) == (ISSUED_AT, EXPIRES_AT)
    assert claims.facts == {
        **flat_claims(sgx_claims()),
        "isv-prod-id": 7,
        "isv-svn": 3,
        "issuer": "https://sharedneu.neu.attest.azure.net",
        "attestation-type": "sgx",
        "token-type": "sgx",
    }
    assert [entry.what for entry in claims.unchecked] == [
        "the provider's attestation policy",
        "whose the key set is",
        "runtime data",
        "evidence of the hardware",
    ]


@pytest.mark.parametrize("is_nested", [False, True])
def test_an_snp_machines_token(key: rsa.RSAPrivateKey, is_nested: bool) -> None:
    made = azurevm_claims(snp_claims()) if is_nested else snp_claims()
    claims = _verify(sign(key, _HEADER, made), _keys(key))
    assert (claims.tee, claims.debug) == (Tee.SNP, DebugState.DISABLED)
    assert claims.measurements == (
        Measurement("measurement", "sha384", b"\x33" * 48),
        Measurement("host-data", "", b"\x44" * 32),
    )
    components = {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}
    assert claims.tcb == Tcb("", (), components)
    assert claims.report_data == REPORT_DATA
    own = {name: claims.facts[name] for name in ("vmpl", "policy-migrate-ma", "policy-smt")}
    assert own == {"vmpl": 0, "policy-migrate-ma": False, "policy-smt": True}
    assert claims.facts["attestation-type"] == "sevsnpvm"
    assert claims.facts["token-type"] == ("azurevm" if is_nested else "sevsnpvm")


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_tdx_machines_token(key: rsa.RSAPrivateKey, is_nested: bool) -> None:
    made = azurevm_claims(tdx_claims()) if is_nested else tdx_claims()
    claims = _verify(sign(key, _HEADER, made), _keys(key))
    assert (claims.tee, claims.debug) == (Tee.TDX, DebugState.DISABLED)
    assert [(entry.name, entry.algorithm) for entry in claims.measurements] == [
        *((name, "sha384") for name in ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")),
        *((name, "sha384") for name in ("mrseam", "mrsignerseam")),
        *((name, "") for name in ("mrconfigid", "mrowner", "mrownerconfig")),
    ]
    assert claims.measurement("rtmr2") == b"\x03" * 48
    assert claims.tcb == Tcb("UpToDate", (), {})
    assert claims.facts["sept-ve-disable"] is True


@pytest.mark.parametrize(
    "made",
    [
        sgx_claims(**{"x-ms-sgx-is-debuggable": True}),
        snp_claims(**{"x-ms-sevsnpvm-is-debuggable": True}),
        {**tdx_claims(), "tdx_td_attributes_debug": True},
        {**tdx_claims(), "tdx_td_attributes": "0100001000000000"},
    ],
    ids=["sgx", "snp", "tdx", "tdx-attributes"],
)
def test_debug_is_a_claim_and_no_refusal(key: rsa.RSAPrivateKey, made: dict[str, Any]) -> None:
    assert _verify(sign(key, _HEADER, made), _keys(key)).debug is DebugState.ENABLED


@pytest.mark.parametrize(
    "made",
    [
        _SGX_BOUND,
        _bound(sgx_claims, "maa-attestationcollateral", "x-ms-sgx-report-data"),
        {
            **tdx_claims(),
            "tdx_report_data": hashlib.sha256(_RUNTIME_DATA).hexdigest() + "ff" * 32,
            "tdx_collateral": {"quotehash": hashlib.sha256(_QUOTE).hexdigest()},
        },
    ],
    ids=["sgx", "sgx-deprecated", "tdx"],
)
def test_what_was_attested_is_bound(key: rsa.RSAPrivateKey, made: dict[str, Any]) -> None:
    parts = {Part.RUNTIME_DATA: _RUNTIME_DATA, Part.HARDWARE_REPORT: _QUOTE}
    claims = _verify(sign(key, _HEADER, made), _keys(key), parts)
    assert [entry.what for entry in claims.unchecked][2:] == ["signature of the quote"]


def test_a_pinned_key_needs_no_endpoint(key: rsa.RSAPrivateKey) -> None:
    pinned = PinnedKey(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    claims = _verify(sign(key, _HEADER, sgx_claims()), _keys(key), roots=Roots(keys=(pinned,)))
    assert claims.root_id == pinned.id
    assert "whose the key set is" not in [entry.what for entry in claims.unchecked]


def test_the_end_is_the_earliest(key: rsa.RSAPrivateKey) -> None:
    token = sign(key, _HEADER, sgx_claims(exp=NOW + 10**8))
    day = 86_400
    assert _verify(token, _keys(key, days=3)).expires_at == NOW + 3 * day


_Case = tuple[Mapping[str, Any], Mapping[str, Any], Mapping[Part, bytes]]

#: For every step header, claims and parts that fail it and nothing before it.
_BREAKS: dict[str, list[_Case]] = {
    "maa.token-form": [(_HEADER, {"a": 1.5}, {})],
    "maa.algorithm": [
        ({"alg": "none", "kid": "one"}, sgx_claims(), {}),
        ({"alg": "HS256", "kid": "one"}, sgx_claims(), {}),
    ],
    "maa.key-set": [
        ({"alg": "RS256", "kid": "two"}, sgx_claims(), {}),
        ({"alg": "RS256"}, sgx_claims(), {}),
    ],
    "maa.signature": [(_HEADER, sgx_claims(), {})],
    "maa.validity": [
        (_HEADER, sgx_claims(exp=NOW), {}),
        (_HEADER, sgx_claims(nbf=NOW + 1), {}),
        (_HEADER, sgx_claims(iat=None), {}),
    ],
    "maa.claims": [
        (_HEADER, sgx_claims(iss=1), {}),
        (_HEADER, {**sgx_claims(), "x-ms-attestation-type": "tpm"}, {}),
        (_HEADER, {**sgx_claims(), "x-ms-attestation-type": ["sgx"]}, {}),
        (_HEADER, sgx_claims(**{"x-ms-sgx-mrenclave": "11" * 31}), {}),
        (_HEADER, sgx_claims(**{"x-ms-sgx-is-debuggable": "false"}), {}),
        (_HEADER, sgx_claims(**{"x-ms-sgx-svn": 65_536}), {}),
        (_HEADER, snp_claims(**{"x-ms-sevsnpvm-vmpl": 4}), {}),
        (_HEADER, {**tdx_claims(), "attester_tcb_status": None}, {}),
        (_HEADER, azurevm_claims({}), {}),
        (_HEADER, azurevm_claims(azurevm_claims(snp_claims())), {}),
        (_HEADER, sgx_claims(**{"a.b": 1, "a": {"b": 2}}), {}),
    ],
    "maa.runtime-data": [
        (_HEADER, _SGX_BOUND, {Part.RUNTIME_DATA: _RUNTIME_DATA + b" "}),
        (_HEADER, _SGX_BOUND, {Part.RUNTIME_DATA: bytes(1_048_577)}),
    ],
    "maa.attested-evidence": [
        (_HEADER, _SGX_BOUND, {Part.HARDWARE_REPORT: _QUOTE[:-1]}),
        (_HEADER, sgx_claims(), {Part.HARDWARE_REPORT: _QUOTE}),
    ],
}


def test_every_step_has_a_token_that_breaks_it() -> None:
    assert_each_step_has_a_case(maa.STEPS, _BREAKS)


@pytest.mark.parametrize(
    ("step", "place"),
    [(step, place) for step, cases in _BREAKS.items() for place in range(len(cases))],
)
def test_a_token_is_refused_by_the_step_that_it_breaks(
    key: rsa.RSAPrivateKey, step: str, place: int
) -> None:
    header, claims, parts = _BREAKS[step][place]
    signer = rsa_key() if step == "maa.signature" else key
    assert_refused(lambda: _verify(sign(signer, header, claims), _keys(key), parts), step)


@pytest.mark.parametrize("days", [None, -1])
def test_a_token_whose_key_is_not_there_or_outdated_is_refused(
    key: rsa.RSAPrivateKey, days: int | None
) -> None:
    keys = Endorsements() if days is None else _keys(key, days=days)
    with pytest.raises((Unsigned, Expired), match=r"maa\.key-set"):
        _verify(sign(key, _HEADER, sgx_claims()), keys)


def test_no_changed_bit_is_accepted(key: rsa.RSAPrivateKey) -> None:
    token, keys = sign(key, _HEADER, azurevm_claims(snp_claims())), _keys(key)
    assert_each_flip_is_refused(token, lambda raw: _verify(raw, keys), last=SIGNATURE_SIZE)


def test_a_token_is_shown(key: rsa.RSAPrivateKey) -> None:
    evidence = Evidence(EvidenceFormat.MAA_TOKEN, sign(key, _HEADER, sgx_claims()))
    assert [node.name for node in maa.show(evidence).children] == ["header", "claims", "signature"]
