from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oracle.attestation.codecs.chains import MAX_CERTIFICATES
from oracle.attestation.codecs.tpm_keys import spki
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.findings import Expired, Malformed, Unsigned
from oracle.attestation.roots import Anchors, Root
from oracle.attestation.tees.attestation_keys import (
    certified_key,
    has_key,
    is_for_attestation,
    public_key,
)
from tests.fakes import tpm_evidence as fake
from tests.fakes.x509_authority import END, NOW, Authority, make_certificate, usage

AT = int(NOW.timestamp())
KEY = fake.rsa_key("certified")
AIK = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.23.133.8.3")])
SERVER = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")])
ROOT = make_certificate("root of TPMs")
CA = ROOT.issue("issuer", path_length=0)
ANCHORS = (Root(Anchors.TPM, "maker", ROOT.der),)


def leaf(*extensions: Any, key: Any = KEY, **changes: Any) -> Authority:
    marked = tuple((extension, False) for extension in extensions)
    return CA.issue("attestation key", key=key, extensions=marked, **{"is_ca": False, **changes})


SIGNS = x509.KeyUsage(True, *[False] * 8)


@pytest.mark.parametrize(
    "certificate", [leaf(), leaf(AIK), leaf(AIK, SIGNS), leaf(x509.BasicConstraints(False, None))]
)
@pytest.mark.parametrize("key", [None, KEY.public_key()])
def test_the_keys_certificate_is_found_and_its_chain_verified(
    certificate: Authority, key: Any
) -> None:
    brought = (CA.der, certificate.der, ROOT.der, certificate.der)
    chain = certified_key(key, Endorsements(brought), ANCHORS, AT)
    assert chain.path == (certificate.certificate, CA.certificate, ROOT.certificate)
    assert spki(public_key(chain.leaf)) == fake.der(KEY)


def test_strangers_do_not_matter_if_the_key_is_known() -> None:
    strangers = (leaf(key=ec.generate_private_key(ec.SECP256R1())), leaf(key=fake.ec_key("other")))
    brought = (*(stranger.der for stranger in strangers), leaf().der, CA.der)
    chain = certified_key(KEY.public_key(), Endorsements(brought), ANCHORS, AT)
    assert has_key(chain.leaf, KEY.public_key())
    with pytest.raises(Unsigned, match="3 among 4"):
        certified_key(None, Endorsements(brought), ANCHORS, AT)


@pytest.mark.parametrize(
    ("brought", "kind", "seen"),
    [
        ((CA.der,), Unsigned, "0 among 1"),
        ((leaf().der,), Unsigned, "issued by CN=issuer"),
        ((leaf(SERVER).der, CA.der), Unsigned, "1.3.6.1.5.5.7.3.1"),
        (
            (leaf(usage(certificates=False, lists=False)).der, CA.der),
            Unsigned,
            "a key that may not sign",
        ),
        ((leaf(end=NOW).der, CA.der), Expired, "2031-01-01 00:00:01"),
        ((b"none",), Malformed, "other bytes"),
        (
            tuple(bytes([n]) for n in range(MAX_CERTIFICATES + 1)),
            Malformed,
            f"{MAX_CERTIFICATES + 1} certificates",
        ),
    ],
)
def test_other_certificates_are_refused(
    brought: tuple[bytes, ...], kind: type[Exception], seen: str
) -> None:
    with pytest.raises(kind, match=seen):
        certified_key(None, Endorsements(brought), ANCHORS, AT + 1)


def test_an_authoritys_key_quotes_nothing() -> None:
    authority = ROOT.issue("issuer", key=KEY)
    with pytest.raises(Unsigned, match="a certification authority"):
        certified_key(KEY.public_key(), Endorsements((authority.der,)), ANCHORS, AT)


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed):
        certified_key(None, Endorsements((leaf().der, CA.der), (b"list",)), ANCHORS, AT)
    with pytest.raises(Malformed, match="9 revocation lists"):
        certified_key(None, Endorsements((), (b"list",) * 9), ANCHORS, AT)


def test_keys_of_other_kinds_attest_nothing() -> None:
    other = leaf(key=ed25519.Ed25519PrivateKey.generate()).certificate
    with pytest.raises(Malformed, match="another key"):
        public_key(other)
    assert not has_key(other, KEY.public_key())


def _broken_point(certificate: x509.Certificate) -> x509.Certificate:
    """The same certificate with a key that is on no curve; its signature no longer matters."""
    der = bytearray(certificate.public_bytes(Encoding.DER))
    point = certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    at = der.find(point)
    der[at + 64] ^= 1
    return x509.load_der_x509_certificate(bytes(der))


def test_a_key_that_cannot_be_read_is_none() -> None:
    broken = _broken_point(leaf(key=fake.ec_key("broken")).certificate)
    with pytest.raises(Malformed, match="another key"):
        public_key(broken)
    assert not has_key(broken, KEY.public_key())


@pytest.mark.parametrize(
    ("make", "is_one"),
    [
        (lambda: leaf(AIK), True),
        (leaf, False),
        (lambda: leaf(SERVER), False),
        (lambda: CA.issue("issuer", extensions=((AIK, False),)), False),
    ],
)
def test_certificates_of_attestation_keys_say_so(
    make: Callable[[], Authority], is_one: bool
) -> None:
    assert is_for_attestation(make().certificate) is is_one


def test_dates_are_those_of_the_shortest() -> None:
    chain = certified_key(None, Endorsements((leaf().der, CA.der)), ANCHORS, AT)
    assert chain.expires_at == int(END.timestamp())
