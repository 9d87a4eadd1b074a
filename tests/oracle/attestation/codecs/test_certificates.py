"""Certificates and lists are read whole, within bounds, or refused with a typed error."""

import warnings
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.codecs.certificates import (
    MAX_CERTIFICATE_SIZE,
    MAX_CRL_SIZE,
    extensions_of,
    issuer_of,
    load_certificate,
    load_crl,
    name_of,
    serial_of,
)
from oracle.attestation.findings import Malformed
from oracle.devnet.silicon import der
from tests.fakes.x509_authority import NOW, make_certificate

ROOT = make_certificate("the root")
LEAF = ROOT.issue("the leaf", is_ca=False, extensions=[(x509.OCSPNoCheck(), False)])
LIST = ROOT.revoke(7).public_bytes(Encoding.DER)


def _changed(encoded: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert old in encoded
    return encoded.replace(old, new)


def test_a_certificate_is_read() -> None:
    certificate = load_certificate(LEAF.der, subject="the leaf")
    assert certificate == LEAF.certificate
    assert name_of(certificate) == "certificate CN=the leaf"
    assert issuer_of(certificate) == "CN=the root"
    assert [each.oid for each in extensions_of(certificate)] == [x509.OCSPNoCheck.oid]
    assert serial_of(certificate) == LEAF.certificate.serial_number


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        LEAF.der[:-1],
        LEAF.der + b"\0",
        LEAF.der.ljust(MAX_CERTIFICATE_SIZE + 1, b"\0"),
        _changed(LEAF.der, bytes.fromhex("a003020102"), bytes.fromhex("a003020107")),
    ],
    ids=["nothing", "cut", "longer", "too long", "version 8"],
)
def test_other_bytes_are_no_certificate(encoded: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        load_certificate(encoded, subject="the leaf")
    assert caught.value.subject == "the leaf"


#: Dates of which one is written in full, as all from 2050 on are.
_DATES = [
    {"begin": datetime(2050, 1, 1, tzinfo=UTC), "end": datetime(2051, 1, 1, tzinfo=UTC)},
    {"begin": datetime(2049, 1, 1, tzinfo=UTC), "end": datetime(2050, 1, 1, tzinfo=UTC)},
]
_YEAR_0 = (b"20500101000000Z", b"00000101000000Z")


@pytest.mark.parametrize("dates", _DATES, ids=["begin", "end"])
def test_no_certificate_and_no_list_is_of_the_year_0(dates: dict[str, datetime]) -> None:
    encoded = ROOT.issue("a leaf", **dates).der
    load_certificate(encoded, subject="a leaf")
    with pytest.raises(Malformed):
        load_certificate(_changed(encoded, *_YEAR_0), subject="a leaf")
    crl = ROOT.revoke(**dates).public_bytes(Encoding.DER)
    load_crl(crl)
    with pytest.raises(Malformed):
        load_crl(_changed(crl, *_YEAR_0))


def test_the_serial_number_0_is_read_without_a_warning() -> None:
    version = b"\xa0\x03\x02\x01\x02"
    encoded = ROOT.issue("a chip", serial=1).der
    encoded = _changed(encoded, version + b"\x02\x01\x01", version + b"\x02\x01\x00")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        certificate = load_certificate(encoded, subject="a chip")
        assert serial_of(certificate) == 0


@pytest.mark.parametrize(
    "broken", [b"\x0c\x08the \xff\xff\xff\xff", b"\x03\x08\x00abcdefg"], ids=["UTF-8", "BIT STRING"]
)
def test_a_name_that_cannot_be_read_is_called_so(broken: bytes) -> None:
    encoded = _changed(LEAF.der, b"\x0c\x08the leaf", broken)
    encoded = _changed(encoded, b"\x0c\x08the root", broken)
    certificate = load_certificate(encoded, subject="a leaf")
    assert name_of(certificate) == "certificate with an unreadable name"
    assert issuer_of(certificate) == "an unreadable name"


@pytest.mark.parametrize("becomes", [b"\x55\x1d\x0f", b"\x55\x1d\x13"], ids=["key usage", "twice"])
def test_extensions_that_cannot_be_read_are_refused(becomes: bytes) -> None:
    key_id = x509.SubjectKeyIdentifier(b"it is no usage")
    encoded = ROOT.issue("a CA", extensions=[(key_id, False)]).der
    encoded = _changed(encoded, b"\x55\x1d\x0e", becomes)
    with pytest.raises(Malformed) as caught:
        extensions_of(load_certificate(encoded, subject="a CA"))
    assert caught.value.subject == "certificate CN=a CA"


def _unused_bit(encoded: bytes, size: int) -> bytes:
    """The signature's last bit, which is zero, is said to be unused."""
    return encoded[: -1 - size] + b"\1" + encoded[-size:]


def test_a_signature_that_ends_within_a_byte_is_refused() -> None:
    certificate = next(
        each for each in iter(lambda: ROOT.issue("leaf"), None) if not each.der[-1] & 1
    )
    changed = _unused_bit(certificate.der, len(certificate.certificate.signature))
    assert x509.load_der_x509_certificate(changed).signature == certificate.certificate.signature
    with pytest.raises(Malformed):
        load_certificate(changed, subject="a leaf")
    crl = next(each for each in iter(ROOT.revoke, None) if not each.signature[-1] & 1)
    changed = _unused_bit(crl.public_bytes(Encoding.DER), len(crl.signature))
    assert x509.load_der_x509_crl(changed).signature == crl.signature
    with pytest.raises(Malformed):
        load_crl(changed)


def test_a_list_is_read() -> None:
    crl = load_crl(LIST)
    assert [entry.serial_number for entry in crl] == [7]
    assert crl.next_update_utc == NOW + timedelta(hours=12)


def _without_end() -> bytes:
    """A list without nextUpdate; its signature is of another."""
    crl = load_crl(LIST)
    end = f"{NOW + timedelta(hours=12):%y%m%d%H%M%SZ}".encode()
    body = _changed(_body(crl.tbs_certlist_bytes), b"\x17\x0d" + end, b"\x31" * 15)
    signature = LIST.removeprefix(LIST[:3]).removeprefix(crl.tbs_certlist_bytes)
    return der.sequence(der.sequence(body.replace(b"\x31" * 15, b"")), signature)


def _body(element: bytes) -> bytes:
    """An element's content: its length is one octet, or two."""
    return element[2:] if element[1] < 0x80 else element[3:]


def test_a_list_without_an_end_is_refused() -> None:
    raw = _without_end()
    assert x509.load_der_x509_crl(raw).next_update_utc is None
    with pytest.raises(Malformed):
        load_crl(raw)


@pytest.mark.parametrize(
    "encoded",
    [b"", LIST[:-1], LEAF.der, LIST.ljust(MAX_CRL_SIZE + 1, b"\0")],
    ids=["nothing", "cut", "a certificate", "too long"],
)
def test_other_bytes_are_no_list(encoded: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        load_crl(encoded)
    assert caught.value.subject == "revocation list"
