"""AMD's endorsement keys: certificates of a chip's VCEK and of a cloud provider's VLEK.

Nothing here establishes that AMD signed a certificate.

Reference: AMD Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification,
57230, revision 0.51, chapter 3 (certificates and their extensions; Turin's in revision 1.00,
section 3.1); AMD Versioned Loaded Endorsement Key (VLEK) Certificate Definition, 58369, revision
0.10.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from oracle.attestation.codecs.certificates import UNREADABLE, extensions_of, name_of, quietly
from oracle.attestation.codecs.snp_report import (
    TCB_LAYOUTS,
    ProductLine,
    SigningKey,
    tcb_components,
)
from oracle.attestation.findings import Malformed, Remedy

_AMD: Final = "1.3.6.1.4.1.3704.1"
_STRUCT_VERSION: Final = f"{_AMD}.1"
_PRODUCT: Final = f"{_AMD}.2"
_HWID: Final = f"{_AMD}.4"
_CSP: Final = f"{_AMD}.5"
#: The extension that says how new a component is.
_SPL: Final = {
    name: f"{_AMD}.3.{number}"
    for name, number in {
        "bootloader": 1,
        "tee": 2,
        "snp": 3,
        "spl4": 4,
        "spl5": 5,
        "spl6": 6,
        "spl7": 7,
        "microcode": 8,
        "fmc": 9,
    }.items()
}
#: Bytes of a chip's identity.
_HWID_SIZES: Final = {ProductLine.MILAN: 64, ProductLine.GENOA: 64, ProductLine.TURIN: 8}
_INTEGER, _OCTET_STRING, _IA5_STRING = 0x02, 0x04, 0x16


@dataclass(frozen=True, slots=True)
class EndorsementKey:
    """What a certificate says of the key that signs reports.

    Attributes:
        certificate: All of it.
        kind: VCEK, of one chip; or VLEK, of a provider's machines.
        struct_version: structVersion, of the extensions: 0, from Turin on 1.
        product: productName: line, perhaps with a stepping, such as `Milan-B0`.
        line: The line of it.
        tcb: TCB version that the key is of, 64 bits, in the line's layout.
        hwid: The chip's identity, 64 bytes, of Turin 8; empty in a VLEK's.
        csp: The provider's name; empty in a VCEK's.
        key: On P-384.
    """

    certificate: x509.Certificate
    kind: SigningKey
    struct_version: int
    product: str
    line: ProductLine
    tcb: int
    hwid: bytes
    csp: str
    key: ec.EllipticCurvePublicKey

    @property
    def tcb_components(self) -> dict[str, int]:
        """The TCB version's numbers by name, lowest byte first."""
        return tcb_components(self.tcb, self.line)


def kind_of(certificate: x509.Certificate) -> SigningKey | None:
    """Whether it looks like a VCEK's (it names a chip) or a VLEK's (it names a provider), or not.

    Raises:
        Malformed: Its extensions cannot be read.
    """
    found = {extension.oid.dotted_string for extension in extensions_of(certificate)}
    if _HWID in found:
        return SigningKey.VCEK
    return SigningKey.VLEK if _CSP in found else None


@quietly
def parse_endorsement_key(certificate: x509.Certificate) -> EndorsementKey:
    """Read AMD's extensions and the key.

    Args:
        certificate: Of a VCEK or VLEK.

    Raises:
        Malformed: No key on P-384, an extension that is missing or not as AMD encodes it, or both a
            chip and a provider.
    """
    subject = name_of(certificate)
    found = {
        extension.oid.dotted_string: extension.value.public_bytes()
        for extension in extensions_of(certificate)
        if extension.oid.dotted_string.startswith(_AMD)
    }
    if (_HWID in found) == (_CSP in found):
        raise _malformed(subject, "both or neither", "the identity of a chip or of a provider")
    product = _text(_take(found, _PRODUCT, subject), subject)
    line = _line(product, subject)
    levels = [_integer(_take(found, _SPL[name], subject), subject) for name in TCB_LAYOUTS[line]]
    is_chip = _HWID in found
    return EndorsementKey(
        certificate=certificate,
        kind=SigningKey.VCEK if is_chip else SigningKey.VLEK,
        struct_version=_integer(_take(found, _STRUCT_VERSION, subject), subject),
        product=product,
        line=line,
        tcb=int.from_bytes(levels, "little"),
        hwid=_hwid(found[_HWID], _HWID_SIZES[line], subject) if is_chip else b"",
        csp="" if is_chip else _text(found[_CSP], subject),
        key=_key(certificate, subject),
    )


def _take(found: Mapping[str, bytes], oid: str, subject: str) -> bytes:
    if oid not in found:
        raise _malformed(subject, "none", f"the extension {oid}")
    return found[oid]


def _text(encoded: bytes, subject: str) -> str:
    """An IA5String of 1 to 127 bytes."""
    size = len(encoded) - 2
    head = bytes((_IA5_STRING, size)) if 0 < size < 128 else None
    if encoded[:2] != head or not encoded.isascii():
        raise _malformed(subject, encoded[:16].hex(), "a name as an IA5String")
    return encoded[2:].decode("ascii")


def _integer(encoded: bytes, subject: str) -> int:
    """An INTEGER from 0 to 255 in DER."""
    value = encoded[-1] if encoded else 0
    body = bytes((value,)) if value < 0x80 else bytes((0, value))
    if encoded != bytes((_INTEGER, len(body))) + body:
        raise _malformed(subject, encoded[:16].hex(), "a number from 0 to 255 in DER")
    return value


def _hwid(encoded: bytes, size: int, subject: str) -> bytes:
    """The identity as it is, or, in some certificates, as an OCTET STRING."""
    identity = (
        encoded.removeprefix(bytes((_OCTET_STRING, size))) if len(encoded) > size else encoded
    )
    if len(identity) != size:
        raise _malformed(subject, f"{len(encoded)} bytes", f"hwID of {size} bytes")
    return identity


def _line(product: str, subject: str) -> ProductLine:
    """The line of a product, which may go on with a stepping: `Milan-B0`."""
    try:
        return ProductLine(product.split("-")[0])
    except ValueError as error:
        raise _malformed(subject, product, f"one of {', '.join(ProductLine)}") from error


def _key(certificate: x509.Certificate, subject: str) -> ec.EllipticCurvePublicKey:
    try:
        key = certificate.public_key()
    except UNREADABLE as error:
        raise _malformed(subject, "another key", "a key on P-384") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise _malformed(subject, "another key", "a key on P-384")
    return key


def _malformed(subject: str, seen: str, wanted: str) -> Malformed:
    return Malformed(seen, wanted, subject=subject, remedy=Remedy.REFRESH_COLLATERAL)
