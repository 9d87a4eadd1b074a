"""Certificate revocation lists, as `IntelCollateral` keeps them.

Nothing here establishes that the issuer signed a list.

Reference: RFC 5280, section 5; Intel SGX PCK Certificate and CRL Profile Specification, section
1.4.
"""

from dataclasses import dataclass

from cryptography import x509

from enclave.domain.errors import MalformedEvidence
from enclave.domain.report import keccak256
from oracle.attestation.codecs.certificates import UNREADABLE, quietly

#: The contract's limit.
MAX_CRL = 49_152
SERIAL_SIZE = 20


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What a list says.

    Attributes:
        der: The whole list.
        issuer: keccak256 of the issuer's DER `Name`, 32 bytes.
        number: CRL number.
        this_update: Seconds since the epoch.
        next_update: Seconds since the epoch.
        serials: Revoked serial numbers in the list's order.
    """

    der: bytes
    issuer: bytes
    number: int
    this_update: int
    next_update: int
    serials: tuple[int, ...]

    @property
    def table(self) -> bytes:
        """The serial numbers, 20 bytes each: what proves that a certificate is not listed."""
        return b"".join(serial.to_bytes(SERIAL_SIZE, "big") for serial in self.serials)

    @property
    def digest(self) -> bytes:
        """What the contract keeps, 16 bytes."""
        return keccak256(self.table)[:16]


@quietly
def parse_crl(encoded: bytes) -> RevocationList:
    """Take a DER list apart.

    Args:
        encoded: At most 49,152 bytes.

    Raises:
        MalformedEvidence: Not one DER list with a readable issuer, a CRL number below 2^32 and an
            end.
    """
    if len(encoded) > MAX_CRL:
        raise MalformedEvidence(f"CRL of {len(encoded)} bytes, wanted <= {MAX_CRL}")
    try:
        crl = x509.load_der_x509_crl(encoded)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        end = crl.next_update_utc
        serials = tuple(entry.serial_number for entry in crl)
        issuer = keccak256(crl.issuer.public_bytes())
        begin = crl.last_update_utc
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise MalformedEvidence(f"not a DER CRL with a number: {error}") from error
    if end is None:
        raise MalformedEvidence("CRL has no end")
    if not 0 <= number < 2**32:
        raise MalformedEvidence(f"CRL number is {number}, wanted 0 to {2**32 - 1}")
    return RevocationList(
        der=encoded,
        issuer=issuer,
        number=number,
        this_update=int(begin.timestamp()),
        next_update=int(end.timestamp()),
        serials=serials,
    )
