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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from enclave.domain.errors import AppraisalFailed
from enclave.domain.evidence import TD15_BODY_SIZE, TeeKind
from oracle.attestation.codecs.dcap import DcapQuote
from oracle.attestation.codecs.pck import Machine, parse_machine
from oracle.attestation.codecs.tcb_proofs import (
    find_module,
    find_platform_level,
    find_svn_level,
    level_proof,
    module_proof,
)
from oracle.attestation.codecs.tcb_tables import (
    EvaluationNumbers,
    PlatformLevel,
    QeIdentity,
    SvnLevel,
    TcbInfo,
    TcbStatus,
    TdxModule,
    merge_statuses,
    relaunch_status,
)

#: Of a TDX report body.
_TEE_TCB_SVN, _TEE_TCB_SVN_2 = slice(0, 16), slice(584, 600)
_MRSIGNERSEAM, _SEAMATTRIBUTES = slice(64, 112), slice(112, 120)
#: Of an SGX report body.
_MISCSELECT, _ATTRIBUTES, _MRSIGNER = slice(16, 20), slice(48, 64), slice(128, 160)
_ISVPRODID, _ISVSVN = slice(256, 258), slice(258, 260)


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


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of the platform under the tables.

    Attributes:
        proof: Of the level that it meets; of the whole table if it meets none.
        level: What it meets; None if it has no levels or meets none.
        refusal: Why it is not appraised.
    """

    proof: bytes
    level: SvnLevel | None
    refusal: AppraisalFailed | None = None

    @property
    def statuses(self) -> tuple[TcbStatus, ...]:
        return (self.level.status,) if self.level else ()

    @property
    def advisories(self) -> tuple[str, ...]:
        return self.level.advisories if self.level else ()

    @property
    def items(self) -> tuple[bytes, bytes]:
        return self.proof, self.level.advisory_list if self.level else b""


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
    machine = parse_machine(quote.pck.der, ca_id=quote.ca.id)
    _require_tee(quote.tee, info, identity, numbers)
    _require_fmspc(machine, info)
    _require_quoting_enclave(quote.qe_report, identity)
    qe, launch, present = _parts(quote, machine, info, identity)
    for part in (qe, *launch, *present):
        if part.refusal is not None:
            raise part.refusal
    status = _merged(qe, *launch)
    if present:
        status = relaunch_status(status, _merged(qe, *present))
    parts = (qe, *launch, *present)
    return DcapHints(
        packed=_packed(machine, info, identity, numbers, parts),
        machine=machine,
        status=status,
        advisories=tuple(name for part in parts for name in part.advisories),
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
    machine = parse_machine(quote.pck.der, ca_id=quote.ca.id)
    _require_tee(quote.tee, info, identity, numbers)
    qe, launch, present = _parts(quote, machine, info, identity)
    return _packed(machine, info, identity, numbers, (qe, *launch, *present))


def _packed(
    machine: Machine,
    info: TcbInfo,
    identity: QeIdentity,
    numbers: EvaluationNumbers | None,
    parts: Sequence[_Part],
) -> bytes:
    head = machine.packed + info.number.to_bytes(4, "big") + identity.number.to_bytes(4, "big")
    items = [b"" if numbers is None else numbers.table]
    items += [item for part in parts for item in part.items]
    packed = b"".join(len(item).to_bytes(2, "big") + item for item in items)
    return head + identity.identity + packed


def _require_tee(tee: TeeKind, *tables: TcbInfo | QeIdentity | EvaluationNumbers | None) -> None:
    for table in tables:
        if table is not None and table.tee is not tee:
            name = type(table).__name__
            raise AppraisalFailed(f"{name} of {table.tee.name}, wanted {tee.name}")


def _require_fmspc(machine: Machine, info: TcbInfo) -> None:
    seen = (machine.fmspc.hex(), machine.pceid.hex())
    wanted = (info.fmspc.hex(), info.pce_id.hex())
    if seen != wanted:
        raise AppraisalFailed(f"machine has FMSPC and PCE id {seen}, wanted {wanted}")


def _require_quoting_enclave(report: bytes, identity: QeIdentity) -> None:
    """The report is of the enclave that an identity describes, whatever its version.

    Args:
        report: The QE report body, 384 bytes.
        identity: `MISCSELECT | mask | attributes | mask | MRSIGNER | ISVPRODID`.
    """
    told = identity.identity
    seen = (
        _masked(report[_MISCSELECT], told[4:8]),
        _masked(report[_ATTRIBUTES], told[24:40]),
        report[_MRSIGNER],
        report[_ISVPRODID][::-1],
    )
    wanted = (told[:4], told[8:24], told[40:72], told[72:])
    if seen != wanted:
        said = [part.hex() for part in seen], [part.hex() for part in wanted]
        raise AppraisalFailed(f"quoting enclave is {said[0]}, wanted {said[1]}")


def _parts(
    quote: DcapQuote, machine: Machine, info: TcbInfo, identity: QeIdentity
) -> tuple[_Part, tuple[_Part, ...], tuple[_Part, ...]]:
    """The quoting enclave; the platform at launch; the platform now, if another module runs."""
    isv_svn = int.from_bytes(quote.qe_report[_ISVSVN], "little")
    qe = _first_met(identity.levels, lambda: find_svn_level(identity.levels, isv_svn))
    if quote.tee is TeeKind.SGX:
        return qe, (_platform(machine, info, bytes(16)),), ()
    svns, present_svns = quote.body[_TEE_TCB_SVN], quote.body[_TEE_TCB_SVN_2]
    launch = (_platform(machine, info, svns), _module(info, quote.body, svns))
    if len(quote.body) != TD15_BODY_SIZE or present_svns == svns:
        return qe, launch, ()
    present = (_platform(machine, info, present_svns), _module(info, quote.body, present_svns))
    return qe, launch, present


def _platform(machine: Machine, info: TcbInfo, svns: bytes) -> _Part:
    # From TDX 1.5 on the module's versions are its identity's affair.
    tdx = b"\xff\xff" + svns[2:] if svns[1] else svns

    def find() -> int:
        sgx, pcesvn = machine.components, machine.pcesvn
        return find_platform_level(info.levels, sgx=sgx, tdx=tdx, pcesvn=pcesvn)

    return _first_met(info.levels, find)


def _module(info: TcbInfo, body: bytes, svns: bytes) -> _Part:
    svn, number = svns[:2]
    try:
        index = find_module(info, number)
    except AppraisalFailed as error:
        return _Part(module_proof(info, len(info.modules) - 1), None, error)
    proof, told = module_proof(info, index), info.modules[index]
    part = _Part(b"", None)
    if number > 0:
        part = _first_met(told.levels, lambda: find_svn_level(told.levels, svn))
    refusal = part.refusal or _signer_refusal(body, told)
    return _Part(proof + part.proof, part.level, refusal)


def _signer_refusal(body: bytes, told: TdxModule) -> AppraisalFailed | None:
    """None if the module that made a report is who the tables say."""
    seen = body[_MRSIGNERSEAM] + _masked(body[_SEAMATTRIBUTES], told.mask)
    wanted = told.mrsigner + told.attributes
    if seen == wanted:
        return None
    return AppraisalFailed(f"TDX module {told.id} is {seen.hex()}, wanted {wanted.hex()}")


def _first_met(
    levels: Sequence[PlatformLevel] | Sequence[SvnLevel], find: Callable[[], int]
) -> _Part:
    try:
        index = find()
    except AppraisalFailed as error:
        return _Part(level_proof(levels, len(levels) - 1), None, error)
    level = levels[index]
    grade = level.grade if isinstance(level, PlatformLevel) else level
    return _Part(level_proof(levels, index), grade)


def _merged(*parts: _Part) -> TcbStatus:
    return merge_statuses(*(status for part in parts for status in part.statuses))


def _masked(value: bytes, mask: bytes) -> bytes:
    return bytes(a & b for a, b in zip(value, mask, strict=True))
