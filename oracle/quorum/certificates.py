"""Certificates that nodes pin: made, read, checked, and the TLS policy that they stand for.

A certificate here vouches for nothing but itself: each side knows the other's by its bytes, so no
authority and no host name is asked. An expired one is refused all the same.
"""

import datetime as dt
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from enclave.domain.errors import ConfigError
from oracle.config import QuorumConfig, read_private_file

#: Certificates begin this long before now, so that a slow clock does not refuse them.
_SLACK = dt.timedelta(hours=1)
_PRIVATE = 0o600
_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Certificate:
    """A node's certificate.

    Attributes:
        der: Its bytes; what is pinned.
        sha256: Of `der`, 32 bytes.
        not_after: Its last moment, seconds since the epoch.
    """

    der: bytes
    sha256: bytes
    not_after: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Another operator's node.

    Attributes:
        operator: Whose seat it is, in EIP-55 spelling.
        url: `https://HOST:PORT`.
        certificate: The only one that is accepted from and for it.
    """

    operator: str
    url: str
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Identity:
    """What this node shows to peers; the key stays in its file."""

    certificate: Certificate
    certificate_file: Path
    private_key_file: Path


def load_identity(quorum: QuorumConfig) -> Identity:
    """Read this node's certificate and check its key.

    Raises:
        ConfigError: A file cannot be read, others than its owner can read the key, or the two do
            not belong together.
    """
    certificate = load_certificate(quorum.certificate)
    pem = read_private_file(quorum.private_key)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's own text may quote the file.
        raise ConfigError(f"{quorum.private_key}: not a private key in PEM, unencrypted") from None
    if _spki(key.public_key()) != _spki(x509.load_der_x509_certificate(certificate.der)):
        raise ConfigError(f"{quorum.private_key} is not the key of {quorum.certificate}")
    return Identity(certificate, quorum.certificate, quorum.private_key)


def load_peers(quorum: QuorumConfig, own: Certificate) -> tuple[Peer, ...]:
    """Read the peers' certificates.

    Raises:
        ConfigError: One cannot be read, or two nodes have the same one.
    """
    peers = tuple(
        Peer(peer.operator, peer.url, load_certificate(peer.certificate)) for peer in quorum.peers
    )
    known = {own.sha256: "this node"}
    for peer in peers:
        other = known.setdefault(peer.certificate.sha256, peer.operator)
        if other != peer.operator:
            raise ConfigError(f"quorum.peers: {peer.operator} has the certificate of {other}")
    return peers


def load_certificate(path: Path) -> Certificate:
    """Read one certificate in PEM; validity is the handshake's business.

    Raises:
        ConfigError: It cannot be read, or is not exactly one certificate.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_BYTES)
        found = x509.load_pem_x509_certificates(pem)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not a certificate in PEM") from error
    if len(found) != 1:
        raise ConfigError(f"{path}: {len(found)} certificates, wanted 1")
    [one] = found
    der = one.public_bytes(serialization.Encoding.DER)
    return Certificate(
        der, one.fingerprint(hashes.SHA256()), int(one.not_valid_after_utc.timestamp())
    )


def make_certificate(certificate: Path, private_key: Path, *, name: str, days: int) -> None:
    """Make a self-signed certificate and its key; files that exist are left alone.

    Args:
        certificate: To be written, PEM, for everyone to read.
        private_key: To be written, PEM, mode 0600.
        name: Host name; for people, nobody checks it.
        days: Life.

    Raises:
        ConfigError: A file exists or cannot be written, or the name is none.
    """
    for path in (certificate, private_key):
        if path.exists():
            raise ConfigError(f"{path} exists; move it away, or name another file")
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        signed = _self_signed(key, name, dt.timedelta(days=days))
    except ValueError as error:
        raise ConfigError(f"{name!r} is no host name: {error}") from error
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write_new(private_key, pem, _PRIVATE)
    _write_new(certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)


def _self_signed(
    key: ec.EllipticCurvePrivateKey, name: str, life: dt.timedelta
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + life)
        # Not an authority: what it would sign is no peer.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def server_context(own: Identity, peers: Sequence[Peer]) -> ssl.SSLContext:
    """TLS of the side that listens: whoever shows no pinned certificate gets no connection.

    Does not establish which peer it is: compare the bytes of what was shown.

    Raises:
        ConfigError: The certificate cannot be used for TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A ticket would stand for a certificate that may expire meanwhile.
    context.num_tickets = 0
    return _pinning(context, own, [peer.certificate for peer in peers])


def client_context(own: Identity, peer: Peer) -> ssl.SSLContext:
    """TLS of the side that connects; the caller compares the bytes of what was shown, too.

    Raises:
        ConfigError: The certificate cannot be used for TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _pinning(context, own, [peer.certificate])


def _pinning(
    context: ssl.SSLContext, own: Identity, pinned: Sequence[Certificate]
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # A pinned certificate is trusted as it stands, also if somebody else signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        for certificate in pinned:
            context.load_verify_locations(cadata=certificate.der)
        context.load_cert_chain(own.certificate_file, own.private_key_file)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise ConfigError(f"{own.certificate_file}: cannot be used for TLS: {reason}") from None
    return context


def _spki(holder: object) -> bytes:
    """Public key, comparable."""
    public = holder.public_key() if isinstance(holder, x509.Certificate) else holder
    encoded: bytes = public.public_bytes(  # type: ignore[attr-defined]  # every kind has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
