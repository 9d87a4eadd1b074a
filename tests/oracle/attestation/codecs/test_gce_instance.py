"""The instance in a certificate is read, and nothing that is not of its form."""

import pytest
from cryptography import x509

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.gce_instance import Instance, parse_instance
from oracle.devnet.silicon.der import OCTET_STRING, integer, sequence, tlv
from tests.fakes.gce import PRODUCTION, boolean, instance, named, properties
from tests.fakes.x509_authority import make_certificate


def _parse(value: bytes) -> Instance | None:
    return parse_instance(make_certificate("ak", extensions=named(value)).certificate)


def test_an_instance_is_read() -> None:
    found = _parse(instance(number=225_901_718_609))
    assert found == Instance("us-central1-a", 225_901_718_609, "p", 2**63, "i", True)


def test_a_certificate_may_name_none() -> None:
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"")
    assert parse_instance(make_certificate("ak", extensions=((other, False),)).certificate) is None


@pytest.mark.parametrize(
    "security",
    [
        properties(),
        properties(integer(0)),
        properties(integer(0), boolean(False), boolean(True)),
        properties(integer(0), integer(1)),
        properties(tlv(OCTET_STRING, bytes(200)), boolean(True)),
    ],
)
def test_what_is_not_said_to_be_for_production_is_not(security: bytes) -> None:
    found = _parse(instance(security))
    assert found is not None
    assert not found.is_production


@pytest.mark.parametrize(
    "value",
    [
        b"",
        instance()[:-1],
        instance() + b"\0",
        instance(b""),
        instance(b"\xa0\0"),
        instance(sequence()),
        instance(tlv(0xA0, integer(1))),
        instance(PRODUCTION + integer(1)),
        instance(number=2**64),
        instance(identity=2**64),
        sequence(integer(1), PRODUCTION),
    ],
    ids=bytes.hex,
)
def test_another_form_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        _parse(value)
