"""Reports of Azure's paravisor (HCL): a hardware report, and JSON whose hash is its report data.

Header and request data are not measured: nothing signs them. The paravisor puts the hash of the
runtime data into the report that it asks the hardware for, and stores all of it at the virtual
TPM's index 0x01400001. Numbers are little-endian. Shape only: nothing here is verified.

Reference: Microsoft OpenVMM, `openhcl_attestation_protocol::igvm_attest::get` (`IgvmAttestRequest`,
`RuntimeClaims`); Azure documentation "Guest attestation for confidential VMs", attestation report
format; Intel TDX Module ABI Reference, TDREPORT_STRUCT, TEE_TCB_INFO, TDINFO.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.fields import Fields
from oracle.attestation.codecs.jws import parse_rsa
from oracle.attestation.codecs.strict_json import Json, parse_object
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed, Remedy

MAX_REPORT: Final = 16_384
SNP_REPORT_SIZE: Final = 1184
TD_REPORT_SIZE: Final = 1024
USER_DATA_SIZE: Final = 64
#: Where the runtime data begin: header (32), hardware report (1184), request data (20).
RUNTIME_DATA: Final = 1236
_REQUEST_DATA_SIZE: Final = 20
_SLOT_SIZE: Final = 1184

_SIGNATURE = {int.from_bytes(b"HCLA", "little"): "HCLA"}
_HEADER_VERSIONS = {1: 1, 2: 2}
_AK_CERT_REQUEST = {2: "AK_CERT_REQUEST"}
#: Version 2 has a bitmap behind it that no public evidence shows.
_DATA_VERSION = {1: 1}
_SHA256 = {1: "SHA-256"}
_AK_NAME = "HCLAkPub"
_USER_DATA = re.compile(r"[0-9a-fA-F]{128}", re.ASCII)
_SETTING = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Hardware(StrEnum):
    """What the hardware report is."""

    SNP = "snp"
    TDX = "tdx"


_RTMRS = tuple((f"rtmr{number}", 48) for number in range(4))
#: Fields of TDREPORT_STRUCT and their sizes.
_TD_REPORT: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "REPORTMACSTRUCT": (
        ("reporttype", 4),
        ("reserved", 12),
        ("cpusvn", 16),
        ("tee_tcb_info_hash", 48),
        ("tee_info_hash", 48),
        ("reportdata", 64),
        ("reserved", 32),
        ("mac", 32),
    ),
    "TEE_TCB_INFO": (
        ("valid", 8),
        ("tee_tcb_svn", 16),
        ("mrseam", 48),
        ("mrsignerseam", 48),
        ("attributes", 8),
        ("tee_tcb_svn2", 16),
        ("reserved", 95),
    ),
    "between": (("reserved", 17),),
    "TDINFO": (
        ("attributes", 8),
        ("xfam", 8),
        ("mrtd", 48),
        ("mrconfigid", 48),
        ("mrowner", 48),
        ("mrownerconfig", 48),
        *_RTMRS,
        ("servtd_hash", 48),
        ("reserved", 64),
    ),
}
_REPORT_TYPES = {2: Hardware.SNP, 4: Hardware.TDX}


@dataclass(frozen=True, slots=True)
class HclReport:
    """A report of the paravisor.

    Attributes:
        version: Of its header, 1 or 2.
        hardware: What the hardware report is.
        report: SNP attestation report (1,184 bytes), or TDREPORT (1,024 bytes), which proves
            nothing away from its machine.
        runtime_data: JSON whose SHA-256 is the first half of the hardware's report data.
    """

    version: int
    hardware: Hardware
    report: bytes
    runtime_data: bytes


@dataclass(frozen=True, slots=True)
class RuntimeData:
    """What the paravisor says.

    Attributes:
        attestation_key: Of the virtual TPM (`HCLAkPub`).
        user_data: 64 bytes that the guest wrote to index 0x01400002; None in older reports.
        settings: Of the virtual machine, by name in kebab case without the prefix `vm`
            (`secure-boot`, `unique-id`, …).
    """

    attestation_key: rsa.RSAPublicKey
    user_data: bytes | None
    settings: Mapping[str, str | int | bool]


def parse_hcl_report(raw: bytes) -> HclReport:
    """Take a report of the paravisor apart.

    Args:
        raw: At most 16,384 bytes. What follows the runtime data is the rest of the TPM's index:
            zeros, left out.

    Raises:
        Malformed: Another signature, version, request, hardware or hash, sizes that do not agree,
            or other bytes than zeros behind a report.
    """
    return _report(raw)[0]


def show_hcl_report(raw: bytes) -> Node:
    """The report as a tree; raises what `parse_hcl_report` raises."""
    return _report(raw)[1]


def parse_runtime_data(raw: bytes) -> RuntimeData:
    """Read the runtime data.

    Args:
        raw: JSON.

    Raises:
        MalformedEvidence: Not JSON, no key `HCLAkPub` or two, no RSA key, no `vm-configuration`, or
            user data of another size than 64 bytes.
    """
    document = parse_object(raw, most=MAX_REPORT)
    keys, settings, user_data = (
        document.get(name) for name in ("keys", "vm-configuration", "user-data")
    )
    if not isinstance(keys, list) or not isinstance(settings, dict):
        raise MalformedEvidence("runtime data without keys and vm-configuration")
    return RuntimeData(_attestation_key(keys), _user_data(user_data), _settings(settings))


def quote_body(report: bytes) -> bytes:
    """What a quote of this TDREPORT has as its body.

    Args:
        report: TDREPORT, 1,024 bytes.

    Returns:
        The body of TDX 1.5, 648 bytes; that of TDX 1.0 is its first 584.
    """
    tcb, td = report[256:495], report[512:1024]
    # TEE_TCB_INFO: valid (8), tee_tcb_svn (16), mrseam, mrsignerseam (48), attributes (8),
    # tee_tcb_svn2 (16). TDINFO: attributes to RTMR3 (400), servtd_hash (48).
    return tcb[8:128] + td[:400] + report[128:192] + tcb[128:144] + td[400:448]


def show_td_report(report: bytes) -> Node:
    """A TDREPORT as a tree.

    Args:
        report: 1,024 bytes.
    """
    fields = Fields(report, "TDREPORT", order="little")
    for group, members in _TD_REPORT.items():
        with fields.group(group):
            for name, size in members:
                fields.take(name, size)
    return Node("TDREPORT", children=tuple(fields.nodes))


def _report(raw: bytes) -> tuple[HclReport, Node]:
    if len(raw) > MAX_REPORT:
        raise Malformed(
            f"{len(raw)} bytes",
            f"at most {MAX_REPORT}",
            subject="HCL report",
            remedy=Remedy.NEW_EVIDENCE,
        )
    fields = Fields(raw, "HCL report", order="little")
    with fields.group("header (not measured)"):
        fields.choice("signature", 4, _SIGNATURE)
        version = fields.choice("version", 4, _HEADER_VERSIONS)
        total = fields.number("report_size", 4)
        fields.choice("request_type", 4, _AK_CERT_REQUEST)
        fields.number("status", 4)
        fields.take("reserved", 12)
    slot = fields.take("attestation_report", _SLOT_SIZE)
    with fields.group("request data (not measured)"):
        data_size = fields.number("data_size", 4)
        fields.choice("version", 4, _DATA_VERSION)
        hardware = fields.choice("report_type", 4, _REPORT_TYPES)
        fields.choice("report_data_hash_type", 4, _SHA256)
        size = fields.number("variable_data_size", 4)
    if (total, data_size) != (RUNTIME_DATA + size, _REQUEST_DATA_SIZE + size):
        raise fields.malformed(
            "report_size, data_size",
            f"{total}, {data_size}",
            f"{RUNTIME_DATA + size}, {_REQUEST_DATA_SIZE + size} around {size} of runtime data",
        )
    runtime_data = fields.take("runtime data", size)
    rest = fields.take("rest of the TPM's index", len(raw) - total)
    report_size = SNP_REPORT_SIZE if hardware is Hardware.SNP else TD_REPORT_SIZE
    if any(slot[report_size:]) or any(rest):
        raise fields.malformed("rest", "other bytes", "zeros behind hardware report and JSON")
    report = HclReport(version, hardware, slot[:report_size], runtime_data)
    return report, Node("HCL report", children=tuple(fields.nodes))


def _attestation_key(keys: list[Json]) -> rsa.RSAPublicKey:
    found = [key for key in keys if isinstance(key, dict) and key.get("kid") == _AK_NAME]
    if len(found) != 1 or found[0].get("kty") != "RSA":
        raise MalformedEvidence(f"{len(found)} keys {_AK_NAME}, wanted one of type RSA")
    return parse_rsa(found[0])


def _user_data(value: Json) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _USER_DATA.fullmatch(value):
        raise MalformedEvidence(f"user data that are not {USER_DATA_SIZE} bytes in hexadecimal")
    return bytes.fromhex(value)


def _settings(members: Mapping[str, Json]) -> dict[str, str | int | bool]:
    """Members that are text, numbers or booleans; newer paravisors may add others."""
    settings: dict[str, str | int | bool] = {}
    for name, value in members.items():
        kebab = _HUMP.sub("-", name).lower().removeprefix("vm-")
        if not _SETTING.fullmatch(name) or kebab in settings:
            raise MalformedEvidence(f"setting {name[:64]!r}, wanted plain names, each once")
        if isinstance(value, str | int):
            settings[kebab] = value
    return settings
