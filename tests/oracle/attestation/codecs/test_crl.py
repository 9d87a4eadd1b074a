from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.errors import MalformedEvidence
from enclave.domain.report import keccak256
from oracle.attestation.codecs.crl import MAX_CRL, parse_crl
from oracle.devnet.silicon.documents import make_crl
from oracle.devnet.silicon.pki import Authority
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)
LIFE = timedelta(days=30)


@pytest.fixture(scope="module")
def issuer() -> Authority:
    return SiliconVendor(now=NOW).chain.platform_ca


def test_a_list_is_read(issuer: Authority) -> None:
    crl = parse_crl(make_crl(issuer, (7, 2**158), now=NOW, life=LIFE, number=9))
    assert (crl.number, crl.serials) == (9, (7, 2**158))
    assert crl.issuer == issuer.name_hash
    assert (crl.this_update, crl.next_update) == (
        int(NOW.timestamp()),
        int((NOW + LIFE).timestamp()),
    )
    assert crl.table == (7).to_bytes(20, "big") + (2**158).to_bytes(20, "big")
    assert crl.digest == keccak256(crl.table)[:16]


def test_a_list_may_name_nobody(issuer: Authority) -> None:
    crl = parse_crl(make_crl(issuer, (), now=NOW, life=LIFE))
    assert (crl.table, crl.digest) == (b"", keccak256(b"")[:16])


def _without_number(issuer: Authority) -> bytes:
    builder = x509.CertificateRevocationListBuilder(
        issuer.certificate.subject, NOW.replace(tzinfo=None), NOW.replace(tzinfo=None)
    )
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.DER)


def test_what_is_no_list_with_a_number_is_refused(issuer: Authority) -> None:
    good = make_crl(issuer, (7,), now=NOW, life=LIFE)
    large = make_crl(issuer, (), now=NOW, life=LIFE, number=2**32)
    for ill in (b"", good + b"\0", good[:-1], _without_number(issuer), large, bytes(MAX_CRL + 1)):
        with pytest.raises(MalformedEvidence):
            parse_crl(ill)


def test_a_list_of_which_something_cannot_be_read_is_refused(issuer: Authority) -> None:
    good = make_crl(issuer, (7,), now=NOW, life=LIFE)
    number, key_id = bytes.fromhex("0603551d14"), bytes.fromhex("0603551d23")
    ills = {
        "issuer": good.replace(b"Emulated", b"Emulate\xff"),
        "extension": good.replace(key_id, number),
        "begin": good.replace(NOW.strftime("%y%m%d%H%M%SZ").encode(), b"310230000000Z"),
    }
    for what, ill in ills.items():
        assert ill != good, what
        with pytest.raises(MalformedEvidence, match="not a DER CRL with a number"):
            parse_crl(ill)


def test_a_list_without_an_end_is_refused(issuer: Authority) -> None:
    good = make_crl(issuer, (), now=NOW, life=LIFE)
    end = b"\x17\x0d" + (NOW + LIFE).strftime("%y%m%d%H%M%SZ").encode()
    assert good.count(end) == 1
    without = bytearray(good.replace(end, b""))
    # Two lengths in their long form: the list's and that of its signed part.
    first = 2 + (without[1] & 0x0F if without[1] & 0x80 else 0)
    for at in (0, first):
        size = without[at + 1] & 0x0F
        head = slice(at + 2, at + 2 + size)
        length = int.from_bytes(without[head], "big") - len(end)
        without[head] = length.to_bytes(size, "big")
    with pytest.raises(MalformedEvidence):
        parse_crl(bytes(without))
