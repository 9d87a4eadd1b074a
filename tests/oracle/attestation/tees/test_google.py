"""Google's tokens: what genuine ones say, and for every step a token that fails it alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oracle.attestation.claims import Claims, DebugState, Measurement, Tcb, Tee
from oracle.attestation.codecs.jwt import flat_claims
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.findings import Unsigned
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots
from oracle.attestation.tees import google
from tests.fakes.refusals import (
    assert_each_flip_is_refused,
    assert_each_step_has_a_case,
    assert_refused,
)
from tests.fakes.tokens import (
    EXPIRES_AT,
    ISSUED_AT,
    NONCE,
    NOW,
    SIGNATURE_SIZE,
    Issued,
    issue,
    key_set,
    machine_claims,
    numbers,
    revocation_list,
    rsa_key,
    sign,
    space_claims,
    x5c,
)

_SPACE = Anchors.GOOGLE_CONFIDENTIAL_SPACE


@dataclass(frozen=True)
class Google:
    """A service of the same form as Google's."""

    root: Issued
    intermediate: Issued
    leaf: Issued
    key: rsa.RSAPrivateKey

    @property
    def chain(self) -> tuple[Issued, ...]:
        return self.leaf, self.intermediate, self.root

    @property
    def roots(self) -> Roots:
        return Roots((Root(_SPACE, "test", self.root.der),))

    @property
    def key_set(self) -> Endorsements:
        return Endorsements(jwks=key_set(numbers(self.key, kid="one", use="sig", alg="RS256")))

    def pki(self, chain: tuple[Issued, ...] | None = None, **claims: Any) -> bytes:
        certificates = x5c(*(chain or self.chain))
        return sign(self.key, {"alg": "RS256", "x5c": certificates}, space_claims(**claims))

    def oidc(self, **claims: Any) -> bytes:
        return sign(self.key, {"alg": "RS256", "kid": "one"}, space_claims(**claims))


@pytest.fixture(scope="module")
def service() -> Google:
    key = rsa_key()
    root = issue("root", ec.generate_private_key(ec.SECP256R1()), is_ca=True, days=900)
    middle = issue(
        "intermediate", ec.generate_private_key(ec.SECP256R1()), root, is_ca=True, days=500
    )
    return Google(root, middle, issue("leaf", key, middle, may_sign=True), key)


def _verify(
    token: bytes, endorsements: Endorsements | None = None, *, roots: Roots, now: int = NOW
) -> Claims:
    evidence = Evidence(EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN, token)
    return google.verify(evidence, endorsements or Endorsements(), roots=roots, now=now)


def test_a_pki_token_says_what_google_has_checked(service: Google) -> None:
    claims = _verify(service.pki(), roots=service.roots)
    assert claims.tee is Tee.TDX
    assert claims.root_id == service.roots.certificates[0].id
    assert claims.measurements == (
        Measurement("image-digest", "sha256", b"\xab" * 32),
        Measurement("image-id", "sha256", b"\xcd" * 32),
    )
    assert claims.tcb == Tcb("UpToDate", (), {}, dated_at=1_710_288_000)
    assert claims.debug is DebugState.DISABLED_SINCE_BOOT
    assert claims.hardware_id == b""
    assert claims.report_data == NONCE.encode()
    assert (claims.issued_at, claims.expires_at) == (ISSUED_AT, EXPIRES_AT)
    assert claims.facts == {
        **flat_claims(space_claims()),
        "token-type": "PKI",
        "issuer": "https://confidentialcomputing.googleapis.com",
        "audience": "https://oracle.example",
        "subject": "https://www.googleapis.com/compute/v1/projects/p/zones/z/instances/i",
        "hwmodel": "GCP_INTEL_TDX",
        "swname": "CONFIDENTIAL_SPACE",
        "swversion": "250800",
        "secure-boot": True,
        "support-attributes": "LATEST,STABLE,USABLE",
        "image-reference": "registry.example/oracle:1",
    }
    assert claims.facts["claims.submods.container.args"] == '["/oracle","run"]'
    assert [entry.what for entry in claims.unchecked] == [
        "revocation of the certificate CN=leaf",
        "revocation of the certificate CN=intermediate",
        "evidence of the hardware",
    ]


def test_an_oidc_token_rests_on_where_its_key_set_is_from(service: Google) -> None:
    claims = _verify(service.oidc(), service.key_set, roots=Roots())
    assert claims.facts["token-type"] == "OIDC"
    assert claims.expires_at == EXPIRES_AT
    assert [entry.what for entry in claims.unchecked] == [
        "whose the key set is",
        "evidence of the hardware",
    ]


def test_a_pinned_key_closes_that(service: Google) -> None:
    spki = service.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    claims = _verify(service.oidc(), service.key_set, roots=Roots(keys=(PinnedKey(spki),)))
    assert claims.root_id == PinnedKey(spki).id
    assert [entry.what for entry in claims.unchecked] == ["evidence of the hardware"]


def test_the_end_is_the_earliest(service: Google) -> None:
    token = service.pki(exp=NOW + 10**8)
    assert _verify(token, roots=service.roots).expires_at == int(
        service.leaf.certificate.not_valid_after_utc.timestamp()
    )


def test_a_confidential_machine_has_no_container(service: Google) -> None:
    token = sign(service.key, {"alg": "RS256", "kid": "one"}, machine_claims())
    claims = _verify(token, service.key_set, roots=Roots())
    assert (claims.tee, claims.debug, claims.tcb) == (Tee.SEV, DebugState.UNKNOWN, None)
    assert (claims.measurements, claims.report_data) == ((), b"")
    assert claims.facts["support-attributes"] == ""
    assert "image-reference" not in claims.facts


@pytest.mark.parametrize(
    ("model", "tee"),
    [("GCP_AMD_SEV", Tee.SEV), ("GCP_AMD_SEV_ES", Tee.SEV), ("GCP_SHIELDED_VM", Tee.TPM)],
)
def test_the_hardware_model_tells_the_tee(service: Google, model: str, tee: Tee) -> None:
    token = service.oidc(hwmodel=model)
    assert _verify(token, service.key_set, roots=Roots()).tee is tee


def test_several_nonces_are_told_apart(service: Google) -> None:
    token = service.oidc(eat_nonce=["one", "t,wo"])
    claims = _verify(token, service.key_set, roots=Roots())
    assert claims.report_data == b'["one","t,wo"]'


def test_a_debug_image_is_a_claim_and_no_refusal(service: Google) -> None:
    token = service.oidc(dbgstat="enabled")
    assert _verify(token, service.key_set, roots=Roots()).debug is DebugState.ENABLED


def test_a_list_of_the_issuer_is_checked(service: Google) -> None:
    empty = Endorsements(
        crls=(revocation_list(service.root), revocation_list(service.intermediate))
    )
    claims = _verify(service.pki(), empty, roots=service.roots)
    assert [entry.what for entry in claims.unchecked] == ["evidence of the hardware"]
    revoked = Endorsements(
        crls=(revocation_list(service.intermediate, service.leaf.certificate.serial_number),)
    )
    with pytest.raises(Unsigned, match="revocation list"):
        _verify(service.pki(), revoked, roots=service.roots)


def _with(service: Google, **leaf: Any) -> tuple[Issued, ...]:
    """The chain with another leaf for the same key."""
    return issue("leaf", service.key, service.intermediate, **leaf), *service.chain[1:]


#: For every step tokens that fail it and nothing before it; all else about them is good.
_BREAKS: dict[str, list[Callable[[Google], bytes]]] = {
    "google.token-form": [
        lambda service: service.pki() + b"\n",
        lambda _: b"",
    ],
    "google.algorithm": [
        lambda service: sign(service.key, {"alg": "none", "kid": "one"}, space_claims()),
        lambda service: sign(
            service.key, {"alg": "RS256", "kid": "one", "crit": ["x"]}, space_claims()
        ),
    ],
    "google.certificate-chain": [
        lambda service: service.pki((service.leaf, service.root)),
        lambda service: service.pki(service.chain[:2]),
        lambda service: service.pki((*service.chain, service.root)),
        lambda service: service.pki((service.leaf, service.root, service.intermediate)),
        lambda service: service.pki(_with(service, days=-1)),
        lambda service: service.pki((issue("root", service.key, is_ca=True),)),
        lambda service: service.pki(
            (*service.chain[:2], issue("root", service.root.key, is_ca=True, days=899))
        ),
        lambda service: sign(service.key, {"alg": "RS256", "x5c": "x"}, space_claims()),
    ],
    "google.leaf": [
        lambda service: service.pki(_with(service, is_ca=True)),
        lambda service: service.pki(_with(service, may_sign=False)),
        lambda service: service.pki(
            (
                issue("leaf", ec.generate_private_key(ec.SECP256R1()), service.intermediate),
                *service.chain[1:],
            )
        ),
    ],
    "google.key-set": [
        lambda service: sign(service.key, {"alg": "RS256", "kid": "two"}, space_claims()),
        lambda service: sign(service.key, {"alg": "RS256"}, space_claims()),
    ],
    "google.signature": [
        lambda service: service.oidc()[:-342] + service.oidc(exp=EXPIRES_AT + 1)[-342:],
        lambda service: service.pki()[:-342] + service.oidc()[-342:],
    ],
    "google.validity": [
        lambda service: service.oidc(exp=NOW),
        lambda service: service.oidc(nbf=NOW + 1),
        lambda service: service.pki(iat=NOW + 1),
        lambda service: service.oidc(exp="tomorrow"),
    ],
    "google.claims": [
        lambda service: service.oidc(iss=None),
        lambda service: service.oidc(aud=["a", "b"]),
        lambda service: service.oidc(sub=""),
        lambda service: service.oidc(hwmodel="GCP_UNHEARD_OF"),
        lambda service: service.oidc(dbgstat="sometimes"),
        lambda service: service.oidc(secboot=None),
        lambda service: service.oidc(swname=None),
        lambda service: service.oidc(swversion=250_800),
        lambda service: service.oidc(eat_nonce=["n"] * 7),
        lambda service: service.oidc(submods=[]),
        lambda service: service.oidc(submods={"container": {"image_digest": "ab" * 32}}),
        lambda service: service.oidc(submods={"container": {"image_id": "sha256:" + "ab" * 31}}),
        lambda service: service.oidc(submods={"container": {"args": []}}),
        lambda service: service.oidc(tdx={"gcp_attester_tcb_status": "UpToDate"}),
        lambda service: service.oidc(
            tdx={"gcp_attester_tcb_status": "UpToDate", "gcp_attester_tcb_date": "2024-03-13"}
        ),
        lambda service: service.oidc(**{"a.b": 1, "a": {"b": 2}}),
    ],
}


def test_every_step_has_a_token_that_breaks_it() -> None:
    assert_each_step_has_a_case(google.STEPS, _BREAKS)


@pytest.mark.parametrize(
    ("step", "place"),
    [(step, place) for step, cases in _BREAKS.items() for place in range(len(cases))],
)
def test_a_token_is_refused_by_the_step_that_it_breaks(
    service: Google, step: str, place: int
) -> None:
    token = _BREAKS[step][place](service)
    assert_refused(lambda: _verify(token, service.key_set, roots=service.roots), step)


def test_an_oidc_token_without_a_key_set_is_refused(service: Google) -> None:
    with pytest.raises(Unsigned, match=r"google\.key-set.*no key set"):
        _verify(service.oidc(), roots=service.roots)


def test_roots_of_other_services_do_not_count(service: Google) -> None:
    other = Roots((Root(Anchors.GOOGLE_VTPM, "test", service.root.der),))
    with pytest.raises(Unsigned, match=r"google\.certificate-chain"):
        _verify(service.pki(), roots=other)


@pytest.mark.parametrize("kind", ["pki", "oidc"])
def test_no_changed_bit_is_accepted(service: Google, kind: str) -> None:
    token = service.pki() if kind == "pki" else service.oidc()
    assert_each_flip_is_refused(
        token,
        lambda raw: _verify(raw, service.key_set, roots=service.roots),
        last=SIGNATURE_SIZE,
    )


def test_a_token_is_shown(service: Google) -> None:
    evidence = Evidence(EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN, service.oidc())
    assert [node.name for node in google.show(evidence).children] == [
        "header",
        "claims",
        "signature",
    ]
