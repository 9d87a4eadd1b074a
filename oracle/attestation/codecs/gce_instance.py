"""The instance that a certificate of Google's virtual TPMs is for.

Reference: go-tpm-tools, `server/instance_info.go` (GCE Instance Identifier, the extension's ASN.1);
ITU-T X.690 (DER).
"""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.certificates import extensions_of

#: Google's: cloudComputeInstanceIdentifier.
INSTANCE: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.1.21")
_MAX_NUMBER: Final = 2**64
#: Tags of the security properties: [0] EXPLICIT, SEQUENCE.
_SECURITY: Final = (b"\xa0", b"\x30")
#: Element 1 of the security properties, a BOOLEAN, and how DER writes true.
_IS_PRODUCTION: Final = 0xA1
_TRUE: Final = b"\x01\x01\xff"
_SHORT: Final = 0x80


@dataclass(frozen=True, slots=True)
class Instance:
    """A virtual machine of Compute Engine.

    Attributes:
        zone: Such as `us-central1-a`.
        project_number: Below 2^64.
        project_id: Its name.
        instance_id: Below 2^64.
        instance_name: As its owner calls it; may be reused.
        is_production: Whether Google says that the TPM is one of its production service.
    """

    zone: str
    project_number: int
    project_id: str
    instance_id: int
    instance_name: str
    is_production: bool


@asn1.sequence
class _Encoded:
    zone: str
    project_number: int
    project_id: str
    instance_id: int
    instance_name: str
    security: asn1.TLV


def parse_instance(certificate: x509.Certificate) -> Instance | None:
    """Read the extension; None if the certificate has none.

    Raises:
        MalformedEvidence: Not DER of this form, or a number of 64 bits or more.
    """
    for extension in extensions_of(certificate):
        if extension.oid == INSTANCE:
            return _instance(extension.value.public_bytes())
    return None


def _instance(der: bytes) -> Instance:
    try:
        found = asn1.decode_der(_Encoded, der)
        security = asn1.decode_der(asn1.TLV, bytes(found.security.data))
        if (found.security.tag_bytes, security.tag_bytes) != _SECURITY:
            raise ValueError("other than security properties at its end")
    except ValueError as error:
        raise MalformedEvidence(f"extension {INSTANCE.dotted_string}: {error}") from error
    for number in (found.project_number, found.instance_id):
        if not 0 <= number < _MAX_NUMBER:
            raise MalformedEvidence(f"number of {number.bit_length()} bits, wanted at most 64")
    return Instance(
        found.zone,
        found.project_number,
        found.project_id,
        found.instance_id,
        found.instance_name,
        _is_production(bytes(security.data)),
    )


def _is_production(properties: bytes) -> bool:
    """Whether element 1 is true; Google appends elements, all of them short."""
    at = 0
    while at + 2 <= len(properties) and properties[at + 1] < _SHORT:
        end = at + 2 + properties[at + 1]
        if properties[at] == _IS_PRODUCTION:
            return properties[at + 2 : end] == _TRUE
        at = end
    return False
