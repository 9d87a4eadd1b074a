"""The emulated AMD has the real one's profile: names, extensions, serial numbers, padding."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.x509.oid import NameOID

from oracle.attestation.codecs.certificates import load_certificate, serial_of
from oracle.devnet.silicon import der
from oracle.devnet.silicon.amd import GENOA, MILAN, TURIN, VCEK, VLEK, Levels, Line, sign_report
from tests.fakes.amd import NOW, amd_vendor, endorsed_key, hwid, make_report

LINES = pytest.mark.parametrize("line", [MILAN, GENOA, TURIN], ids=lambda line: line.name)


def _common_name(name: x509.Name) -> str:
    (found,) = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found.value)


@LINES
def test_root_and_authorities_have_amds_profile(line: Line) -> None:
    vendor = amd_vendor(line)
    ark, ask, asvk = (
        load_certificate(each, subject="it") for each in (vendor.ark, vendor.ask, vendor.asvk)
    )
    assert [_common_name(each.subject) for each in (ark, ask, asvk)] == [
        f"ARK-{line.name}",
        f"SEV-{line.name}",
        f"SEV-VLEK-{line.name}",
    ]
    for each in (ark, ask, asvk):
        each.verify_directly_issued_by(ark)
        key = each.public_key()
        assert isinstance(key, RSAPublicKey)
        assert key.key_size == 4096
        padding = each.signature_algorithm_parameters
        assert isinstance(padding, PSS)
        assert isinstance(each.signature_hash_algorithm, SHA384)
        constraints = each.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value.ca
        assert constraints.value.path_length == (None if each is ark else 0)
        usage = each.extensions.get_extension_for_class(x509.KeyUsage).value
        assert (usage.key_cert_sign, usage.crl_sign) == (True, each is ark)
    assert ark.serial_number == line.first_serial


@LINES
@pytest.mark.parametrize("kind", [VCEK, VLEK], ids=["VCEK", "VLEK"])
def test_keys_have_amds_extensions_in_their_order(line: Line, kind: int) -> None:
    certificate = load_certificate(endorsed_key(line, kind).certificate, subject="a key")
    vendor = amd_vendor(line)
    authority = vendor.asvk if kind == VLEK else vendor.ask
    certificate.verify_directly_issued_by(load_certificate(authority, subject="an authority"))
    assert serial_of(certificate) == 0
    assert _common_name(certificate.subject) == ("SEV-VLEK" if kind == VLEK else "SEV-VCEK")
    years = 1 if kind == VLEK else 7
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life == timedelta(days=365 * years)
    middle = ["9", "1", "2", "3", "5", "6", "7", "8"] if line is TURIN else list("12456738")
    arcs = ["1", "2", *(f"3.{arc}" for arc in middle), "5" if kind == VLEK else "4"]
    found = [
        (extension.oid.dotted_string, extension.critical) for extension in certificate.extensions
    ]
    assert found == [(f"1.3.6.1.4.1.3704.1.{arc}", False) for arc in arcs]
    level = certificate.extensions.get_extension_for_oid(
        x509.ObjectIdentifier("1.3.6.1.4.1.3704.1.3.8")
    )
    assert level.value.public_bytes() == der.integer(219) == b"\x02\x02\x00\xdb"


@LINES
def test_a_list_is_the_roots(line: Line) -> None:
    crl = x509.load_der_x509_crl(amd_vendor(line).make_crl(line.first_serial + 1, now=NOW))
    ark = load_certificate(amd_vendor(line).ark, subject="the root")
    key = ark.public_key()
    assert isinstance(key, RSAPublicKey)
    assert crl.is_signature_valid(key)
    assert [entry.serial_number for entry in crl] == [line.first_serial + 1]
    assert crl.next_update_utc == NOW + timedelta(days=365)


def test_levels_are_packed_in_each_lines_layout() -> None:
    levels = Levels(bootloader=1, tee=2, snp=3, microcode=4, fmc=5)
    assert levels.pack(MILAN) == levels.pack(GENOA) == bytes((1, 2, 0, 0, 0, 0, 3, 4))
    assert levels.pack(TURIN) == bytes((5, 1, 2, 3, 0, 0, 0, 4))


def test_a_report_has_its_fields_in_their_places() -> None:
    raw = sign_report(make_report(TURIN, 5, fields={0x1F8: b"\x07"}), endorsed_key(TURIN, VCEK).key)
    assert len(raw) == 1184
    assert raw[:4] == b"\x05\0\0\0"
    assert raw[0x50:0x90] == bytes(range(64))
    assert raw[0x188:0x18B] == bytes((0x1A, 0x02, 1))
    assert raw[0x1A0:0x1A8] == hwid(TURIN)
    assert raw[0x1F8] == 7
    assert not any(raw[0x330:])
    assert not any(sign_report(make_report(MILAN, 2), endorsed_key(MILAN, VCEK).key)[0x188:0x1A0])
