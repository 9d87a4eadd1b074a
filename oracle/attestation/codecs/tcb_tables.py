"""What Intel's collateral says, in the packed tables and digests that `IntelCollateral` keeps.

Reference: `contracts/src/libraries/`: `TcbLevels.sol`, `TcbInfo.sol`, `QeIdentity.sol`,
`EvaluationNumbers.sol`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256


class TcbStatus(IntEnum):
    """What Intel says of a level, up to `REVOKED`, or of a platform; numbered as in the contracts.

    The last two are of trust domains alone that began under an outdated TDX module.
    """

    UP_TO_DATE = 1
    SW_HARDENING_NEEDED = 2
    CONFIGURATION_NEEDED = 3
    CONFIGURATION_AND_SW_HARDENING_NEEDED = 4
    OUT_OF_DATE = 5
    OUT_OF_DATE_CONFIGURATION_NEEDED = 6
    REVOKED = 7
    TD_RELAUNCH_ADVISED = 8
    TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED = 9


#: As Intel writes them.
STATUS_NAMES: Final[Mapping[TcbStatus, str]] = MappingProxyType(
    {
        TcbStatus.UP_TO_DATE: "UpToDate",
        TcbStatus.SW_HARDENING_NEEDED: "SWHardeningNeeded",
        TcbStatus.CONFIGURATION_NEEDED: "ConfigurationNeeded",
        TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: "ConfigurationAndSWHardeningNeeded",
        TcbStatus.OUT_OF_DATE: "OutOfDate",
        TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: "OutOfDateConfigurationNeeded",
        TcbStatus.REVOKED: "Revoked",
        TcbStatus.TD_RELAUNCH_ADVISED: "TDRelaunchAdvised",
        TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED: "TDRelaunchAdvisedConfigurationNeeded",
    }
)
_HARDENING, _CONFIGURATION, _OUT_OF_DATE = 1, 2, 4
#: What the statuses of levels ask for; `REVOKED` is above all.
_FLAGS = {
    TcbStatus.UP_TO_DATE: 0,
    TcbStatus.SW_HARDENING_NEEDED: _HARDENING,
    TcbStatus.CONFIGURATION_NEEDED: _CONFIGURATION,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: _CONFIGURATION | _HARDENING,
    TcbStatus.OUT_OF_DATE: _OUT_OF_DATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: _OUT_OF_DATE | _CONFIGURATION,
}
_STATUS_OF = {flags: status for status, flags in _FLAGS.items()}


def merge_statuses(*statuses: TcbStatus) -> TcbStatus:
    """The status of parts that are used together: all that any of them asks for.

    Args:
        statuses: Of levels, `UP_TO_DATE` to `REVOKED`.
    """
    if TcbStatus.REVOKED in statuses:
        return TcbStatus.REVOKED
    flags = 0
    for status in statuses:
        flags |= _FLAGS[status]
    # Who is out of date is not told to harden software: to update comes first.
    return _STATUS_OF[flags & ~_HARDENING if flags & _OUT_OF_DATE else flags]


def relaunch_status(launch: TcbStatus, present: TcbStatus) -> TcbStatus:
    """The status of a trust domain whose TDX module was updated while it ran.

    Args:
        launch: Merged status under the module it began with, `UP_TO_DATE` to `REVOKED`.
        present: Merged status under the module that runs now.

    Reference:
        Intel DCAP quote verification library, `TDRelaunchCheck`. It is the status at launch, unless
        that was out of date and would not be if launched now; neither may be revoked.
    """
    was_late = launch in (TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED)
    if not was_late or present >= TcbStatus.OUT_OF_DATE:
        return present if present is TcbStatus.REVOKED else launch
    if (_FLAGS[launch] | _FLAGS[present]) & _CONFIGURATION:
        return TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
    return TcbStatus.TD_RELAUNCH_ADVISED


@dataclass(frozen=True, slots=True)
class SvnLevel:
    """A level of one security version: of a quoting enclave, a TDX module, or the PCE.

    Attributes:
        svn: 0 to 65535; of a platform level, PCESVN.
        status: What Intel says of it.
        date: `tcbDate`, in seconds since the epoch.
        advisories: As listed.
    """

    svn: int
    status: TcbStatus
    date: int
    advisories: tuple[str, ...]

    @property
    def advisory_list(self) -> bytes:
        """The JSON list between its brackets; empty when there are none."""
        return ",".join(f'"{name}"' for name in self.advisories).encode()

    @property
    def packed(self) -> bytes:
        """`uint16 svn | uint8 status | uint40 date | bytes32 advisories`."""
        listed = self.advisory_list
        return b"".join(
            (
                self.svn.to_bytes(2, "big"),
                self.status.to_bytes(1, "big"),
                self.date.to_bytes(5, "big"),
                keccak256(listed) if listed else bytes(32),
            )
        )


@dataclass(frozen=True, slots=True)
class PlatformLevel:
    """A level of a platform.

    Attributes:
        sgx: 16 component versions.
        tdx: 16 component versions; zeros for SGX.
        grade: PCESVN, and what Intel says of the level.
    """

    sgx: bytes
    tdx: bytes
    grade: SvnLevel

    @property
    def packed(self) -> bytes:
        """The component versions, SGX first, and the packed grade."""
        return self.sgx + self.tdx + self.grade.packed


@dataclass(frozen=True, slots=True)
class TdxModule:
    """Identity of a TDX module.

    Attributes:
        id: Major version; 0 for `tdxModule`, which has no levels.
        mrsigner: 48 bytes.
        attributes: 8 bytes.
        mask: 8 bytes.
        levels: In the document's order.
    """

    id: int
    mrsigner: bytes
    attributes: bytes
    mask: bytes
    levels: tuple[SvnLevel, ...]

    @property
    def head(self) -> bytes:
        """`uint8 id | MRSIGNER | attributes | mask`."""
        return bytes((self.id,)) + self.mrsigner + self.attributes + self.mask

    @property
    def packed(self) -> bytes:
        """As in the event: head, number of levels, levels."""
        levels = b"".join(level.packed for level in self.levels)
        return self.head + bytes((len(self.levels),)) + levels


@dataclass(frozen=True, slots=True)
class TcbInfo:
    """A TCB info, version 3.

    Attributes:
        tee: `SGX` or `TDX`.
        fmspc: 6 bytes.
        pce_id: 2 bytes.
        number: TCB evaluation data number.
        issued_at: Seconds since the epoch.
        next_update: Seconds since the epoch.
        modules: Identities in the document's order, then `tdxModule`; empty for SGX.
        levels: In the document's order.
    """

    tee: TeeKind
    fmspc: bytes
    pce_id: bytes
    number: int
    issued_at: int
    next_update: int
    modules: tuple[TdxModule, ...]
    levels: tuple[PlatformLevel, ...]

    @property
    def modules_root(self) -> bytes:
        """Root of the chain of modules, 32 bytes; zeros for SGX."""
        return chain_root(
            [m.head + chain_root([level.packed for level in m.levels]) for m in self.modules]
        )

    @property
    def levels_root(self) -> bytes:
        """Root of the chain of levels, 32 bytes."""
        return chain_root([level.packed for level in self.levels])

    @property
    def digest(self) -> bytes:
        """What the contract keeps, 16 bytes."""
        return keccak256(self.pce_id + self.modules_root + self.levels_root)[:16]


@dataclass(frozen=True, slots=True)
class QeIdentity:
    """Identity of a quoting enclave, version 2.

    Attributes:
        tee: `SGX` for the QE, `TDX` for the TD QE.
        number: TCB evaluation data number.
        issued_at: Seconds since the epoch.
        next_update: Seconds since the epoch.
        identity: `MISCSELECT (4) | mask (4) | attributes (16) | mask (16) | MRSIGNER (32) | uint16
            ISVPRODID`, 74 bytes.
        levels: In the document's order.
    """

    tee: TeeKind
    number: int
    issued_at: int
    next_update: int
    identity: bytes
    levels: tuple[SvnLevel, ...]

    @property
    def levels_root(self) -> bytes:
        """Root of the chain of levels, 32 bytes."""
        return chain_root([level.packed for level in self.levels])

    @property
    def digest(self) -> bytes:
        """What the contract keeps, 16 bytes."""
        return keccak256(self.identity + self.levels_root)[:16]


@dataclass(frozen=True, slots=True)
class EvaluationNumber:
    """A TCB evaluation data number.

    Attributes:
        number: The number.
        recovery_at: When the recovery event became public, in seconds since the epoch.
        tcb_date: From when on platforms are to meet it, in seconds since the epoch.
    """

    number: int
    recovery_at: int
    tcb_date: int

    @property
    def packed(self) -> bytes:
        """`uint32 number | uint40 recoveryAt | uint40 tcbDate`."""
        times = self.recovery_at.to_bytes(5, "big") + self.tcb_date.to_bytes(5, "big")
        return self.number.to_bytes(4, "big") + times


@dataclass(frozen=True, slots=True)
class EvaluationNumbers:
    """The TCB evaluation data numbers of a TEE, version 1.

    Attributes:
        tee: `SGX` or `TDX`.
        issued_at: Seconds since the epoch.
        next_update: Seconds since the epoch.
        numbers: In the document's order.
    """

    tee: TeeKind
    issued_at: int
    next_update: int
    numbers: tuple[EvaluationNumber, ...]

    @property
    def table(self) -> bytes:
        """The packed entries, 14 bytes each."""
        return b"".join(entry.packed for entry in self.numbers)

    @property
    def digest(self) -> bytes:
        """What the contract keeps, 16 bytes."""
        return keccak256(self.table)[:16]


def chain_root(elements: list[bytes]) -> bytes:
    """Root of a chain from its end, `root(i) = keccak256(element(i) | root(i + 1))`; 32 bytes."""
    root = bytes(32)
    for element in reversed(elements):
        root = keccak256(element + root)
    return root
