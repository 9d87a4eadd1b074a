"""What Intel's tables say of one quote: the level of each part, the merged status, advisories.

Reads tables and quote; no signature, date or attribute. `DcapVerifier` finds the same on the chain,
`contracts/src/libraries/DcapTcb.sol`.

Reference: Intel PCS API v4, "Get TCB info", "Get Quoting Enclave identity"; Intel DCAP quote
verification library, `TCBLevelMatch`, `TDXModuleCheck`, `TDRelaunchCheck`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from enclave.domain.errors import AppraisalFailed
from enclave.domain.evidence import TD15_BODY_SIZE, TeeKind
from oracle.attestation.codecs.dcap import DcapQuote
from oracle.attestation.codecs.pck import Machine
from oracle.attestation.codecs.tcb_proofs import (
    find_module,
    find_platform_level,
    find_svn_level,
)
from oracle.attestation.codecs.tcb_tables import (
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
class Part:
    """One part of the platform under the tables.

    Attributes:
        name: Quoting enclave, platform, or TDX module.
        levels: Of its table; empty for a module without levels, or one that no table knows.
        index: Of the level that it meets; of the last one if it meets none.
        level: What it meets; None if it has no levels or meets none.
        module: Of a TDX module, its index in the TCB info; the last one's if it is not there.
        refusal: Why it is not appraised.
        below: What keeps it from the first level, or from any: component, seen, least wanted.
    """

    name: str
    levels: Sequence[PlatformLevel] | Sequence[SvnLevel]
    index: int
    level: SvnLevel | None
    module: int | None = None
    refusal: AppraisalFailed | None = None
    below: tuple[str, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All parts of a quote's platform.

    Attributes:
        qe: The quoting enclave.
        launch: Platform and TDX module (SGX: platform) that the code began under.
        present: The same as they are now; empty unless the module was updated while a TD ran.
    """

    qe: Part
    launch: tuple[Part, ...]
    present: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them."""
        return (self.qe, *self.launch, *self.present)

    @property
    def refused(self) -> Part | None:
        """The first part that is not appraised; the rest of this holds only where there is none."""
        return next((part for part in self.parts if part.refusal is not None), None)

    @property
    def status(self) -> TcbStatus:
        """Merged over all parts."""
        status = _merged(self.qe, *self.launch)
        return relaunch_status(status, _merged(self.qe, *self.present)) if self.present else status

    @property
    def advisories(self) -> tuple[str, ...]:
        """Of the quoting enclave, the platform, the module; a name may occur twice."""
        return tuple(name for part in self.parts if part.level for name in part.level.advisories)

    @property
    def dated_at(self) -> int:
        """The oldest date of a level that is met, seconds since the epoch."""
        return min(part.level.date for part in self.parts if part.level)


def evaluate(quote: DcapQuote, machine: Machine, info: TcbInfo, identity: QeIdentity) -> Evaluation:
    """The level of each part.

    Args:
        quote: Of any form.
        machine: From the quote's PCK certificate.
        info: Of the quote's TEE and the machine; see `require_machine`.
        identity: Of the quote's quoting enclave; see `require_quoting_enclave`.
    """
    isv_svn = int.from_bytes(quote.qe_report[_ISVSVN], "little")
    qe = _svn_part("quoting enclave", identity.levels, isv_svn)
    if quote.tee is TeeKind.SGX:
        return Evaluation(qe, (_platform(machine, info, bytes(16)),), ())
    svns, present_svns = quote.body[_TEE_TCB_SVN], quote.body[_TEE_TCB_SVN_2]
    launch = (_platform(machine, info, svns), _module(info, quote.body, svns))
    if len(quote.body) != TD15_BODY_SIZE or present_svns == svns:
        return Evaluation(qe, launch, ())
    present = (_platform(machine, info, present_svns), _module(info, quote.body, present_svns))
    return Evaluation(qe, launch, present)


def require_machine(machine: Machine, info: TcbInfo) -> None:
    """A TCB info is of a machine's kind.

    Raises:
        AppraisalFailed: Another FMSPC or PCE id.
    """
    seen = (machine.fmspc.hex(), machine.pceid.hex())
    wanted = (info.fmspc.hex(), info.pce_id.hex())
    if seen != wanted:
        raise AppraisalFailed(f"machine has FMSPC and PCE id {seen}, wanted {wanted}")


def require_quoting_enclave(report: bytes, identity: QeIdentity) -> None:
    """A report is of the enclave that an identity describes, whatever its version.

    Args:
        report: The QE report body, 384 bytes.
        identity: `MISCSELECT | mask | attributes | mask | MRSIGNER | ISVPRODID`.

    Raises:
        AppraisalFailed: Another enclave.
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


def _platform(machine: Machine, info: TcbInfo, svns: bytes) -> Part:
    # From TDX 1.5 on the module's versions are its identity's affair.
    tdx = b"\xff\xff" + svns[2:] if svns[1] else svns

    def find() -> int:
        sgx, pcesvn = machine.components, machine.pcesvn
        return find_platform_level(info.levels, sgx=sgx, tdx=tdx, pcesvn=pcesvn)

    def below(index: int) -> tuple[str, int, int] | None:
        return next(_below(machine, tdx, info.levels[index]), None)

    return _part("platform", info.levels, find, below)


def _below(machine: Machine, tdx: bytes, level: PlatformLevel) -> Iterator[tuple[str, int, int]]:
    """Versions that do not meet a level."""
    tables = (("SGX", machine.components, level.sgx), ("TDX", tdx, level.tdx))
    for name, seen, wanted in tables:
        for number, (have, least) in enumerate(zip(seen, wanted, strict=True), start=1):
            if have < least:
                yield f"{name} TCB component {number}", have, least
    if machine.pcesvn < level.grade.svn:
        yield "PCESVN", machine.pcesvn, level.grade.svn


def _module(info: TcbInfo, body: bytes, svns: bytes) -> Part:
    svn, number = svns[:2]
    name = f"TDX module {number}"
    try:
        index = find_module(info, number)
    except AppraisalFailed as error:
        return Part(name, (), 0, None, len(info.modules) - 1, error)
    told = info.modules[index]
    met = _svn_part(name, told.levels, svn) if number else Part(name, (), 0, None)
    refusal = met.refusal or _signer_refusal(body, told)
    return Part(name, met.levels, met.index, met.level, index, refusal, met.below)


def _signer_refusal(body: bytes, told: TdxModule) -> AppraisalFailed | None:
    """None if the module that made a report is who the tables say."""
    seen = body[_MRSIGNERSEAM] + _masked(body[_SEAMATTRIBUTES], told.mask)
    wanted = told.mrsigner + told.attributes
    if seen == wanted:
        return None
    return AppraisalFailed(f"TDX module {told.id} is {seen.hex()}, wanted {wanted.hex()}")


def _svn_part(name: str, levels: Sequence[SvnLevel], svn: int) -> Part:
    def below(index: int) -> tuple[str, int, int] | None:
        least = levels[index].svn
        return (f"version of the {name}", svn, least) if svn < least else None

    return _part(name, levels, lambda: find_svn_level(levels, svn), below)


def _part(
    name: str,
    levels: Sequence[PlatformLevel] | Sequence[SvnLevel],
    find: Callable[[], int],
    below: Callable[[int], tuple[str, int, int] | None],
) -> Part:
    """The first level that is met; if none is, what is lacking to the last."""
    try:
        index = find()
    except AppraisalFailed as error:
        last = len(levels) - 1
        return Part(name, levels, last, None, None, error, below(last))
    level = levels[index]
    grade = level.grade if isinstance(level, PlatformLevel) else level
    return Part(name, levels, index, grade, below=below(0))


def _merged(*parts: Part) -> TcbStatus:
    return merge_statuses(*(part.level.status for part in parts if part.level))


def _masked(value: bytes, mask: bytes) -> bytes:
    return bytes(a & b for a, b in zip(value, mask, strict=True))
