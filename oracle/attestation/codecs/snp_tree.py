"""An SEV-SNP report as a tree with offsets, for people.

Reference: `snp_report`.
"""

import struct
from typing import Final

from oracle.attestation.codecs.snp_report import (
    FIELDS,
    SnpReport,
    line_of,
    parse_report,
    tcb_components,
)
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed

_SIGNERS: Final = {0: "VCEK", 1: "VLEK", 7: "none"}
_NOTES: Final = {
    "policy": "guest policy; bit 16 SMT, 17 always one, 18 migration agent, 19 debug",
    "vmpl": "privilege level that asked, 0 the highest",
    "report_data": "what the guest chose",
    "measurement": "launch digest",
    "host_data": "what the host chose at launch",
    "signature_r": "ECDSA P-384 with SHA-384 over the first 672 bytes, little-endian",
}
_TCBS: Final = ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb")


def report_tree(raw: bytes) -> Node:
    """Every field of a report with its place; nothing is verified.

    Args:
        raw: 1,184 bytes.

    Raises:
        Malformed: No report of a version that is read here.
    """
    report = parse_report(raw)
    children, offset = [], 0
    for name, form, since in FIELDS:
        size = struct.calcsize(f"<{form}")
        if report.version >= since:
            part = raw[offset : offset + size]
            value = part.hex() if form.endswith("s") else _number(part)
            children.append(Node(name.upper(), value, offset, size, _note(name, report)))
        offset += size
    return Node("SEV-SNP attestation report", "", 0, len(raw), children=tuple(children))


def _number(part: bytes) -> str:
    """Bit fields and TCB versions, which have eight bytes, in hexadecimal digits."""
    number = int.from_bytes(part, "little")
    return f"{number:#018x}" if len(part) == 8 else str(number)


def _note(name: str, report: SnpReport) -> str:
    if name in _TCBS:
        return _levels(getattr(report, name), report)
    if name == "key_info":
        return f"signed by {_SIGNERS.get(report.signing_key, 'a key that is reserved')}"
    if name == "chip_id" and report.is_chip_masked:
        return "masked"
    return _NOTES.get(name, "")


def _levels(tcb: int, report: SnpReport) -> str:
    """The components, where the report says in which layout they are."""
    try:
        line = line_of(report)
    except Malformed:
        line = None
    if line is None:
        return ""
    parts = tcb_components(tcb, line).items()
    return ", ".join(f"{name} {level}" for name, level in parts if not name.startswith("spl"))
