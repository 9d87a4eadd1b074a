"""PCK certificates: what `DcapVerifier` keeps of a machine.

As strict as the contracts: DER in its shortest form, every item of Intel's extension at most once.
Nothing here establishes that Intel's authority signed a certificate.

Reference: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5;
`contracts/src/libraries/PckExtension.sol`.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import SignatureAlgorithmOID

from enclave.domain.errors import MalformedEvidence
from enclave.domain.report import keccak256
from oracle.attestation.codecs.certificates import UNREADABLE, serial_of

SGX_EXTENSION = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
COMPONENTS = 16
MACHINE_SIZE = 138
_INTEGER, _OCTET_STRING, _SEQUENCE = 0x02, 0x04, 0x30
#: OBJECT IDENTIFIER of 10 octets, 1.2.840.113741.1.13.1.x without its last arc.
_ITEM = bytes.fromhex("060a2a864886f84d010d01")
#: OBJECT IDENTIFIER of 11 octets, 1.2.840.113741.1.13.1.2.x without its last arc.
_TCB_ITEM = bytes.fromhex("060b2a864886f84d010d0102")
_PPID, _TCB, _PCEID, _FMSPC, _SGX_TYPE, _INSTANCE, _CONFIGURATION = range(1, 8)
_MANDATORY = {_PPID, _TCB, _PCEID, _FMSPC, _SGX_TYPE}
#: Bytes of those items that are one OCTET STRING.
_OCTETS = {_PPID: 16, _PCEID: 2, _FMSPC: 6, _INSTANCE: 16}
_PCESVN, _CPUSVN = 17, 18
#: Tag and content.
_Element = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a PCK certificate says of a machine.

    Attributes:
        x: First coordinate of its key, 32 bytes.
        y: Second coordinate, 32 bytes.
        ca_id: Name of the authority that issued the certificate, 32 bytes.
        ppid: Platform provisioning id, 16 bytes.
        fmspc: Family, model, stepping, platform type, custom SKU, 6 bytes.
        pceid: Provisioning certification enclave, 2 bytes.
        pcesvn: Its security version, 0 to 65535.
        components: 16 TCB component security versions.
        serial: Serial number of the certificate; not part of the machine.
    """

    x: bytes
    y: bytes
    ca_id: bytes
    ppid: bytes
    fmspc: bytes
    pceid: bytes
    pcesvn: int
    components: bytes
    serial: int

    @property
    def packed(self) -> bytes:
        """As in hints, 138 bytes."""
        names = self.x + self.y + self.ca_id + self.ppid + self.fmspc + self.pceid
        return names + self.pcesvn.to_bytes(2, "big") + self.components

    @property
    def pck_id(self) -> bytes:
        """How `DcapVerifier` names the machine, 32 bytes."""
        return keccak256(self.packed)


def parse_machine(certificate: x509.Certificate, *, ca_id: bytes) -> Machine:
    """Take a PCK certificate apart.

    Checks shape only: no signature, name, date or usage.

    Args:
        certificate: From `parse_certificate`.
        ca_id: keccak256 of its issuer's signed part, 32 bytes.

    Raises:
        MalformedEvidence: No P-256 key, no ECDSA-SHA256 signature, or Intel's extension is not
            there in its exact layout.
    """
    algorithm = certificate.signature_algorithm_oid
    if algorithm != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise MalformedEvidence(f"signature is {algorithm.dotted_string}, wanted ECDSA-SHA256")
    try:
        key = certificate.public_key()
        extension = certificate.extensions.get_extension_for_oid(SGX_EXTENSION).value
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise MalformedEvidence(f"not a PCK certificate: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise MalformedEvidence("PCK certificate has another key than one of P-256")
    numbers = key.public_numbers()
    items = _items(extension.public_bytes())
    components, pcesvn = _tcb(items[_TCB])
    return Machine(
        x=numbers.x.to_bytes(32, "big"),
        y=numbers.y.to_bytes(32, "big"),
        ca_id=ca_id,
        ppid=_octets(items[_PPID], _OCTETS[_PPID]),
        fmspc=_octets(items[_FMSPC], _OCTETS[_FMSPC]),
        pceid=_octets(items[_PCEID], _OCTETS[_PCEID]),
        pcesvn=pcesvn,
        components=components,
        serial=serial_of(certificate),
    )


def _items(extension: bytes) -> dict[int, _Element]:
    """Each item's value by its number."""
    found: dict[int, _Element] = {}
    (whole,) = _elements(extension, count=1)
    for item in _elements(_content(whole, _SEQUENCE)):
        content = _content(item, _SEQUENCE)
        number = content[len(_ITEM)] if len(content) > len(_ITEM) else 0
        if not content.startswith(_ITEM) or not _PPID <= number <= _CONFIGURATION:
            raise MalformedEvidence(f"item {content[:12].hex()}, wanted {_ITEM.hex()} and 1 to 7")
        if number in found:
            raise MalformedEvidence(f"item {number} occurs twice")
        (found[number],) = _elements(content[len(_ITEM) + 1 :], count=1)
    if not found.keys() >= _MANDATORY:
        raise MalformedEvidence(f"items are {sorted(found)}, wanted {sorted(_MANDATORY)}")
    if _INSTANCE in found:
        _octets(found[_INSTANCE], _OCTETS[_INSTANCE])
    return found


def _tcb(value: _Element) -> tuple[bytes, int]:
    """Sixteen components, PCESVN, CPUSVN, in this order."""
    elements = _elements(_content(value, _SEQUENCE), count=_CPUSVN)
    values = [_tcb_item(element, number) for number, element in enumerate(elements, start=1)]
    components = bytes(_integer(each, 2**8) for each in values[:COMPONENTS])
    _octets(values[_CPUSVN - 1], 16)
    return components, _integer(values[_PCESVN - 1], 2**16)


def _tcb_item(element: _Element, number: int) -> _Element:
    content = _content(element, _SEQUENCE)
    name = _TCB_ITEM + bytes((number,))
    if not content.startswith(name):
        raise MalformedEvidence(f"TCB item {content[:13].hex()}, wanted {name.hex()}")
    (value,) = _elements(content[len(name) :], count=1)
    return value


def _integer(element: _Element, limit: int) -> int:
    content = _content(element, _INTEGER)
    value = int.from_bytes(content, "big", signed=True)
    shortest = value.bit_length() // 8 + 1
    if len(content) != shortest or not 0 <= value < limit:
        raise MalformedEvidence(f"INTEGER is {content.hex()}, wanted 0 to {limit - 1} in DER")
    return value


def _octets(element: _Element, size: int) -> bytes:
    content = _content(element, _OCTET_STRING)
    if len(content) != size:
        raise MalformedEvidence(f"OCTET STRING of {len(content)} bytes, wanted {size}")
    return content


def _content(element: _Element, wanted: int) -> bytes:
    tag, content = element
    if tag != wanted:
        raise MalformedEvidence(f"tag is {tag:#04x}, wanted {wanted:#04x}")
    return content


def _elements(der: bytes, *, count: int | None = None) -> list[_Element]:
    """Elements to the last byte, each whole."""
    found, at = [], 0
    while at < len(der):
        start, size = _head(der, at)
        end = start + size
        if len(der) < end:
            raise MalformedEvidence(f"element ends at {len(der) - at}, wanted {end - at}")
        found.append((der[at], der[start:end]))
        at = end
    if count is not None and len(found) != count:
        raise MalformedEvidence(f"{len(found)} elements, wanted {count}")
    return found


def _head(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at a place begins, and its size.

    The length is definite, in its shortest form, at most 65,535.
    """
    length = der[at + 1 : at + 4]
    if length and length[0] < 0x80:
        return at + 2, length[0]
    if len(length) > 1 and length[0] == 0x81 and length[1] > 0x7F:
        return at + 3, length[1]
    if len(length) > 2 and length[0] == 0x82 and length[1] > 0:
        return at + 4, int.from_bytes(length[1:], "big")
    raise MalformedEvidence(f"DER length {length.hex()}, wanted one in its shortest form")
