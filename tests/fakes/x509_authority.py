"""Certificates and revocation lists for tests of chains: right but for what a test changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

#: Every certificate begins at `BEGIN` and ends at `END` unless told; lists live a day around `NOW`.
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
END = datetime(2032, 1, 1, tzinfo=UTC)
NOW = datetime(2031, 1, 1, tzinfo=UTC)
_SHA256 = SHA256()


@dataclass(frozen=True)
class Authority:
    """A certificate, its key, and what it can sign."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    def issue(self, common_name: str, **changes: Any) -> "Authority":
        """A certificate of this authority."""
        return make_certificate(common_name, issuer=self, **changes)

    def revoke(self, *serials: int, **changes: Any) -> x509.CertificateRevocationList:
        """Its list of revoked certificates."""
        return make_list(self.certificate.subject, self.key, serials, **changes)


def name(common_name: str) -> x509.Name:
    """A name of one attribute."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def make_certificate(
    common_name: str,
    *,
    issuer: Authority | None = None,
    key: Any = None,
    serial: int | None = None,
    is_ca: bool = True,
    path_length: int | None = None,
    usage: x509.KeyUsage | None = None,
    begin: datetime = BEGIN,
    end: datetime = END,
    digest: Any = _SHA256,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Authority:
    """One certificate, signed by its issuer or itself; by default a CA without key usage."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else name(common_name))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if is_ca:
        builder = builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
    if usage:
        builder = builder.add_extension(usage, critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signer = issuer.key if issuer else key
    return Authority(builder.sign(signer, None if _is_edwards(signer) else digest), key)


def _is_edwards(key: Any) -> bool:
    return isinstance(key, ed25519.Ed25519PrivateKey)


def make_list(
    issuer: x509.Name,
    key: Any,
    serials: Sequence[int] = (),
    *,
    begin: datetime = NOW - timedelta(hours=12),
    end: datetime = NOW + timedelta(hours=12),
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.CertificateRevocationList:
    """A revocation list."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(begin)
        .next_update(end)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begin)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, _SHA256)


def usage(*, certificates: bool, lists: bool) -> x509.KeyUsage:
    """What an authority's key may sign."""
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=lists,
        encipher_only=False,
        decipher_only=False,
    )
