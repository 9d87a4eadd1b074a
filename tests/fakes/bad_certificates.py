"""Certificates and TLS servers that an enclave must refuse, each wrong in one way only.

Every kind differs from `Wrong.NOTHING`, which must be accepted, in what its name says and in
nothing else, so that a refusal is for that reason.
"""

import enum
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_DAY = timedelta(days=1)
_UNKNOWN_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")


class Wrong(enum.Enum):
    """What is wrong with a TLS server."""

    NOTHING = "nothing: the control"
    OTHER_ROOT = "a root that is not measured"
    SAME_NAMED_ROOT = "a root of the measured one's name, with another key"
    SELF_SIGNED = "signed by itself"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    OTHER_HOST = "another host's"
    PARENT_DOMAIN = "the parent domain's"
    WILDCARD_TOO_HIGH = "a wildcard one label too high"
    PARTIAL_WILDCARD = "a wildcard within a label"
    COMMON_NAME_ONLY = "the host in the common name, no alternative name"
    ADDRESS_ONLY = "an IP address, no DNS name"
    CLIENT_PURPOSE = "for clients only"
    NO_SIGNING_USAGE = "its key may sign lists only"
    ISSUER_IS_NO_CA = "issued by another server's certificate"
    ISSUER_MAY_NOT_SIGN = "issued by a CA whose key may not sign certificates"
    INTERMEDIATE_MISSING = "the intermediate is not sent"
    INTERMEDIATE_EXPIRED = "the intermediate is expired"
    PATH_TOO_LONG = "one intermediate more than its CA may have below it"
    NAME_EXCLUDED = "outside the names that its CA may certify"
    UNKNOWN_CRITICAL = "a critical extension that nobody knows"
    BROKEN_SIGNATURE = "its signature does not verify"
    WEAK_RSA = "an RSA key of 1024 bits"
    TLS_1_0 = "TLS 1.0"
    TLS_1_1 = "TLS 1.1"
    CBC_SUITE = "a cipher suite without authenticated encryption"
    NO_FORWARD_SECRECY = "a cipher suite without forward secrecy"
    NULL_SUITE = "a cipher suite without encryption"
    ANONYMOUS_SUITE = "a cipher suite without a certificate"


_SUITES = {
    Wrong.CBC_SUITE: "ECDHE-RSA-AES256-SHA384",
    Wrong.NO_FORWARD_SECRECY: "AES256-GCM-SHA384",
    Wrong.NULL_SUITE: "ECDHE-RSA-NULL-SHA",
    Wrong.ANONYMOUS_SUITE: "AECDH-AES256-SHA",
}
_VERSIONS = {Wrong.TLS_1_0: ssl.TLSVersion.TLSv1, Wrong.TLS_1_1: ssl.TLSVersion.TLSv1_1}


@dataclass(frozen=True)
class Authority:
    """Who signs: a name and a key."""

    name: x509.Name
    key: Key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(**used: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})


#: What is wrong with the CA between the root and the server.
_INTERMEDIATES: dict[Wrong, dict[str, Any]] = {
    Wrong.ISSUER_MAY_NOT_SIGN: {"usage": _usage(crl_sign=True)},
    Wrong.INTERMEDIATE_EXPIRED: {"ends": -_DAY},
    Wrong.NAME_EXCLUDED: {"only": "elsewhere.test"},
}


@dataclass
class WrongServers:
    """Makes TLS servers for one host under one root.

    Attributes:
        folder: Where keys are put for the TLS library.
        host: DNS name of at least three labels.
    """

    folder: Path
    host: str

    def __post_init__(self) -> None:
        self._now = datetime.now(UTC)
        self._root = Authority(_name("root"), ec.generate_private_key(ec.SECP256R1()))
        self.root_pem = _pem(self._ca(self._root, self._root, path_length=None))

    def context(self, wrong: Wrong) -> ssl.SSLContext:
        """The server's side of a TLS server that is wrong in this way."""
        chain, key = self._chain(wrong)
        path = self.folder / f"{wrong.name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + b"".join(chain)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # What is refused must be refused by the client, not for lack of a willing server.
        context.set_ciphers(f"{_SUITES.get(wrong, 'ALL')}:@SECLEVEL=0")
        if wrong in _SUITES:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if wrong in _VERSIONS:
            # Deprecated on purpose: the caller silences what Python says of it.
            context.minimum_version = context.maximum_version = _VERSIONS[wrong]
        context.load_cert_chain(path)
        return context

    def _chain(self, wrong: Wrong) -> tuple[list[bytes], Key]:
        """Certificates as they are sent, the server's first, and the server's key."""
        key = _server_key(wrong)
        issuer, above = self._issuer(wrong, key)
        leaf = self._leaf(wrong, key, _leaf_name(wrong, self.host))
        signed = leaf.issuer_name(issuer.name).sign(issuer.key, hashes.SHA256())
        if wrong is Wrong.BROKEN_SIGNATURE:
            raw = bytearray(signed.public_bytes(serialization.Encoding.DER))
            raw[-1] ^= 1
            signed = x509.load_der_x509_certificate(bytes(raw))
        return [_pem(signed), *above], key

    def _issuer(self, wrong: Wrong, key: Key) -> tuple[Authority, list[bytes]]:
        """Who signs the server's certificate, and what is sent above it."""
        below = Authority(_name("below"), ec.generate_private_key(ec.SECP256R1()))
        second = Authority(_name("second"), ec.generate_private_key(ec.SECP256R1()))
        match wrong:
            case Wrong.OTHER_ROOT:
                return below, [_pem(self._ca(below, below))]
            case Wrong.SAME_NAMED_ROOT:
                return Authority(self._root.name, below.key), []
            case Wrong.SELF_SIGNED:
                return Authority(_name(self.host), key), []
            case Wrong.ISSUER_IS_NO_CA:
                return below, [_pem(self._server_as_issuer(below))]
            case Wrong.INTERMEDIATE_MISSING:
                return below, []
            case Wrong.PATH_TOO_LONG:
                upper = self._ca(below, self._root, path_length=0)
                return second, [_pem(self._ca(second, below)), _pem(upper)]
        return below, [_pem(self._ca(below, self._root, **_INTERMEDIATES.get(wrong, {})))]

    def _builder(
        self, subject: x509.Name, key: Key, *, starts: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now + starts)
            .not_valid_after(self._now + ends)
        )

    def _ca(
        self,
        whose: Authority,
        issuer: Authority,
        *,
        path_length: int | None = 1,
        usage: x509.KeyUsage | None = None,
        ends: timedelta = 30 * _DAY,
        only: str = "",
    ) -> x509.Certificate:
        builder = (
            self._builder(whose.name, whose.key, starts=-60 * _DAY, ends=ends)
            .issuer_name(issuer.name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(usage or _usage(key_cert_sign=True, crl_sign=True), critical=True)
        )
        if only:
            names = x509.NameConstraints([x509.DNSName(only)], None)
            builder = builder.add_extension(names, critical=True)
        return builder.sign(issuer.key, hashes.SHA256())

    def _server_as_issuer(self, whose: Authority) -> x509.Certificate:
        """A good certificate of a server, which is used to sign another."""
        builder = self._leaf(Wrong.NOTHING, whose.key, whose.name)
        return builder.issuer_name(self._root.name).sign(self._root.key, hashes.SHA256())

    def _leaf(self, wrong: Wrong, key: Key, subject: x509.Name) -> x509.CertificateBuilder:
        """The server's certificate before it has an issuer."""
        starts, ends = -2 * _DAY, 30 * _DAY
        if wrong is Wrong.EXPIRED:
            ends = -_DAY
        if wrong is Wrong.NOT_YET_VALID:
            starts = _DAY
        client = wrong is Wrong.CLIENT_PURPOSE
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        usage = _usage(digital_signature=True, key_encipherment=True)
        if wrong is Wrong.NO_SIGNING_USAGE:
            usage = _usage(crl_sign=True)
        builder = (
            self._builder(subject, key, starts=starts, ends=ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(usage, critical=True)
        )
        if wrong is not Wrong.COMMON_NAME_ONLY:
            names = x509.SubjectAlternativeName([self._alternative(wrong)])
            builder = builder.add_extension(names, critical=False)
        if wrong is Wrong.UNKNOWN_CRITICAL:
            unknown = x509.UnrecognizedExtension(_UNKNOWN_EXTENSION, b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        return builder

    def _alternative(self, wrong: Wrong) -> x509.GeneralName:
        label, _, parent = self.host.partition(".")
        match wrong:
            case Wrong.OTHER_HOST:
                return x509.DNSName(f"x{self.host}")
            case Wrong.PARENT_DOMAIN:
                return x509.DNSName(parent)
            case Wrong.WILDCARD_TOO_HIGH:
                return x509.DNSName(f"*.{parent.partition('.')[2]}")
            case Wrong.PARTIAL_WILDCARD:
                return x509.DNSName(f"{label[:-1]}*.{parent}")
            case Wrong.ADDRESS_ONLY:
                return x509.IPAddress(ipaddress.IPv4Address("192.0.2.1"))
        return x509.DNSName(self.host)


def _leaf_name(wrong: Wrong, host: str) -> x509.Name:
    named = wrong in (Wrong.COMMON_NAME_ONLY, Wrong.SELF_SIGNED)
    return _name(host) if named else x509.Name([])


def _server_key(wrong: Wrong) -> Key:
    """RSA where a cipher suite or a weakness wants it: what is refused is not for its kind."""
    if wrong is Wrong.WEAK_RSA:
        return rsa.generate_private_key(65_537, 1_024)
    if wrong in _SUITES:
        return rsa.generate_private_key(65_537, 2_048)
    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
