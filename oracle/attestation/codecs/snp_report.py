"""AMD SEV-SNP attestation reports of versions 2, 3 and 5, and the two layouts of a TCB version.

Nothing here establishes that AMD's firmware signed a report.

Reference: AMD SEV Secure Nested Paging Firmware ABI Specification, 56860, revision 1.58: table 23
(ATTESTATION_REPORT), table 141 (ECDSA P-384 with SHA-384 signature), section 2.2 (TCB version),
section 4.3 (guest policy).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from oracle.attestation.findings import Malformed, Remedy

REPORT_SIZE: Final = 1184
#: What the signature is over: everything before it.
SIGNED_SIZE: Final = 0x2A0
VERSIONS: Final = (2, 3, 5)
#: SIGNATURE_ALGO: ECDSA on P-384 with SHA-384.
ECDSA_P384_SHA384: Final = 1

#: Field, its little-endian `struct` format, and the version that brought it; in the report's order.
#: What is called reserved, and a field that the version does not have, must be zero.
FIELDS: Final[tuple[tuple[str, str, int], ...]] = (
    ("version", "I", 2),
    ("guest_svn", "I", 2),
    ("policy", "Q", 2),
    ("family_id", "16s", 2),
    ("image_id", "16s", 2),
    ("vmpl", "I", 2),
    ("signature_algo", "I", 2),
    ("current_tcb", "Q", 2),
    ("platform_info", "Q", 2),
    ("key_info", "I", 2),
    ("reserved_04c", "4s", 2),
    ("report_data", "64s", 2),
    ("measurement", "48s", 2),
    ("host_data", "32s", 2),
    ("id_key_digest", "48s", 2),
    ("author_key_digest", "48s", 2),
    ("report_id", "32s", 2),
    ("report_id_ma", "32s", 2),
    ("reported_tcb", "Q", 2),
    ("cpuid_fam_id", "B", 3),
    ("cpuid_mod_id", "B", 3),
    ("cpuid_step", "B", 3),
    ("reserved_18b", "21s", 2),
    ("chip_id", "64s", 2),
    ("committed_tcb", "Q", 2),
    ("current_build", "B", 2),
    ("current_minor", "B", 2),
    ("current_major", "B", 2),
    ("reserved_1eb", "1s", 2),
    ("committed_build", "B", 2),
    ("committed_minor", "B", 2),
    ("committed_major", "B", 2),
    ("reserved_1ef", "1s", 2),
    ("launch_tcb", "Q", 2),
    ("launch_mit_vector", "Q", 5),
    ("current_mit_vector", "Q", 5),
    ("reserved_208", "152s", 2),
    ("signature_r", "72s", 2),
    ("signature_s", "72s", 2),
    ("reserved_330", "368s", 2),
)
_LAYOUT: Final = struct.Struct("<" + "".join(form for _, form, _ in FIELDS))


class ProductLine(StrEnum):
    """Processors that share a root key: AMD's names, as its key server has them."""

    MILAN = "Milan"
    GENOA = "Genoa"  # and Bergamo and Siena
    TURIN = "Turin"


class SigningKey(IntEnum):
    """SIGNING_KEY of KEY_INFO."""

    VCEK = 0
    VLEK = 1


#: Bytes of a TCB version, lowest first. The names that no component has yet are `spl` and the
#: number that the endorsement key's certificate gives them.
_ZEN3: Final = ("bootloader", "tee", "spl4", "spl5", "spl6", "spl7", "snp", "microcode")
_ZEN5: Final = ("fmc", "bootloader", "tee", "snp", "spl5", "spl6", "spl7", "microcode")
TCB_LAYOUTS: Final = {
    ProductLine.MILAN: _ZEN3,
    ProductLine.GENOA: _ZEN3,
    ProductLine.TURIN: _ZEN5,
}
#: Reports have CPUID from this version on.
_CPUID_SINCE: Final = 3
#: CPUID family, then first and last model.
_MODELS: Final = (
    (0x19, 0x00, 0x0F, ProductLine.MILAN),
    (0x19, 0x10, 0x1F, ProductLine.GENOA),
    (0x19, 0xA0, 0xAF, ProductLine.GENOA),
    (0x1A, 0x00, 0x1F, ProductLine.TURIN),
)


@dataclass(frozen=True, slots=True)
class SnpReport:
    """A report, field by field; TCB versions and bit fields as little-endian integers.

    Attributes:
        version: 2, 3 or 5.
        guest_svn: Security version that the guest's ID block gave it.
        policy: Guest policy, 64 bits.
        family_id: 16 bytes of the ID block.
        image_id: 16 bytes of the ID block.
        vmpl: Privilege level that asked, 0 to 3; a host's request has 0xFFFFFFFF.
        signature_algo: Always 1.
        current_tcb: TCB version that runs, 64 bits.
        platform_info: Platform's settings, 64 bits.
        key_info: Which key signed, and what masks it, 32 bits.
        report_data: 64 bytes of the guest's choice.
        measurement: Launch digest, SHA-384, 48 bytes.
        host_data: 32 bytes of the host's choice at launch.
        id_key_digest: SHA-384 of the key that signed the ID block, 48 bytes; zero without one.
        author_key_digest: SHA-384 of the key that signed that key, 48 bytes; zero without one.
        report_id: The guest's random name, 32 bytes.
        report_id_ma: The same of its migration agent, 32 bytes; all ones without one.
        reported_tcb: TCB version that the signing key is of, 64 bits.
        cpuid_fam_id: Extended family; 0 in version 2.
        cpuid_mod_id: Extended model; 0 in version 2.
        cpuid_step: Stepping; 0 in version 2.
        chip_id: 64 bytes, of which Turin uses 8; zero if masked.
        committed_tcb: TCB version that the firmware cannot go below, 64 bits.
        current_build: Firmware that runs: build,
        current_minor: minor version,
        current_major: and major version.
        committed_build: Firmware that is committed: build,
        committed_minor: minor version,
        committed_major: and major version.
        launch_tcb: TCB version when the guest was started or imported, 64 bits.
        launch_mit_vector: Mitigations verified then, 64 bits; 0 before version 5.
        current_mit_vector: Mitigations verified now, 64 bits; 0 before version 5.
        signature_r: First part of the signature, 72 bytes, little-endian.
        signature_s: Second part, 72 bytes, little-endian.
        signed: What the signature is over, 672 bytes.
    """

    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    signature_algo: int
    current_tcb: int
    platform_info: int
    key_info: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: int
    cpuid_fam_id: int
    cpuid_mod_id: int
    cpuid_step: int
    chip_id: bytes
    committed_tcb: int
    current_build: int
    current_minor: int
    current_major: int
    committed_build: int
    committed_minor: int
    committed_major: int
    launch_tcb: int
    launch_mit_vector: int
    current_mit_vector: int
    signature_r: bytes
    signature_s: bytes
    signed: bytes

    @property
    def is_author_key_used(self) -> bool:
        """AUTHOR_KEY_EN: the digest of an author key is there."""
        return bool(self.key_info & 1)

    @property
    def is_chip_key_masked(self) -> bool:
        """MASK_CHIP_KEY: the firmware does not sign with the chip's key."""
        return bool(self.key_info & 2)

    @property
    def signing_key(self) -> int:
        """SIGNING_KEY: a `SigningKey`, 7 for none, or a number that is reserved."""
        return self.key_info >> 2 & 7

    @property
    def is_chip_masked(self) -> bool:
        """CHIP_ID is zero: the platform hides which chip it is."""
        return not any(self.chip_id)


def parse_report(raw: bytes) -> SnpReport:
    """Take a report apart.

    Checks shape only: not that SIGNING_KEY is one that signs, nor any policy.

    Args:
        raw: 1,184 bytes.

    Raises:
        Malformed: Another size, version or signature algorithm, or something that must be zero is
            not.
    """
    if len(raw) != REPORT_SIZE:
        raise _malformed("length of the report", f"{len(raw)} bytes", f"{REPORT_SIZE} bytes")
    values = dict(zip((name for name, _, _ in FIELDS), _LAYOUT.unpack(raw), strict=True))
    version, algorithm = values["version"], values["signature_algo"]
    if version not in VERSIONS:
        raise _malformed("VERSION", version, " or ".join(map(str, VERSIONS)), Remedy.RIGHT_FORMAT)
    if algorithm != ECDSA_P384_SHA384:
        raise _malformed("SIGNATURE_ALGO", algorithm, "1, ECDSA P-384 with SHA-384")
    if values["key_info"] >> 5:
        raise _malformed("KEY_INFO", f"{values['key_info']:#x}", "bits 5 to 31 zero")
    for name, _, since in FIELDS:
        is_reserved = name.startswith("reserved")
        if (is_reserved or version < since) and not _is_zero(values[name]):
            raise _malformed(name.upper(), "other bytes", f"zero in version {version}")
        if is_reserved:
            del values[name]
    return SnpReport(**values, signed=raw[:SIGNED_SIZE])


def line_of(report: SnpReport) -> ProductLine | None:
    """The product line that the report's CPUID names; None in version 2, which has none.

    Raises:
        Malformed: Family and model are of no line that is known here.
    """
    if report.version < _CPUID_SINCE:
        return None
    for family, first, last, line in _MODELS:
        if report.cpuid_fam_id == family and first <= report.cpuid_mod_id <= last:
            return line
    raise _malformed(
        "CPUID_FAM_ID and CPUID_MOD_ID",
        f"{report.cpuid_fam_id:#04x} and {report.cpuid_mod_id:#04x}",
        f"those of {', '.join(ProductLine)}",
        Remedy.RIGHT_FORMAT,
    )


def tcb_components(tcb: int, line: ProductLine) -> dict[str, int]:
    """A TCB version's eight numbers by name, 0 to 255 each, lowest byte first.

    Args:
        tcb: 64 bits.
        line: Turin has another layout than the lines before it.
    """
    return dict(zip(TCB_LAYOUTS[line], tcb.to_bytes(8, "little"), strict=True))


def _is_zero(value: int | bytes) -> bool:
    return not (any(value) if isinstance(value, bytes) else value)


def _malformed(
    subject: str, seen: object, wanted: str, remedy: Remedy = Remedy.NEW_EVIDENCE
) -> Malformed:
    return Malformed(seen, wanted, subject=subject, remedy=remedy)
