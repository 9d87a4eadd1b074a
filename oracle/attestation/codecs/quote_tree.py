"""Intel's ECDSA quotes as a tree with offsets, whatever certification data they carry.

Reference: as `dcap`.
"""

from cryptography import x509

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.certificates import (
    extensions_of,
    name_of,
    serial_of,
)
from oracle.attestation.codecs.dcap import HEADER_SIZE, MAX_QUOTE, Certificate, parse_pem_chain
from oracle.attestation.codecs.pck import SGX_EXTENSION, Machine, parse_machine
from oracle.attestation.codecs.quote_fields import BODIES, HEADER, SGX_BODY, show_fields
from oracle.attestation.codecs.reader import Reader
from oracle.attestation.codecs.tree import Node

_BODY_SIZES = {0x00: 384, 0x81: 584}
_TYPED = 5
_NESTED = 4
_QE_REPORT_SIZE = 384
_CERTIFICATION = {
    1: "PPID in plain text",
    2: "PPID encrypted with RSA-2048",
    3: "PPID encrypted with RSA-3072",
    4: "PCK certificate",
    5: "PCK certificate chain",
    6: "QE report and its certification data",
    7: "platform manifest",
}
_CHAIN, _REPORT = 5, 6


def show_quote(raw: bytes) -> Node:
    """The quote as a tree. Shape only; what certification data contain is read where possible.

    Args:
        raw: At most 16,384 bytes.

    Raises:
        MalformedEvidence: No quote, or a length that does not match.
    """
    if len(raw) > MAX_QUOTE:
        raise MalformedEvidence(f"quote of {len(raw)} bytes, wanted at most {MAX_QUOTE}")
    reader = Reader(raw)
    header = reader.take(HEADER_SIZE, "header")
    version = int.from_bytes(header[:2], "little")
    children = [show_fields("header", header, HEADER, offset=0)]
    size = _BODY_SIZES.get(int.from_bytes(header[4:8], "little"), 0)
    if version >= _TYPED:
        kind = reader.u16("body type")
        size = reader.u32("body size")
        children.append(Node("body type", str(kind), HEADER_SIZE, 2))
        children.append(Node("body size", str(size), HEADER_SIZE + 2, 4))
    if size not in BODIES:
        raise MalformedEvidence(f"report body of {size} bytes, wanted one of {sorted(BODIES)}")
    at = reader.position
    body = reader.take(size, "report body")
    children.append(show_fields("report body", body, BODIES[size], offset=at))
    data_size = reader.u32("signature length")
    children.append(Node("signature_data_len", str(data_size), reader.position - 4, 4))
    at = reader.position
    data = Reader(reader.take(data_size, "signature data"), offset=at)
    children.append(Node("signature data", "", at, data_size, children=_data(data, version)))
    end = reader.position
    children.append(Node("quote_len", str(end), note="what follows is a driver's buffer"))
    if reader.left:
        note = "not zero" if any(reader.rest()) else "zeros"
        rest = len(raw) - end
        children.append(Node("trailing_zero_padding", str(rest), end, rest, note))
    return Node("quote", f"version {version}", 0, len(raw), children=tuple(children))


def _data(data: Reader, version: int) -> tuple[Node, ...]:
    signed = (_bytes(data, "signature", 64), _bytes(data, "attestation key", 64))
    outer = "cert_data_type_outer"
    certified = (_certification(data, outer),) if version >= _NESTED else _certified(data)
    return signed + certified


def _certified(data: Reader) -> tuple[Node, ...]:
    """The quoting enclave's report, and what certifies it."""
    at = data.position
    report = data.take(_QE_REPORT_SIZE, "QE report")
    shown = show_fields("QE report", report, SGX_BODY, offset=at)
    signature = _bytes(data, "QE report signature", 64)
    size = data.u16("QE authentication data length")
    length = Node("qe_auth_len", str(size), data.position - 2, 2)
    auth = _bytes(data, "QE authentication data", size)
    return shown, signature, length, auth, _certification(data)


def _bytes(data: Reader, name: str, size: int) -> Node:
    at = data.position
    return Node(name, data.take(size, name).hex(), at, size)


def _certification(data: Reader, name: str = "cert_data_type") -> Node:
    at = data.position
    kind = data.u16("certification data type")
    size = data.u32("certification data length")
    inner = Reader(data.take(size, "certification data"), offset=at + 6)
    children = [
        Node(name, str(kind), at, 2, _CERTIFICATION.get(kind, "unknown")),
        Node("cert_data_size", str(size), at + 2, 4),
    ]
    if kind == _REPORT:
        children += _certified(inner)
    elif kind == _CHAIN:
        children += _chain(inner.rest())
    else:
        children.append(_bytes(inner, "data", size))
    return Node("certification data", "", at, 6 + size, children=tuple(children))


def _chain(pem: bytes) -> tuple[Node, ...]:
    try:
        return tuple(_certificate(each) for each in parse_pem_chain(pem))
    except MalformedEvidence as error:
        return (Node("certificates", note=f"cannot be read: {error}"),)


def _certificate(of_chain: Certificate) -> Node:
    certificate = of_chain.parsed
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    children = [
        Node("serial", f"{serial_of(certificate):#x}"),
        Node("not before", f"{begins:%Y-%m-%d %H:%M:%S} UTC"),
        Node("not after", f"{ends:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    if _is_pck(certificate):
        children.append(_machine(parse_machine(certificate, ca_id=of_chain.id)))
    return Node(name_of(certificate), children=tuple(children))


def _is_pck(certificate: x509.Certificate) -> bool:
    return any(each.oid == SGX_EXTENSION for each in extensions_of(certificate))


def _machine(machine: Machine) -> Node:
    return Node(
        "machine",
        children=(
            Node("ppid", machine.ppid.hex()),
            Node("fmspc", machine.fmspc.hex()),
            Node("pceid", machine.pceid.hex()),
            Node("pcesvn", str(machine.pcesvn)),
            Node("components", " ".join(str(svn) for svn in machine.components)),
        ),
    )
