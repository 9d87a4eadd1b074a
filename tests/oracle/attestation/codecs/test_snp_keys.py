"""Chips' and providers' keys are read from AMD's extensions, or the certificate is refused."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.codecs.certificates import load_certificate
from oracle.attestation.codecs.snp_keys import EndorsementKey, kind_of, parse_endorsement_key
from oracle.attestation.codecs.snp_report import ProductLine, SigningKey
from oracle.attestation.findings import Malformed
from oracle.devnet.silicon import der
from oracle.devnet.silicon.amd import (
    GENOA,
    MILAN,
    TURIN,
    VCEK,
    VLEK,
    Levels,
    Line,
    make_extension,
)
from tests.fakes.amd import CSP, LEVELS, amd_vendor, endorsed_key, hwid
from tests.fakes.x509_authority import make_certificate

LINES = pytest.mark.parametrize("line", [MILAN, GENOA, TURIN], ids=lambda line: line.name)
_IA5 = 0x16


def _certificate(line: Line, kind: int) -> x509.Certificate:
    return load_certificate(endorsed_key(line, kind).certificate, subject="a key")


def _extended(
    extensions: list[x509.UnrecognizedExtension], curve: ec.EllipticCurve | None = None
) -> x509.Certificate:
    """A certificate with these extensions; who signed it does not matter here."""
    return make_certificate(
        "SEV-VCEK",
        key=ec.generate_private_key(curve or ec.SECP384R1()),
        is_ca=False,
        extensions=[(extension, False) for extension in extensions],
    ).certificate


def _changed(
    arc: str | None = None, content: bytes | None = None, line: Line = MILAN
) -> x509.Certificate:
    """A VCEK's certificate with one extension other, or missing."""
    vendor = amd_vendor(line)
    good = [*vendor.describe(line.product, LEVELS), make_extension("4", hwid(line))]
    oid = f"1.3.6.1.4.1.3704.1.{arc}"
    changed = []
    for extension in good:
        if extension.oid.dotted_string != oid:
            changed.append(extension)
        elif content is not None:
            changed.append(x509.UnrecognizedExtension(extension.oid, content))
    return _extended(changed)


def _refusal(certificate: x509.Certificate) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse_endorsement_key(certificate)
    assert caught.value.subject == "certificate CN=SEV-VCEK"
    return caught.value


@LINES
def test_a_chips_key_is_read(line: Line) -> None:
    certificate = _certificate(line, VCEK)
    assert parse_endorsement_key(certificate) == EndorsementKey(
        certificate=certificate,
        kind=SigningKey.VCEK,
        struct_version=1 if line is TURIN else 0,
        product=line.product,
        line=ProductLine(line.name),
        tcb=int.from_bytes(LEVELS.pack(line), "little"),
        hwid=hwid(line),
        csp="",
        key=endorsed_key(line, VCEK).key.public_key(),
    )


@LINES
def test_a_providers_key_is_read(line: Line) -> None:
    certificate = _certificate(line, VLEK)
    assert parse_endorsement_key(certificate) == EndorsementKey(
        certificate=certificate,
        kind=SigningKey.VLEK,
        struct_version=1 if line is TURIN else 0,
        product=line.name,
        line=ProductLine(line.name),
        tcb=int.from_bytes(LEVELS.pack(line), "little"),
        hwid=b"",
        csp=CSP,
        key=endorsed_key(line, VLEK).key.public_key(),
    )


def test_kinds_are_told_by_whom_a_certificate_names() -> None:
    assert kind_of(_certificate(MILAN, VCEK)) is SigningKey.VCEK
    assert kind_of(_certificate(MILAN, VLEK)) is SigningKey.VLEK
    assert kind_of(load_certificate(amd_vendor(MILAN).ask, subject="ASK")) is None


@pytest.mark.parametrize("level", [0, 1, 127, 128, 255])
def test_levels_are_read_to_the_largest(level: int) -> None:
    certificate = _changed("3.8", der.integer(level))
    assert parse_endorsement_key(certificate).tcb >> 56 == level


@LINES
def test_each_component_is_the_lines_own_byte(line: Line) -> None:
    levels = Levels(bootloader=11, tee=12, snp=13, microcode=18, fmc=19)
    key = amd_vendor(line).issue_vcek(hwid(line), levels)
    parsed = parse_endorsement_key(load_certificate(key.certificate, subject="a key"))
    assert parsed.tcb.to_bytes(8, "little") == levels.pack(line)


@LINES
def test_an_identity_may_be_an_octet_string(line: Line) -> None:
    wrapped = der.tlv(der.OCTET_STRING, hwid(line))
    assert parse_endorsement_key(_changed("4", wrapped, line)).hwid == hwid(line)


def test_an_identity_that_looks_wrapped_is_taken_whole() -> None:
    identity = b"\x04\x40" + bytes(range(62))
    assert parse_endorsement_key(_changed("4", identity)).hwid == identity


@pytest.mark.parametrize("arc", ["1", "2", "4", *(f"3.{arc}" for arc in range(1, 9))])
def test_an_extension_that_is_missing_is_refused(arc: str) -> None:
    _refusal(_changed(arc))


def test_turins_component_is_missing_in_a_certificate_of_other_lines_layout() -> None:
    refusal = _refusal(_changed("2", der.tlv(_IA5, b"Turin")))
    assert refusal.wanted == "the extension 1.3.6.1.4.1.3704.1.3.9"


def test_a_key_of_both_a_chip_and_a_provider_is_refused() -> None:
    vendor = amd_vendor(MILAN)
    both = [make_extension("4", hwid(MILAN)), make_extension("5", der.tlv(_IA5, b"CN=x"))]
    assert _refusal(_extended([*vendor.describe("Milan", LEVELS), *both])).seen == "both or neither"


@pytest.mark.parametrize(
    ("arc", "content"),
    [
        ("2", b""),
        ("2", b"\x16"),
        ("2", b"\x16\x00"),
        ("2", b"\x16\x05Milan!"),
        ("2", b"\x16\x06Milan"),
        ("2", b"\x0c\x05Milan"),
        ("2", b"\x16\x05Mil\xe4n"),
        ("2", b"\x16\x00" + b"Milan-" + b"B" * 122),
        ("2", b"\x16\x06Naples"),
        ("2", b"\x16\x05milan"),
        ("3.1", b""),
        ("3.1", b"\x02\x00"),
        ("3.1", b"\x02\x01\x80"),
        ("3.1", b"\x02\x02\x00\x7f"),
        ("3.1", b"\x02\x02\x01\x00"),
        ("3.1", b"\x02\x01\x01\x00"),
        ("3.1", b"\x04\x01\x01"),
        ("4", bytes(63)),
        ("4", bytes(65)),
        ("4", bytes(8)),
        ("4", b"\x04\x41" + bytes(64)),
    ],
)
def test_an_extension_that_is_not_as_amd_encodes_it_is_refused(arc: str, content: bytes) -> None:
    _refusal(_changed(arc, content))


def test_a_provider_without_a_name_is_refused() -> None:
    described = amd_vendor(MILAN).describe("Milan", LEVELS)
    _refusal(_extended([*described, make_extension("5", b"\x16\x00")]))


def test_a_key_on_another_curve_or_of_another_kind_is_refused() -> None:
    good = [*amd_vendor(MILAN).describe("Milan", LEVELS), make_extension("4", hwid(MILAN))]
    assert _refusal(_extended(good, ec.SECP256R1())).wanted == "a key on P-384"
    edwards = ed25519.Ed25519PrivateKey.generate()
    certificate = make_certificate(
        "SEV-VCEK", key=edwards, is_ca=False, extensions=[(each, False) for each in good]
    ).certificate
    assert _refusal(certificate).wanted == "a key on P-384"


def test_a_key_that_cannot_be_read_is_refused() -> None:
    certificate = _changed()
    numbers = certificate.public_key()
    assert isinstance(numbers, ec.EllipticCurvePublicKey)
    point = numbers.public_numbers().x.to_bytes(48, "big")
    encoded = certificate.public_bytes(Encoding.DER).replace(point, bytes(47) + b"\x02")
    assert _refusal(load_certificate(encoded, subject="a key")).wanted == "a key on P-384"
