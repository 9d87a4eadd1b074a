"""The emulated AMD as tests share it: its RSA keys are made once in a process."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.roots import Anchors, Root, Roots
from oracle.devnet.silicon.amd import (
    VLEK,
    AmdKeys,
    AmdVendor,
    EndorsedKey,
    Levels,
    Line,
    Report,
    make_amd_keys,
    make_amd_vendor,
    sign_report,
)

NOW = datetime(2031, 6, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
CSP = "CN=cc-nowhere-1.cloud.invalid"
LEVELS = Levels(bootloader=4, tee=1, snp=24, microcode=219)


@cache
def amd_keys() -> AmdKeys:
    return make_amd_keys()


@cache
def amd_vendor(line: Line) -> AmdVendor:
    return make_amd_vendor(line, amd_keys(), now=NOW)


@cache
def endorsed_key(line: Line, kind: int) -> EndorsedKey:
    """The key of the one chip, or of the one provider, that a line has here."""
    if kind == VLEK:
        return amd_vendor(line).issue_vlek(CSP, LEVELS)
    return amd_vendor(line).issue_vcek(hwid(line), LEVELS)


def hwid(line: Line) -> bytes:
    return bytes(range(1, line.hwid_size + 1))


def make_report(line: Line, version: int = 3, **changes: Any) -> Report:
    """A good report of the one chip, or, by a VLEK, of a masked one."""
    is_chip_masked = changes.get("signing_key") == VLEK
    good: dict[str, Any] = {
        "report_data": bytes(range(64)),
        "measurement": b"\x11" * 48,
        "host_data": b"\x22" * 32,
        "chip_id": bytes(64) if is_chip_masked else hwid(line).ljust(64, b"\0"),
        "levels": LEVELS,
        "current": LEVELS,
    }
    return Report(line=line, version=version, **(good | changes))


def snp_evidence(report: Report, key: EndorsedKey | None = None) -> Evidence:
    """Signed by a key; by default by the one that the report says."""
    signer = key or endorsed_key(report.line, report.signing_key)
    return Evidence(EvidenceFormat.SNP_REPORT, sign_report(report, signer.key))


def snp_endorsements(line: Line, kind: int, *crls: bytes, **changes: bytes) -> Endorsements:
    """Key and authority, as AMD's key server gives them; either may be another."""
    vendor = amd_vendor(line)
    good = {
        "key": endorsed_key(line, kind).certificate,
        "authority": vendor.asvk if kind == VLEK else vendor.ask,
    }
    return Endorsements(certificates=tuple((good | changes).values()), crls=crls)


def amd_roots(*lines: Line) -> Roots:
    return Roots(tuple(Root(Anchors.AMD_SNP, "emulated", amd_vendor(line).ark) for line in lines))
