"""A machine is read from its certificate to the last byte, or the certificate is refused."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from enclave.domain.errors import MalformedEvidence
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import MAX_CERTIFICATE, parse_certificate, split_quote
from oracle.attestation.codecs.pck import MACHINE_SIZE, Machine, parse_machine
from oracle.devnet.silicon import der
from oracle.devnet.silicon.pki import SGX_EXTENSION, Platform, sgx_extension
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, tzinfo=UTC)
VENDOR = SiliconVendor(now=NOW)
CA_ID = keccak256(b"an authority")
VECTORS = os.environ.get("ORACLE_VECTORS")
KEY = ec.generate_private_key(ec.SECP256R1())
EXTENSION = sgx_extension(VENDOR.platform)


def _certificate(
    extension: bytes | None = EXTENSION,
    *,
    key: Any = KEY,
    digest: Any = None,
    serial: int = 0x1001,
) -> bytes:
    """A certificate with this content of Intel's extension."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a machine")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if extension is not None:
        oid = x509.ObjectIdentifier(SGX_EXTENSION)
        value = x509.UnrecognizedExtension(oid, extension)
        builder = builder.add_extension(value, critical=False)
    return builder.sign(KEY, digest or SHA256()).public_bytes(Encoding.DER)


def _item(suffix: str, value: bytes) -> bytes:
    return der.sequence(der.oid(f"{SGX_EXTENSION}.{suffix}"), value)


def _octets(size: int) -> bytes:
    return der.tlv(der.OCTET_STRING, bytes(range(size)))


def _tcb_items() -> list[bytes]:
    items = [_item(f"2.{index}", der.integer(index)) for index in range(1, 18)]
    return [*items, _item("2.18", _octets(16))]


def _items() -> dict[int, bytes]:
    return {
        1: _item("1", _octets(16)),
        2: _item("2", der.sequence(*_tcb_items())),
        3: _item("3", _octets(2)),
        4: _item("4", _octets(6)),
        5: _item("5", der.tlv(der.ENUMERATED, b"\0")),
        6: _item("6", _octets(16)),
        7: _item("7", der.sequence()),
    }


def _machine(encoded: bytes) -> Machine:
    return parse_machine(parse_certificate(encoded).parsed, ca_id=CA_ID)


def _parsed(extension: bytes) -> Machine:
    return _machine(_certificate(extension))


def _with_tcb(items: list[bytes]) -> bytes:
    return der.sequence(*(_items() | {2: _item("2", der.sequence(*items))}).values())


def _with_component(value: bytes) -> bytes:
    return _with_tcb([_item("2.1", value), *_tcb_items()[1:]])


def test_a_machine_is_what_its_certificate_says() -> None:
    pck, platform = VENDOR.chain.pck, VENDOR.platform
    machine = parse_machine(pck.certificate, ca_id=CA_ID)
    assert (int.from_bytes(machine.x, "big"), int.from_bytes(machine.y, "big")) == pck.coordinates
    assert (
        Platform(
            machine.ppid,
            machine.fmspc,
            machine.pceid,
            machine.components,
            machine.pcesvn,
            platform.instance_id,
        )
        == platform
    )
    assert machine.serial == pck.certificate.serial_number


def test_a_machine_is_packed_and_named_by_all_its_bytes() -> None:
    machine = parse_machine(VENDOR.chain.pck.certificate, ca_id=CA_ID)
    packed = machine.packed
    assert len(packed) == MACHINE_SIZE
    assert packed[:96] == machine.x + machine.y + CA_ID
    assert packed[96:] == (
        VENDOR.platform.ppid
        + VENDOR.platform.fmspc
        + VENDOR.platform.pceid
        + VENDOR.platform.pcesvn.to_bytes(2, "big")
        + VENDOR.platform.components
    )
    assert machine.pck_id == keccak256(packed)
    assert replace(machine, serial=7).pck_id == machine.pck_id


def test_values_are_found_in_any_order_of_the_items() -> None:
    items = _items()
    wanted = _parsed(der.sequence(*items.values()))
    assert _parsed(der.sequence(*reversed(items.values()))) == wanted
    assert wanted.components == bytes(range(1, 17))
    assert (wanted.pcesvn, wanted.ppid) == (17, bytes(range(16)))


def test_a_processor_authoritys_certificate_has_five_items() -> None:
    items = _items()
    del items[6], items[7]
    assert _parsed(der.sequence(*items.values())) == _parsed(der.sequence(*_items().values()))


@pytest.mark.parametrize("missing", [1, 2, 3, 4, 5])
def test_a_missing_item_is_refused(missing: int) -> None:
    items = _items()
    del items[missing]
    with pytest.raises(MalformedEvidence, match="items are"):
        _parsed(der.sequence(*items.values()))


@pytest.mark.parametrize("number", range(1, 8))
def test_an_item_that_occurs_twice_is_refused(number: int) -> None:
    items = _items()
    with pytest.raises(MalformedEvidence, match=f"item {number} occurs twice"):
        _parsed(der.sequence(*items.values(), items[number]))


@pytest.mark.parametrize(
    "item",
    [
        _item("8", _octets(1)),
        _item("0", _octets(1)),
        der.sequence(der.oid(SGX_EXTENSION)),
        der.sequence(der.oid("1.2.840.113741.1.13.2.1"), _octets(1)),
        der.sequence(),
    ],
)
def test_another_item_is_refused(item: bytes) -> None:
    with pytest.raises(MalformedEvidence, match="wanted 060a2a864886f84d010d01 and 1 to 7"):
        _parsed(der.sequence(*_items().values(), item))


@pytest.mark.parametrize("number", [1, 3, 4, 6])
def test_values_of_another_length_or_type_are_refused(number: int) -> None:
    sizes = {1: 16, 3: 2, 4: 6, 6: 16}
    for size in (0, sizes[number] - 1, sizes[number] + 1):
        items = _items() | {number: _item(str(number), _octets(size))}
        with pytest.raises(MalformedEvidence, match=f"{size} bytes, wanted {sizes[number]}"):
            _parsed(der.sequence(*items.values()))
    items = _items() | {number: _item(str(number), der.integer(5))}
    with pytest.raises(MalformedEvidence, match="tag is 0x02, wanted 0x04"):
        _parsed(der.sequence(*items.values()))


@pytest.mark.parametrize("number", range(1, 8))
def test_an_item_has_one_value(number: int) -> None:
    name = der.oid(f"{SGX_EXTENSION}.{number}")
    for values in ((), (_octets(16), _octets(16))):
        items = _items() | {number: der.sequence(name, *values)}
        with pytest.raises(MalformedEvidence, match=f"{len(values)} elements, wanted 1"):
            _parsed(der.sequence(*items.values()))


def test_components_come_in_their_order() -> None:
    items = _tcb_items()
    items[3], items[4] = items[4], items[3]
    with pytest.raises(MalformedEvidence, match=r"TCB item .*05, wanted .*04"):
        _parsed(_with_tcb(items))


def test_there_are_eighteen_tcb_items() -> None:
    for items in (_tcb_items()[:-1], [*_tcb_items(), _item("2.19", der.integer(0))]):
        with pytest.raises(MalformedEvidence, match="elements, wanted 18"):
            _parsed(_with_tcb(items))


def test_cpusvn_has_sixteen_bytes() -> None:
    with pytest.raises(MalformedEvidence, match="15 bytes, wanted 16"):
        _parsed(_with_tcb([*_tcb_items()[:-1], _item("2.18", _octets(15))]))


@pytest.mark.parametrize("content", ["", "0005", "0100", "ff", "80", "00ffff"])
def test_a_component_is_a_byte_in_der(content: str) -> None:
    with pytest.raises(MalformedEvidence, match=f"INTEGER is {content}, wanted 0 to 255"):
        _parsed(_with_component(der.tlv(der.INTEGER, bytes.fromhex(content))))


def test_the_greatest_versions_are_read() -> None:
    items = _tcb_items()
    items[0] = _item("2.1", der.integer(255))
    items[16] = _item("2.17", der.integer(65_535))
    machine = _parsed(_with_tcb(items))
    assert (machine.components[0], machine.pcesvn) == (255, 65_535)
    items[16] = _item("2.17", der.integer(65_536))
    with pytest.raises(MalformedEvidence, match="wanted 0 to 65535"):
        _parsed(_with_tcb(items))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("04", "DER length "),
        ("0480", "DER length 80"),
        ("048100", "DER length 8100"),
        ("0481", "DER length 81"),
        ("04817f", "DER length 817f"),
        ("04820010", "DER length 820010"),
        ("0482", "DER length 82"),
        ("0483010000", "DER length 830100"),
        ("0411", "ends at 2, wanted 19"),
        ("048180", "ends at 3, wanted 131"),
        ("04820100", "ends at 4, wanted 260"),
    ],
)
def test_lengths_are_definite_and_the_shortest(value: str, said: str) -> None:
    items = _items() | {5: _item("5", bytes.fromhex(value))}
    with pytest.raises(MalformedEvidence, match=said):
        _parsed(der.sequence(*items.values()))


def test_bytes_after_the_extension_are_refused() -> None:
    extension = der.sequence(*_items().values())
    for content in (extension + der.integer(0), b"", extension[:-1]):
        with pytest.raises(MalformedEvidence):
            _parsed(content)
    with pytest.raises(MalformedEvidence, match="tag is 0x31, wanted 0x30"):
        _parsed(b"\x31" + extension[1:])


def test_a_certificate_without_the_extension_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="not a PCK certificate"):
        _machine(_certificate(None))


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_another_key_is_refused(key: Any) -> None:
    with pytest.raises(MalformedEvidence, match=r"another key than one of P-256"):
        _machine(_certificate(key=key))


def test_a_key_off_the_curve_is_refused() -> None:
    encoded = _certificate()
    at = encoded.index(KEY.public_key().public_numbers().y.to_bytes(32, "big"))
    with pytest.raises(MalformedEvidence, match="not a PCK certificate"):
        _machine(encoded[:at] + bytes(32) + encoded[at + 32 :])


def test_another_signature_algorithm_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match=r"wanted ECDSA-SHA256"):
        _machine(_certificate(digest=SHA384()))


def test_what_is_no_certificate_is_refused() -> None:
    for encoded in (b"", b"\x30\x00", VENDOR.chain.pck.der + b"\0"):
        with pytest.raises(MalformedEvidence, match="wanted one DER certificate"):
            _machine(encoded)
    with pytest.raises(MalformedEvidence, match="wanted <= 4096"):
        _machine(bytes(MAX_CERTIFICATE + 1))


def _recorded() -> Iterator[Any]:
    for tee in ("sgx", "tdx") if VECTORS else ():
        folder = Path(str(VECTORS)) / tee
        for case in json.loads((folder / "manifest.json").read_text()):
            if case["role"] == "evidence" and "pck" in case["facts"]:
                yield pytest.param(folder / case["file"], case, id=f"{tee}-{case['vector']}")


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
@pytest.mark.parametrize(("path", "case"), list(_recorded()))
def test_recorded_machines_are_read_as_the_manifest_says(path: Path, case: dict[str, Any]) -> None:
    quote = split_quote(path.read_bytes())
    machine = parse_machine(quote.pck.parsed, ca_id=quote.ca.id)
    told = case["facts"]["pck"]
    assert list(machine.components) == told["tcb"]
    names = ("ppid", "fmspc", "pceid")
    assert [getattr(machine, name).hex() for name in names] == [told[name] for name in names]
    assert machine.pcesvn == told["pcesvn"]
    if "serial" in told:
        assert machine.serial == int(told["serial"], 16)
    assert machine.ca_id == quote.ca.id
