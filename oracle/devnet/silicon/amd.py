"""The emulated AMD: root (ARK), authorities (ASK, ASVK), chips' and providers' keys, SNP reports.

Certificates have AMD's profile: RSASSA-PSS with SHA-384 and keys of 4,096 bits above, serial number
0 and AMD's extensions in their order below. The common names are AMD's, since verifiers read the
product line from them; the organization is not.

Reference: AMD 57230, VCEK Certificate and KDS Interface Specification, revision 0.51, chapter 3;
AMD 56860, SEV Secure Nested Paging Firmware ABI Specification, revision 1.58, tables 23 and 141.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from oracle.devnet.silicon import der
from oracle.devnet.silicon.pki import ORGANIZATION

AMD_EXTENSION: Final = "1.3.6.1.4.1.3704.1"
AUTHORITY_LIFE: Final = timedelta(days=25 * 365)
VCEK_LIFE: Final = timedelta(days=7 * 365)
VLEK_LIFE: Final = timedelta(days=365)
CRL_LIFE: Final = timedelta(days=365)
#: Of the key that signs reports: what SIGNING_KEY says of it.
VCEK, VLEK, NO_KEY = 0, 1, 7
_PSS: Final = PSS(MGF1(SHA384()), 48)
_BIT_STRING, _IA5_STRING = 0x03, 0x16
_REPORT_SIZE, _SIGNED_SIZE, _SIGNATURE_PART = 1184, 672, 72
#: `version [0] v3, serialNumber 1`, and what AMD has instead.
_SERIAL_1, _SERIAL_0 = bytes.fromhex("a003020102020101"), bytes.fromhex("a003020102020100")


@dataclass(frozen=True, slots=True)
class Line:
    """A product line.

    Attributes:
        name: AMD's.
        product: productName in a VCEK's certificate.
        struct_version: Of its extensions.
        first_serial: The root's serial number.
        tcb: Components in a TCB version's bytes, lowest first, by the last arc of their extension.
        hwid_size: Bytes of a chip's identity.
        cpuid: Family, model, stepping.
    """

    name: str
    product: str
    struct_version: int
    first_serial: int
    tcb: tuple[int, ...]
    hwid_size: int
    cpuid: tuple[int, int, int]


_BEFORE_TURIN: Final = (1, 2, 4, 5, 6, 7, 3, 8)
MILAN: Final = Line("Milan", "Milan-B0", 0, 0x10000, _BEFORE_TURIN, 64, (0x19, 0x01, 1))
GENOA: Final = Line("Genoa", "Genoa", 0, 0x20000, _BEFORE_TURIN, 64, (0x19, 0x11, 1))
TURIN: Final = Line("Turin", "Turin", 1, 0x30000, (9, 1, 2, 3, 5, 6, 7, 8), 8, (0x1A, 0x02, 1))


@dataclass(frozen=True, slots=True)
class Levels:
    """Security versions of a chip's firmware, 0 to 255 each; only Turin has an FMC."""

    bootloader: int = 4
    tee: int = 0
    snp: int = 24
    microcode: int = 219
    fmc: int = 0

    def pack(self, line: Line) -> bytes:
        """A TCB version, 8 bytes."""
        numbers = {1: self.bootloader, 2: self.tee, 3: self.snp, 8: self.microcode, 9: self.fmc}
        return bytes(numbers.get(arc, 0) for arc in line.tcb)


@dataclass(frozen=True, slots=True)
class AmdKeys:
    """Keys of root and authorities; making them takes seconds, so lines may share them."""

    ark: rsa.RSAPrivateKey
    ask: rsa.RSAPrivateKey
    asvk: rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class EndorsedKey:
    """A key that signs reports, and its certificate in DER."""

    certificate: bytes
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says; lengths are those of its fields.

    Attributes:
        line: Whose CPUID it has.
        version: 2, 3 or 5; version 2 has no CPUID, mitigations come with 5.
        report_data: 64 bytes.
        measurement: 48 bytes.
        host_data: 32 bytes.
        chip_id: 64 bytes.
        policy: Guest policy.
        vmpl: Privilege level.
        levels: REPORTED_TCB.
        current: CURRENT_TCB, COMMITTED_TCB and LAUNCH_TCB.
        signing_key: VCEK, VLEK or NO_KEY.
        fields: Further bytes by their offset, over all others.
    """

    line: Line
    version: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    chip_id: bytes
    policy: int = 0x30000
    vmpl: int = 0
    levels: Levels = Levels()
    current: Levels = Levels()
    signing_key: int = VCEK
    fields: Mapping[int, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """What is signed, 672 bytes."""
        current = self.current.pack(self.line)
        firmware = bytes((29, 55, 1, 0))
        parts = {
            0x000: _u32(self.version),
            0x008: self.policy.to_bytes(8, "little"),
            0x030: _u32(self.vmpl),
            0x034: _u32(1),
            0x038: current,
            0x040: _u32(0x25),  # SMT, ECC, alias check complete
            0x048: _u32(self.signing_key << 2),
            0x050: self.report_data,
            0x090: self.measurement,
            0x0C0: self.host_data,
            0x160: b"\xff" * 32,
            0x180: self.levels.pack(self.line),
            0x188: bytes(self.line.cpuid) if self.version > 2 else b"",
            0x1A0: self.chip_id,
            0x1E0: current,
            0x1E8: firmware,
            0x1EC: firmware,
            0x1F0: current,
            **self.fields,
        }
        encoded = bytearray(_SIGNED_SIZE)
        for offset, part in parts.items():
            encoded[offset : offset + len(part)] = part
        return bytes(encoded)


@dataclass(frozen=True, slots=True)
class AmdVendor:
    """AMD, for one product line.

    Attributes:
        line: Which.
        keys: Of the three certificates.
        ark: Root, signed by itself, DER.
        ask: Authority for chips' keys, DER.
        asvk: Authority for providers' keys, DER.
        begin: When every certificate begins.
    """

    line: Line
    keys: AmdKeys
    ark: bytes
    ask: bytes
    asvk: bytes
    begin: datetime

    def issue_vcek(self, hwid: bytes, levels: Levels) -> EndorsedKey:
        """A chip's key for one firmware level; each level of a chip has its own.

        Args:
            hwid: 64 bytes, for Turin 8.
            levels: What the key is of.
        """
        extensions = [*self.describe(self.line.product, levels), make_extension("4", hwid)]
        return self.issue(VCEK, extensions)

    def issue_vlek(self, csp: str, levels: Levels) -> EndorsedKey:
        """A provider's key for one firmware level.

        Args:
            csp: The provider's name, ASCII.
            levels: What the key is of.
        """
        name = make_extension("5", der.tlv(_IA5_STRING, csp.encode("ascii")))
        return self.issue(VLEK, [*self.describe(self.line.name, levels), name])

    def describe(self, product: str, levels: Levels) -> list[x509.UnrecognizedExtension]:
        """The extensions that both kinds of keys have."""
        numbers = zip(self.line.tcb, levels.pack(self.line), strict=True)
        return [
            make_extension("1", der.integer(self.line.struct_version)),
            make_extension("2", der.tlv(_IA5_STRING, product.encode("ascii"))),
            *(make_extension(f"3.{arc}", der.integer(level)) for arc, level in numbers),
        ]

    def issue(self, kind: int, extensions: Sequence[x509.UnrecognizedExtension]) -> EndorsedKey:
        """A key of a kind, VCEK or VLEK, with these extensions, which may make no sense."""
        name, issuer, issuer_key, life = {
            VCEK: ("SEV-VCEK", f"SEV-{self.line.name}", self.keys.ask, VCEK_LIFE),
            VLEK: ("SEV-VLEK", f"SEV-VLEK-{self.line.name}", self.keys.asvk, VLEK_LIFE),
        }[kind]
        key = ec.generate_private_key(ec.SECP384R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(self.begin)
            .not_valid_after(self.begin + life)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        draft = builder.sign(issuer_key, SHA384(), rsa_padding=_PSS)
        return EndorsedKey(_with_serial_0(draft, issuer_key), key)

    def make_crl(self, *serials: int, now: datetime) -> bytes:
        """The root's list of revoked authorities, DER; for a year."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name(f"ARK-{self.line.name}"))
            .last_update(now)
            .next_update(now + CRL_LIFE)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(self.keys.ark, SHA384(), rsa_padding=_PSS)
        return crl.public_bytes(Encoding.DER)


def make_extension(arc: str, content: bytes) -> x509.UnrecognizedExtension:
    """One of AMD's extensions, by the end of its identifier."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{AMD_EXTENSION}.{arc}"), content)


def make_amd_keys() -> AmdKeys:
    """Three RSA keys of 4,096 bits; takes seconds."""
    return AmdKeys(*(rsa.generate_private_key(65537, 4096) for _ in range(3)))


def make_amd_vendor(line: Line, keys: AmdKeys, *, now: datetime) -> AmdVendor:
    """Root and authorities of one line; they begin a day before `now`."""
    begin = now.astimezone(UTC).replace(microsecond=0) - timedelta(days=1)

    def certify(name: str, key: rsa.RSAPrivateKey, serial: int) -> bytes:
        return _certify(_name(name), key, line, keys.ark, serial, begin)

    return AmdVendor(
        line=line,
        keys=keys,
        ark=certify(f"ARK-{line.name}", keys.ark, line.first_serial),
        ask=certify(f"SEV-{line.name}", keys.ask, line.first_serial + 1),
        asvk=certify(f"SEV-VLEK-{line.name}", keys.asvk, line.first_serial + 0x101),
        begin=begin,
    )


def sign_report(report: Report, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A report as the firmware makes it, 1,184 bytes."""
    signed = report.encode()
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA384())))
    signature = b"".join(part.to_bytes(_SIGNATURE_PART, "little") for part in (r, s))
    return (signed + signature).ljust(_REPORT_SIZE, b"\0")


def _certify(
    subject: x509.Name,
    key: rsa.RSAPrivateKey,
    line: Line,
    root_key: rsa.RSAPrivateKey,
    serial: int,
    begin: datetime,
) -> bytes:
    """An authority's certificate by the root, or the root's own."""
    is_root = key is root_key
    url = f"https://silicon.invalid/vcek/v1/{line.name}/crl"
    name = [x509.UniformResourceIdentifier(url)]
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_name(f"ARK-{line.name}"))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(begin + AUTHORITY_LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(True, None if is_root else 0), critical=True)
        .add_extension(_usage(crl_sign=is_root), critical=True)
        .add_extension(
            x509.CRLDistributionPoints([x509.DistributionPoint(name, None, None, None)]),
            critical=False,
        )
    )
    if not is_root:
        builder = builder.add_extension(issuer_id, critical=False)
    certificate = builder.sign(root_key, SHA384(), rsa_padding=_PSS)
    return certificate.public_bytes(Encoding.DER)


def _with_serial_0(draft: x509.Certificate, issuer_key: rsa.RSAPrivateKey) -> bytes:
    """A certificate with AMD's serial number, which the library does not make; signed anew."""
    body = draft.tbs_certificate_bytes
    signed = body.replace(_SERIAL_1, _SERIAL_0, 1)
    encoded = draft.public_bytes(Encoding.DER)
    algorithm = encoded[4 + len(body) : -len(_bit_string(draft.signature))]
    return der.sequence(signed, algorithm, _bit_string(issuer_key.sign(signed, _PSS, SHA384())))


def _bit_string(content: bytes) -> bytes:
    return der.tlv(_BIT_STRING, b"\0" + content)


def _name(common_name: str) -> x509.Name:
    """In AMD's order."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Emulation"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ZZ"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "This machine"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "None"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")
