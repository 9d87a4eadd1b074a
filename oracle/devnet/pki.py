"""A throw-away certificate authority that vouches for the venues' real host names."""

import datetime as dt
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: Certificates begin this long before now, so that a slow clock does not refuse them.
_SLACK = dt.timedelta(hours=1)
_LIFE = dt.timedelta(days=7)
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Pki:
    """Files of a throw-away authority.

    Attributes:
        ca: Its certificate, PEM; only the attester `simulated` accepts it.
        certificates: Host name -> PEM file with the leaf certificate and its key, mode 0600.
    """

    ca: Path
    certificates: dict[str, Path]


def make_pki(folder: Path, hosts: Iterable[str]) -> Pki:
    """Make an authority and one leaf per host, and forget the authority's key.

    Args:
        folder: An existing private directory.
        hosts: DNS names; each leaf names exactly one.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_certificate = _authority(ca_key)
    ca = folder / "extra-ca.pem"
    ca.write_bytes(ca_certificate.public_bytes(serialization.Encoding.PEM))
    certificates = {}
    for host in hosts:
        key = ec.generate_private_key(ec.SECP256R1())
        certificates[host] = folder / f"{host}.pem"
        _write_private(certificates[host], _pem(key, _leaf(host, key, ca_certificate, ca_key)))
    return Pki(ca, certificates)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Throw-away CA of a local devnet")
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _leaf(
    host: str,
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    builder = _builder(_name(host), ca.subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(server, critical=False)
    return builder.add_extension(issuer, critical=False).sign(ca_key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(content)
