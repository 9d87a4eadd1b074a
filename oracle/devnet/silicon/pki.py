"""Certificates of the emulated vendor: root, platform CA, PCK leaf of one machine, TCB signer.

The layout is Intel's to the byte, the names are not: nothing that trusts Intel accepts this root,
and nobody who reads a certificate can mistake it.

Reference: Intel SGX PCK Certificate and CRL Profile Specification, revision 1.5, section 1.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sha3
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from oracle.devnet.silicon import der

SGX_EXTENSION = "1.2.840.113741.1.13.1"
ORGANIZATION = "Emulated Silicon, not a hardware vendor"
ROOT_NAME = "Emulated SGX Root CA"
PLATFORM_CA_NAME = "Emulated SGX PCK Platform CA"
PCK_NAME = "Emulated SGX PCK Certificate"
TCB_SIGNER_NAME = "Emulated SGX TCB Signing"
#: The vendor's lives: the root long, the CA fifteen years, a leaf and the TCB signer seven.
ROOT_LIFE = timedelta(days=30 * 365)
CA_LIFE = timedelta(days=15 * 365)
PCK_LIFE = timedelta(days=7 * 365)
_CRL_URL = "https://silicon.invalid/sgx/certification/v3/pckcrl?ca=platform&encoding=der"
_ROOT_CRL_URL = "https://silicon.invalid/EmulatedSGXRootCA.der"


@dataclass(frozen=True, slots=True)
class Platform:
    """What identifies one machine and says how current it is.

    Attributes:
        ppid: Platform provisioning id, 16 bytes.
        fmspc: Family, model, stepping, platform type, custom SKU, 6 bytes.
        pceid: Provisioning certification enclave, 2 bytes.
        components: The 16 TCB component security versions, 0 to 255 each; they are CPUSVN too.
        pcesvn: Security version of the provisioning certification enclave.
        instance_id: Platform instance, 16 bytes.
    """

    ppid: bytes
    fmspc: bytes
    pceid: bytes
    components: bytes
    pcesvn: int
    instance_id: bytes

    def __post_init__(self) -> None:
        """Refuse wrong lengths."""
        lengths = tuple(
            len(part)
            for part in (self.ppid, self.fmspc, self.pceid, self.components, self.instance_id)
        )
        if lengths != (16, 6, 2, 16, 16) or not 0 <= self.pcesvn < 2**16:
            raise ValueError(f"platform fields of {lengths} bytes, wanted (16, 6, 2, 16, 16)")


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate and its key, both for the life of the process."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def coordinates(self) -> tuple[int, int]:
        """Both coordinates of the public key."""
        numbers = self.key.public_key().public_numbers()
        return numbers.x, numbers.y

    @property
    def name_hash(self) -> bytes:
        """keccak256 of the subject, the whole DER `Name`; 32 bytes."""
        return bytes(sha3.keccak_256(self.certificate.subject.public_bytes()).digest())

    @property
    def not_after(self) -> int:
        """End of the certificate, in seconds since the epoch."""
        return int(self.certificate.not_valid_after_utc.timestamp())


@dataclass(frozen=True, slots=True)
class Chain:
    """The three certificates behind a machine's quotes, and the one that signs collateral."""

    root: Authority
    platform_ca: Authority
    pck: Authority
    tcb_signer: Authority

    @property
    def pem(self) -> bytes:
        """Leaf, CA, root, as a quote carries them; the last byte is NUL, as in the vendor's."""
        return pem_chain(self.pck, self.platform_ca, self.root) + b"\0"


def pem_chain(*links: Authority) -> bytes:
    """Certificates in PEM, in this order."""
    return b"".join(link.certificate.public_bytes(Encoding.PEM) for link in links)


def make_platform(token_bytes: Callable[[int], bytes]) -> Platform:
    """A machine with a random identity and a current TCB."""
    return Platform(
        ppid=token_bytes(16),
        fmspc=bytes.fromhex("e0e000000000"),
        pceid=bytes(2),
        components=bytes((14, 14, 3, 3, 255, 255, 1, 0)) + bytes(8),
        pcesvn=13,
        instance_id=token_bytes(16),
    )


def make_chain(platform: Platform, *, now: datetime) -> Chain:
    """Fresh keys and certificates for one vendor and one machine.

    Args:
        platform: The machine that the leaf names.
        now: Certificates begin one day before it: a blockchain's clock may be behind.
    """
    begin = now.astimezone(UTC).replace(microsecond=0) - timedelta(days=1)
    root_key, ca_key, tcb_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    names = (ROOT_NAME, PLATFORM_CA_NAME, TCB_SIGNER_NAME)
    root_name, ca_name, tcb_name = map(_name, names)
    root = _builder(root_name, root_name, root_key, begin, ROOT_LIFE)
    root = _extend_ca(root, root_key, root_key, _ROOT_CRL_URL, path_length=1)
    ca = _builder(ca_name, root_name, ca_key, begin, CA_LIFE)
    ca = _extend_ca(ca, ca_key, root_key, _ROOT_CRL_URL, path_length=0)
    tcb = _builder(tcb_name, root_name, tcb_key, begin, PCK_LIFE)
    tcb = _extend_leaf(tcb, tcb_key, root_key, _ROOT_CRL_URL)
    platform_ca = Authority(ca.sign(root_key, SHA256()), ca_key)
    return Chain(
        root=Authority(root.sign(root_key, SHA256()), root_key),
        platform_ca=platform_ca,
        pck=make_pck(platform, platform_ca, now=now),
        tcb_signer=Authority(tcb.sign(root_key, SHA256()), tcb_key),
    )


def make_pck(platform: Platform, issuer: Authority, *, now: datetime) -> Authority:
    """A PCK key and certificate for a machine; each TCB level of a machine has its own.

    Args:
        platform: The machine that it names.
        issuer: The platform CA.
        now: It begins one day before.
    """
    begin = now.astimezone(UTC).replace(microsecond=0) - timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(PCK_NAME), issuer.certificate.subject, key, begin, PCK_LIFE)
    builder = _extend_leaf(builder, key, issuer.key, _CRL_URL).add_extension(
        x509.UnrecognizedExtension(x509.ObjectIdentifier(SGX_EXTENSION), sgx_extension(platform)),
        critical=False,
    )
    return Authority(builder.sign(issuer.key, SHA256()), key)


def sgx_extension(platform: Platform) -> bytes:
    """Content of the extension 1.2.840.113741.1.13.1 of a platform CA's leaf, in DER."""
    tcb = [
        _item(f"2.{index}", der.integer(value))
        for index, value in enumerate((*platform.components, platform.pcesvn), start=1)
    ]
    tcb.append(_item("2.18", der.tlv(der.OCTET_STRING, platform.components)))
    flags = ((1, 0xFF), (2, 0x00), (3, 0x00))  # dynamic platform, cached keys, SMT
    configuration = [_item(f"7.{i}", der.tlv(der.BOOLEAN, bytes((flag,)))) for i, flag in flags]
    return der.sequence(
        _item("1", der.tlv(der.OCTET_STRING, platform.ppid)),
        _item("2", der.sequence(*tcb)),
        _item("3", der.tlv(der.OCTET_STRING, platform.pceid)),
        _item("4", der.tlv(der.OCTET_STRING, platform.fmspc)),
        _item("5", der.tlv(der.ENUMERATED, b"\x01")),  # SGX type: scalable
        _item("6", der.tlv(der.OCTET_STRING, platform.instance_id)),
        _item("7", der.sequence(*configuration)),
    )


def _item(suffix: str, value: bytes) -> bytes:
    return der.sequence(der.oid(f"{SGX_EXTENSION}.{suffix}"), value)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "This machine"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "None"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ZZ"),
        ]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
    )


def _extend_ca(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    crl_url: str,
    *,
    path_length: int,
) -> x509.CertificateBuilder:
    usage = _usage(key_cert_sign=True)
    return _extend(builder, key, issuer_key, crl_url, usage).add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    )


def _extend_leaf(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    crl_url: str,
) -> x509.CertificateBuilder:
    usage = _usage(key_cert_sign=False)
    return _extend(builder, key, issuer_key, crl_url, usage).add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )


def _extend(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    crl_url: str,
    usage: x509.KeyUsage,
) -> x509.CertificateBuilder:
    point = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(crl_url)],
        relative_name=None,
        reasons=None,
        crl_issuer=None,
    )
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        builder.add_extension(issuer_id, critical=False)
        .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        .add_extension(key_id, critical=False)
        .add_extension(usage, critical=True)
    )


def _usage(*, key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not key_cert_sign,
        content_commitment=not key_cert_sign,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )
