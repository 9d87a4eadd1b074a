"""Fields of Intel's ECDSA quotes by name: header and report bodies.

Reference: Intel SGX ECDSA QuoteLib reference, tables 3 (header) and 5 (report body); Intel TDX DCAP
Quoting Library API, appendix 3 (TD report bodies 1.0 and 1.5).
"""

from collections.abc import Mapping
from typing import Final

from enclave.domain.evidence import SGX_BODY_SIZE, TD15_BODY_SIZE, TDX_BODY_SIZE
from oracle.attestation.codecs.tree import Node

Layout = tuple[tuple[str, int], ...]

#: Name and size in bytes; integers are little-endian.
HEADER: Final[Layout] = (
    ("version", 2),
    ("att_key_type", 2),
    ("tee_type", 4),
    ("qe_svn", 2),  # Version 3 alone has these two.
    ("pce_svn", 2),
    ("qe_vendor_id", 16),
    ("user_data", 20),
)
SGX_BODY: Final[Layout] = (
    ("cpusvn", 16),
    ("miscselect", 4),
    ("reserved1", 12),
    ("isvextprodid", 16),
    ("attributes", 16),
    ("mrenclave", 32),
    ("reserved2", 32),
    ("mrsigner", 32),
    ("reserved3", 32),
    ("configid", 64),
    ("isvprodid", 2),
    ("isvsvn", 2),
    ("configsvn", 2),
    ("reserved4", 42),
    ("isvfamilyid", 16),
    ("report_data", 64),
)
TD10_BODY: Final[Layout] = (
    ("tee_tcb_svn", 16),
    ("mrseam", 48),
    ("mrsignerseam", 48),
    ("seamattributes", 8),
    ("td_attributes", 8),
    ("xfam", 8),
    ("mrtd", 48),
    ("mrconfigid", 48),
    ("mrowner", 48),
    ("mrownerconfig", 48),
    ("rtmr0", 48),
    ("rtmr1", 48),
    ("rtmr2", 48),
    ("rtmr3", 48),
    ("report_data", 64),
)
TD15_BODY: Final[Layout] = (*TD10_BODY, ("tee_tcb_svn_2", 16), ("mrservicetd", 48))
#: A body's size decides which it is.
BODIES: Final[Mapping[int, Layout]] = {
    SGX_BODY_SIZE: SGX_BODY,
    TDX_BODY_SIZE: TD10_BODY,
    TD15_BODY_SIZE: TD15_BODY,
}
_NUMBERS = {"version", "att_key_type", "tee_type", "qe_svn", "pce_svn"}
_NUMBERS |= {"isvprodid", "isvsvn", "configsvn"}


def fields_of(body: bytes) -> Mapping[str, bytes]:
    """Every field of a report body, by name.

    Args:
        body: As `split_quote` gives it: 384, 584 or 648 bytes.
    """
    found, at = {}, 0
    for name, size in BODIES[len(body)]:
        found[name] = body[at : at + size]
        at += size
    return found


def show_fields(name: str, raw: bytes, layout: Layout, *, offset: int) -> Node:
    """Fields as a tree.

    Args:
        name: Of the group.
        raw: As many bytes as the layout has.
        layout: One of those above.
        offset: Of the first byte within the file.
    """
    children, at = [], 0
    for field, size in layout:
        value = raw[at : at + size]
        number = str(int.from_bytes(value, "little")) if field in _NUMBERS else value.hex()
        children.append(Node(field, number, offset + at, size))
        at += size
    return Node(name, "", offset, at, children=tuple(children))
