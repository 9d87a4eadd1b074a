"""Hints: the part of Intel's tables that `DcapVerifier` needs to appraise one quote.

`machine 138 | tcbNumber u32 | qeNumber u32 | QE identity 74`, then items, each `u16 length |
bytes`, integers big-endian:

    numbers     table of TCB evaluation data numbers, or empty: not shown
    qeLevel     proof of the quoting enclave's level, then the names of its advisories
    platform    proof of the platform's level, then the names of its advisories
    module      TDX: proof of the module and its level, then the names of its advisories
    platform2, module2   TD 1.5 whose module was updated while it ran: the same for the present one

Hints prove nothing by themselves: the contract holds them against what Intel signed. The status is
what the contract will find, if the quote is genuine and the tables are those it keeps.

Reference: `contracts/src/libraries/DcapHints.sol`, `TcbProof.sol`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from enclave.domain.errors import AppraisalFailed
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap import DcapQuote
from oracle.attestation.codecs.pck import Machine, parse_machine
from oracle.attestation.codecs.tcb_evaluation import (
    Part,
    evaluate,
    require_machine,
    require_quoting_enclave,
)
from oracle.attestation.codecs.tcb_proofs import level_proof, module_proof
from oracle.attestation.codecs.tcb_tables import (
    EvaluationNumbers,
    QeIdentity,
    TcbInfo,
    TcbStatus,
)


@dataclass(frozen=True, slots=True)
class DcapHints:
    """Hints for one quote, and what the chain will say of its platform.

    Attributes:
        packed: What `DcapVerifier.verify` takes.
        machine: Whose quote it is.
        status: Merged over all parts.
        advisories: Of the quoting enclave, the platform, the module; a name may occur twice.
    """

    packed: bytes
    machine: Machine
    status: TcbStatus
    advisories: tuple[str, ...]


def build_hints(
    quote: DcapQuote,
    info: TcbInfo,
    identity: QeIdentity,
    numbers: EvaluationNumbers | None = None,
) -> DcapHints:
    """Build the hints for a quote.

    Checks what the tables say of the quote; no signature, date or attribute.

    Args:
        quote: Of any form.
        info: Of its TEE and its machine's FMSPC.
        identity: Of its TEE's quoting enclave.
        numbers: Of its TEE; None shows none, which a policy may not accept.

    Raises:
        MalformedEvidence: The PCK certificate is none.
        AppraisalFailed: Tables of another TEE or machine, another quoting enclave or TDX module,
            or no level is met.
    """
    machine = parse_machine(quote.pck.parsed, ca_id=quote.ca.id)
    _require_tee(quote.tee, info, identity, numbers)
    require_machine(machine, info)
    require_quoting_enclave(quote.qe_report, identity)
    found = evaluate(quote, machine, info, identity)
    for part in found.parts:
        if part.refusal is not None:
            raise part.refusal
    return DcapHints(
        packed=_packed(machine, info, identity, numbers, found.parts),
        machine=machine,
        status=found.status,
        advisories=found.advisories,
    )


def hints_of_refusal(
    quote: DcapQuote,
    info: TcbInfo,
    identity: QeIdentity,
    numbers: EvaluationNumbers | None = None,
) -> bytes:
    """The hints under which the contract itself says why the tables do not allow a quote.

    Where no level is met they show the whole table; the arguments are those of `build_hints`.

    Raises:
        MalformedEvidence: The PCK certificate is none.
        AppraisalFailed: Tables of another TEE.
    """
    machine = parse_machine(quote.pck.parsed, ca_id=quote.ca.id)
    _require_tee(quote.tee, info, identity, numbers)
    parts = evaluate(quote, machine, info, identity).parts
    return _packed(machine, info, identity, numbers, parts)


def _packed(
    machine: Machine,
    info: TcbInfo,
    identity: QeIdentity,
    numbers: EvaluationNumbers | None,
    parts: Sequence[Part],
) -> bytes:
    head = machine.packed + info.number.to_bytes(4, "big") + identity.number.to_bytes(4, "big")
    items = [b"" if numbers is None else numbers.table]
    for part in parts:
        items += [_proof(info, part), part.level.advisory_list if part.level else b""]
    packed = b"".join(len(item).to_bytes(2, "big") + item for item in items)
    return head + identity.identity + packed


def _require_tee(tee: TeeKind, *tables: TcbInfo | QeIdentity | EvaluationNumbers | None) -> None:
    for table in tables:
        if table is not None and table.tee is not tee:
            name = type(table).__name__
            raise AppraisalFailed(f"{name} of {table.tee.name}, wanted {tee.name}")


def _proof(info: TcbInfo, part: Part) -> bytes:
    """Of the level that a part meets; of the whole table if it meets none."""
    module = b"" if part.module is None else module_proof(info, part.module)
    return module + (level_proof(part.levels, part.index) if part.levels else b"")
