"""Tokens and key sets: the accepted forms, and every way to be none of them."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from enclave.domain.errors import EndorsementExpired, MalformedEvidence, SignatureInvalid
from oracle.attestation.codecs.certificates import load_certificate
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
from tests.fakes.tokens import (
    NOW,
    base64url,
    issue,
    key_set,
    numbers,
    rsa_key,
    sign,
    sign_raw,
    x5c,
)

_RS256 = frozenset({"RS256"})


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa_key()


def _token(key: rsa.RSAPrivateKey, **header: Any) -> Jws:
    return parse_jws(sign(key, {"alg": "RS256", "kid": "one", **header}, {"a": 1}))


def test_a_token_is_taken_apart_and_its_signature_holds(key: rsa.RSAPrivateKey) -> None:
    jws = _token(key)
    assert (jws.header["kid"], jws.claims) == ("one", {"a": 1})
    check_algorithm(jws, _RS256)
    verify_signature(jws, key.public_key())


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + b"\n",
        lambda token: b" " + token,
        lambda token: token + b"=",
        lambda token: token + b".",
        lambda token: token.rsplit(b".", 1)[0],
        lambda token: b"." + token.split(b".", 1)[1],
        lambda token: token.replace(b".", b"..", 1),
        lambda token: b"A" + token,
        lambda token: b"AAAAA" + token,
        lambda token: b"+/+/" + token,
        lambda token: b"\xff" + token,
        lambda token: token + b"A" * 70_000,
        lambda _: sign_raw(rsa_key(1_024), b"[]", b"{}"),
        lambda _: sign_raw(rsa_key(1_024), b"{}", b"1"),
        lambda _: sign_raw(rsa_key(1_024), b"{}", b'{"a":1,"a":1}'),
    ],
)
def test_what_is_no_compact_token_is_refused(key: rsa.RSAPrivateKey, change: Any) -> None:
    with pytest.raises(MalformedEvidence):
        parse_jws(change(sign(key, {"alg": "RS256"}, {})))


def test_a_part_with_loose_bits_is_refused() -> None:
    # "e30" and "e31" both decode to {}.
    assert parse_jws(b"e30.e30.").claims == {}
    with pytest.raises(MalformedEvidence, match="canonical"):
        parse_jws(b"e31.e30.")


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ({"alg": "none"}, SignatureInvalid),
        ({"alg": "nOnE"}, SignatureInvalid),
        ({"alg": "HS256"}, SignatureInvalid),
        ({"alg": "rs256"}, SignatureInvalid),
        ({"crit": ["exp"]}, SignatureInvalid),
        ({"alg": None}, MalformedEvidence),
        ({"alg": ["RS256"]}, MalformedEvidence),
    ],
)
def test_other_algorithms_are_refused(
    key: rsa.RSAPrivateKey, header: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        check_algorithm(_token(key, **header), _RS256)


def test_another_keys_signature_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(SignatureInvalid, match="not the key's"):
        verify_signature(_token(key), rsa_key().public_key())


def test_a_short_key_is_refused(key: rsa.RSAPrivateKey) -> None:
    short = rsa_key(1_024)
    with pytest.raises(SignatureInvalid, match="1024 bits"):
        verify_signature(_token(short), short.public_key())


def test_certificates_of_the_header_are_read(key: rsa.RSAPrivateKey) -> None:
    one, two = issue("one", key), issue("two", key)
    assert certificates_of(_token(key, x5c=x5c(one, two))) == (one.certificate, two.certificate)


@pytest.mark.parametrize(
    "value",
    [
        "no list",
        [],
        ["AA=="] * 9,
        [1],
        ["A" * 30_000],
        ["AA"],
        ["AB=="],
        ["é"],
        ["AA=="],
        [base64.b64encode(b"\x30\x03\x02\x01\x00").decode()],
    ],
    ids=str,
)
def test_what_is_no_certificate_list_is_refused(key: rsa.RSAPrivateKey, value: Any) -> None:
    with pytest.raises(MalformedEvidence):
        certificates_of(_token(key, x5c=value))


def test_a_key_is_found_by_its_name(key: rsa.RSAPrivateKey) -> None:
    entries = numbers(rsa_key(), kid="two"), numbers(key, kid="one", use="sig", alg="RS256")
    found = select_key(key_set(*entries), _token(key), now=NOW)
    assert found.key == key.public_key()
    assert (len(found.id), found.expires_at) == (32, None)


@pytest.mark.parametrize("with_numbers", [False, True])
def test_a_key_may_be_a_certificate(key: rsa.RSAPrivateKey, with_numbers: bool) -> None:
    issued = issue("signer", key)
    entry = {"kty": "RSA", "kid": "one", "x5c": x5c(issued)}
    found = select_key(
        key_set({**numbers(key), **entry} if with_numbers else entry), _token(key), now=NOW
    )
    assert found.key == key.public_key()
    assert found.expires_at == int(issued.certificate.not_valid_after_utc.timestamp())


def test_a_key_with_an_outdated_certificate_is_refused(key: rsa.RSAPrivateKey) -> None:
    entry = {"kty": "RSA", "kid": "one", "x5c": x5c(issue("signer", key, days=-1))}
    with pytest.raises(EndorsementExpired):
        select_key(key_set(entry), _token(key), now=NOW)


@pytest.mark.parametrize(
    "change",
    [{"kid": "One"}, {"kty": "EC"}, {"use": "enc"}, {"alg": "PS256"}],
    ids=str,
)
def test_a_key_for_something_else_is_refused(
    key: rsa.RSAPrivateKey, change: dict[str, str]
) -> None:
    with pytest.raises(SignatureInvalid):
        select_key(key_set(numbers(key, **{"kid": "one", **change})), _token(key), now=NOW)


def test_no_key_set_and_two_keys_of_one_name_are_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(SignatureInvalid, match="no key set"):
        select_key(None, _token(key), now=NOW)
    twice = key_set(numbers(key, kid="one"), numbers(key, kid="one"))
    with pytest.raises(SignatureInvalid, match="2 keys called 'one'"):
        select_key(twice, _token(key), now=NOW)


def test_a_token_that_names_no_key_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(MalformedEvidence, match="without kid"):
        select_key(key_set(numbers(key)), _token(key, kid=None), now=NOW)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"n": 5, "e": "AQAB"},
        {"n": "é", "e": "AQAB"},
        {"n": "AQ==", "e": "AQAB"},
        {"e": ""},
        {"e": "Ag"},
        {"e": base64url(bytes([1, 0, 0, 0, 1]))},
        {"n": base64url(b"\xff" * 128)},
        {"n": base64url(b"\xff" * 1_025)},
    ],
    ids=str,
)
def test_numbers_that_are_no_key_are_refused(key: rsa.RSAPrivateKey, entry: dict[str, Any]) -> None:
    good = numbers(key, kid="one")
    raw = key_set({**good, **entry} if entry else {"kty": "RSA", "kid": "one"})
    with pytest.raises(MalformedEvidence):
        select_key(raw, _token(key), now=NOW)


def test_numbers_and_certificate_have_to_agree(key: rsa.RSAPrivateKey) -> None:
    entry = numbers(key, kid="one", x5c=x5c(issue("signer", rsa_key())))
    with pytest.raises(MalformedEvidence, match="disagree"):
        select_key(key_set(entry), _token(key), now=NOW)


@pytest.mark.parametrize("raw", [b"{}", b'{"keys":{}}', json.dumps({"keys": [{}] * 65}).encode()])
def test_what_is_no_key_set_is_refused(key: rsa.RSAPrivateKey, raw: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        select_key(raw, _token(key), now=NOW)


def test_a_certificate_of_another_kind_of_key_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="wanted RSA"):
        rsa_key_of(issue("other", ec.generate_private_key(ec.SECP256R1())).certificate)


def test_a_certificate_whose_key_cannot_be_read_is_refused(key: rsa.RSAPrivateKey) -> None:
    der = issue("signer", key).der
    # The algorithm of the key: rsaEncryption becomes an identifier that nobody has given out.
    own = bytes.fromhex("2a864886f70d010101")
    assert der.count(own) == 1
    broken = load_certificate(der.replace(own, own[:-1] + b"\x7f"), subject="")
    with pytest.raises(MalformedEvidence, match="certificate's key"):
        rsa_key_of(broken)


def test_a_token_is_shown_with_the_places_of_its_parts(key: rsa.RSAPrivateKey) -> None:
    token = sign(key, {"alg": "RS256"}, {"a": {"b": [1, "x"]}, "c": "d"})
    tree = show_jws(token)
    header, claims, signature = tree.children
    ends = [
        part.offset + part.size for part in tree.children if part.offset is not None and part.size
    ]
    assert ends == [token.index(b"."), token.rindex(b"."), len(token)]
    assert tree.size == len(token)
    assert [(node.name, node.value) for node in header.children] == [("alg", "RS256")]
    assert claims.children[0].children[0].value == '[1,"x"]'
    assert claims.children[1].value == "d"
    assert len(signature.value) == 512
