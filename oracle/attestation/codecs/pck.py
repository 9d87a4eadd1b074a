"""PCK certificates: what `DcapVerifier` keeps of a machine.

As strict as the contracts: DER in its shortest form, every item of Intel's extension at most once.
Nothing here establishes that Intel's authority signed a certificate.

Reference: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5;
`contracts/src/libraries/PckExtension.sol`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import SignatureAlgorithmOID

from enclave.domain.errors import MalformedEvidence
from enclave.domain.report import keccak256
from oracle.attestation.codecs.certificates import UNREADABLE, load_certificate, serial_of
from oracle.attestation.codecs.dcap import MAX_CERTIFICATE

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


def parse_machine(encoded: bytes, *, ca_id: bytes) -> Machine:
    """Take a PCK certificate apart.

    Checks shape only: no signature, name, date or usage.

    Args:
        encoded: The certificate in DER, at most 4,096 bytes.
        ca_id: keccak256 of its issuer's signed part, 32 bytes.

    Raises:
        MalformedEvidence: Not one DER certificate with a P-256 key, an ECDSA-SHA256 signature and
            Intel's extension in its exact layout.
    """
    certificate = _load(encoded)
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


def _load(encoded: bytes) -> x509.Certificate:
    if len(encoded) > MAX_CERTIFICATE:
        raise MalformedEvidence(f"certificate of {len(encoded)} bytes, wanted <= {MAX_CERTIFICATE}")
    certificate = load_certificate(encoded, subject="PCK certificate")
    algorithm = certificate.signature_algorithm_oid
    if algorithm != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise MalformedEvidence(f"signature is {algorithm.dotted_string}, wanted ECDSA-SHA256")
    return certificate


def _items(extension: bytes) -> dict[int, bytes]:
    """Each item's value, an element, by its number."""
    found: dict[int, bytes] = {}
    for item in _elements(_content(extension, _SEQUENCE)):
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


def _tcb(value: bytes) -> tuple[bytes, int]:
    """Sixteen components, PCESVN, CPUSVN, in this order."""
    elements = _elements(_content(value, _SEQUENCE), count=_CPUSVN)
    values = [_tcb_item(element, number) for number, element in enumerate(elements, start=1)]
    components = bytes(_integer(each, 2**8) for each in values[:COMPONENTS])
    _octets(values[_CPUSVN - 1], 16)
    return components, _integer(values[_PCESVN - 1], 2**16)


def _tcb_item(element: bytes, number: int) -> bytes:
    content = _content(element, _SEQUENCE)
    name = _TCB_ITEM + bytes((number,))
    if not content.startswith(name):
        raise MalformedEvidence(f"TCB item {content[:13].hex()}, wanted {name.hex()}")
    (value,) = _elements(content[len(name) :], count=1)
    return value


def _integer(element: bytes, limit: int) -> int:
    content = _content(element, _INTEGER)
    value = int.from_bytes(content, "big", signed=True)
    shortest = value.bit_length() // 8 + 1
    if len(content) != shortest or not 0 <= value < limit:
        raise MalformedEvidence(f"INTEGER is {content.hex()}, wanted 0 to {limit - 1} in DER")
    return value


def _octets(element: bytes, size: int) -> bytes:
    content = _content(element, _OCTET_STRING)
    if len(content) != size:
        raise MalformedEvidence(f"OCTET STRING of {len(content)} bytes, wanted {size}")
    return content


def _content(element: bytes, tag: int) -> bytes:
    """Content of one element that is all there is."""
    (whole,) = _elements(element, count=1)
    if whole[0] != tag:
        raise MalformedEvidence(f"tag is {whole[0]:#04x}, wanted {tag:#04x}")
    return whole[_head(whole) :]


def _elements(der: bytes, *, count: int | None = None) -> list[bytes]:
    """Elements to the last byte, each whole."""
    found = list(_walk(der))
    if count is not None and len(found) != count:
        raise MalformedEvidence(f"{len(found)} elements, wanted {count}")
    return found


def _walk(der: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(der):
        start = at + _head(der[at : at + 4])
        size = der[at + 1] if start == at + 2 else int.from_bytes(der[at + 2 : start], "big")
        end = start + size
        if len(der) < end:
            raise MalformedEvidence(f"element ends at {len(der) - at}, wanted {end - at}")
        yield der[at:end]
        at = end


def _head(der: bytes) -> int:
    """Bytes of tag and length; the length is definite, in its shortest form, at most 65,535."""
    if len(der) > 1 and der[1] < 0x80:
        return 2
    if len(der) > 2 and der[1] == 0x81 and der[2] > 0x7F:
        return 3
    if len(der) > 3 and der[1] == 0x82 and der[2] > 0:
        return 4
    raise MalformedEvidence(f"DER length {der[1:4].hex()}, wanted one in its shortest form")
