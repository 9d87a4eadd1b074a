"""Trust anchors: the vendors' roots as package data, or those that the caller pins.

`roots.toml` says for each certificate what it anchors, its fingerprint, and where the vendor
publishes it. Arm has no public root (each platform's owner endorses its keys), and the keys of
Azure's and Google's tokens are fetched from the issuer over TLS: those are pinned by the caller.
"""

import hashlib
import tomllib
import warnings
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.errors import ConfigError

_FOLDER = Path(__file__).parent


class Anchors(StrEnum):
    """What a root anchors."""

    INTEL_SGX = "intel-sgx"  # SGX and TDX: PCK, TCB signing, CRLs
    AMD_SNP = "amd-snp"  # one root for each product line
    AWS_NITRO = "aws-nitro"
    GOOGLE_CONFIDENTIAL_SPACE = "google-confidential-space"
    GOOGLE_VTPM = "google-vtpm"
    AZURE_VTPM = "azure-vtpm"
    TPM = "tpm"  # certificates of attestation keys; makers and owners have their own roots


@dataclass(frozen=True, slots=True)
class Root:
    """A root certificate.

    Attributes:
        anchors: What it may anchor; nothing else.
        vendor: For people.
        der: The certificate.
        published_at: Where the vendor publishes it; empty for one that the caller brought.
        certificate: The same, read.

    Raises:
        ConfigError: The bytes are no certificate.
    """

    anchors: Anchors
    vendor: str
    der: bytes
    published_at: str = ""
    certificate: x509.Certificate = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read it once, for all evidence that ends at it."""
        try:
            # Vendors' certificates have serial numbers and names that the library warns of.
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                certificate = x509.load_der_x509_certificate(self.der)
        except (ValueError, x509.InvalidVersion) as error:
            raise ConfigError(f"{self.vendor}'s root is no DER certificate") from error
        object.__setattr__(self, "certificate", certificate)

    @property
    def id(self) -> bytes:
        """SHA-256 of the certificate, 32 bytes: `Claims.root_id`."""
        return hashlib.sha256(self.der).digest()


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A public key that the caller knows to be an attester's: CPAK, IAK or a TPM's AK.

    Attributes:
        spki: SubjectPublicKeyInfo, DER.
    """

    spki: bytes

    @property
    def id(self) -> bytes:
        """SHA-256 of the key, 32 bytes: `Claims.root_id`."""
        return hashlib.sha256(self.spki).digest()


@dataclass(frozen=True, slots=True)
class Roots:
    """All that `verify` trusts.

    Attributes:
        certificates: Root certificates.
        keys: Pinned keys, for platforms without a public root.
    """

    certificates: tuple[Root, ...] = ()
    keys: tuple[PinnedKey, ...] = field(default=())

    def of(self, anchors: Anchors) -> tuple[Root, ...]:
        """The roots that anchor this."""
        return tuple(root for root in self.certificates if root.anchors is anchors)


@cache
def vendor_roots() -> tuple[Root, ...]:
    """The vendors' own roots, from the package.

    Raises:
        ConfigError: A certificate is not the one that its fingerprint says.
    """
    return load_roots(_FOLDER)


def load_roots(folder: Path) -> tuple[Root, ...]:
    """The roots that `roots.toml` in a folder lists.

    Raises:
        ConfigError: A certificate is not the one that its fingerprint says.
    """
    table = tomllib.loads((folder / "roots.toml").read_text())
    return tuple(_load(folder, entry) for entry in table["root"])


def _load(folder: Path, entry: dict[str, str]) -> Root:
    pem = (folder / entry["file"]).read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    root = Root(Anchors(entry["anchors"]), entry["vendor"], der, entry["published_at"])
    if root.id.hex() != entry["sha256"]:
        raise ConfigError(f"{entry['file']}: SHA-256 {root.id.hex()}, wanted {entry['sha256']}")
    return root
