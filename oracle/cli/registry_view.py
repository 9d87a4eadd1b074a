"""What the chain makes of every signer: histories from events, and the registry's word now."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import typer

from enclave.domain.errors import ChainError, ConfigError
from enclave.domain.evidence import TeeKind, Tier
from oracle.attestation.codecs.tcb_tables import TcbStatus
from oracle.chain.base import SignerStatus
from oracle.chain.evm import EvmChain
from oracle.chain.rpc import Rpc
from oracle.chain.signers import (
    SignerHistory,
    SignerState,
    read_histories,
    signer_state,
)
from oracle.config import Config

_DAY_S = 86_400
#: Quiet before the first line of progress, and between two.
_PROGRESS_S = 1.0


@dataclass(slots=True)
class Progress:
    """Says on standard error how far a long reading is.

    Attributes:
        clock: Monotonic seconds.
        say: Prints a line.
    """

    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = field(default=lambda line: typer.echo(line, err=True))
    _next_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._next_at = self.clock() + _PROGRESS_S

    def note(self, line: str) -> None:
        """Print the line if a second has gone by."""
        if self.clock() >= self._next_at:
            self.say(line)
            self._next_at = self.clock() + _PROGRESS_S


@dataclass(frozen=True, slots=True)
class Dossier:
    """A signer in full.

    Attributes:
        history: From the registry's events.
        status: The registry's word now.
        position: In the signer set; `None` outside every seat.
        now: The chain's time.
    """

    history: SignerHistory
    status: SignerStatus
    position: int | None
    now: int

    @property
    def state(self) -> SignerState:
        """Whether it may sign."""
        return signer_state(self.status)

    @property
    def cause(self) -> str:
        """Why it is in its state."""
        revoked, convicted = self.history.revoked, self.history.equivocated
        match self.state:
            case SignerState.VALID:
                return "registered, not expired, its image is live"
            case SignerState.EXPIRED:
                return f"ended at {moment(self.status.expires_at)} by {self.status.cause.words}"
            case SignerState.SUSPENDED:
                return self._suspension
            case SignerState.IMAGE_WITHDRAWN:
                return f"image 0x{self.status.image_id.hex()} was withdrawn"
        if revoked is None:
            return "revoked; the event was not found"
        if convicted is not None:
            return (
                f"convicted of two entries for feed {convicted.index} of {convicted.hub} at"
                f" {moment(convicted.observed_at)}; {revoked.by} brought the proof"
            )
        return f"revoked by {revoked.by} in block {revoked.block}"

    @property
    def _suspension(self) -> str:
        event = self.history.suspended
        if event is None:
            return f"suspended at {moment(self.status.expires_at)}; the event was not found"
        return f"suspended by {event.by} in block {event.block}: {event.refusal}"

    def view(self) -> dict[str, Any]:
        """For machines; times are seconds since the epoch."""
        event, status, revoked = self.history.latest, self.status, self.history.revoked
        left_s = max(0, status.expires_at - self.now) if self.state is SignerState.VALID else 0
        return {
            "signer": event.signer,
            "state": self.state.value,
            "cause": self.cause,
            "operator": status.operator,
            "tee": tee_name(status.tee),
            "tier": tier_name(status.tier),
            "image_id": "0x" + status.image_id.hex(),
            "hardware_id": "0x" + event.hardware_id.hex(),
            "position": self.position,
            "tcb_status": tcb_status_name(self.history.tcb_status),
            "evaluation_number": self.history.evaluation_number,
            "first_block": self.history.first_block,
            "renewals": self.history.renewals,
            "registered_at": status.registered_at,
            "expires_at": status.expires_at,
            "days_left": round(left_s / _DAY_S, 2),
            "limited_by": status.cause.words,
            "block": event.block,
            "transaction": "0x" + event.transaction.hex(),
            "verifier_id": event.verifier_id,
            "ref_block": event.ref_block,
            "hpke_public_key": "0x" + event.hpke_public_key.hex(),
            "evidence_keccak": "0x" + event.evidence_hash.hex(),
            "evidence_bytes": len(event.evidence),
            "revoked_by": None if revoked is None else revoked.by,
            "revoked_block": None if revoked is None else revoked.block,
        }


async def read_dossiers(
    rpc: Rpc, chain: EvmChain, config: Config, *, from_block: int, signer: str | None = None
) -> list[Dossier]:
    """Every signer that was registered since a block, or one.

    Raises:
        ConfigError: `from_block` is ahead of the chain.
        ChainError: No endpoint answers, or with something else than was asked.
    """
    head = await chain.head()
    if from_block > head.number:
        raise ConfigError(f"--from-block is {from_block}, wanted at most {head.number}, the head")
    progress = Progress()
    histories = await read_histories(
        rpc,
        config.chain.registry,
        from_block=from_block,
        to_block=head.number,
        signer=signer,
        progress=lambda block, count: progress.note(
            f"read events to block {block} of {head.number}, {count} signers"
        ),
    )
    positions = await chain.positions()
    reader = _Reader(chain, positions, head.timestamp)
    dossiers = []
    for number, history in enumerate(histories.values(), 1):
        dossiers.append(await reader.dossier(history))
        progress.note(f"asked for {number} of {len(histories)} signers")
    return dossiers


@dataclass(slots=True)
class _Reader:
    """Asks the registry for each signer."""

    chain: EvmChain
    positions: Mapping[str, int]
    now: int

    async def dossier(self, history: SignerHistory) -> Dossier:
        event = history.latest
        status = await self.chain.signer(bytes.fromhex(event.signer[2:]))
        if not int(status.operator, 16):
            raise ChainError(
                f"the registry does not know {event.signer}, of which there is an event: the"
                " endpoints are at different heights; try again"
            )
        return Dossier(history, status, self.positions.get(event.signer), self.now)


def tee_name(number: int) -> str:
    """Name of a platform; the bare number of one that this version does not know."""
    return TeeKind(number).name if number in list(TeeKind) else str(number)


def tier_name(number: int) -> str:
    """Name of a tier; the bare number of one that this version does not know."""
    return Tier(number).name if number in list(Tier) else str(number)


def tcb_status_name(number: int) -> str:
    """Name of a status; the bare number of one that this version does not know."""
    return TcbStatus(number).name if number in list(TcbStatus) else str(number)


def table(views: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines for people: one for each signer, below a head."""
    head = ("SIGNER", "STATE", "SEAT", "TEE", "TIER", "REGISTERED", "EXPIRES", "OPERATOR")
    rows = [(*head, "IMAGE", "HARDWARE")]
    rows += [
        (
            view["signer"],
            view["state"],
            "-" if view["position"] is None else str(view["position"]),
            view["tee"],
            view["tier"],
            moment(view["registered_at"]),
            moment(view["expires_at"]),
            view["operator"],
            view["image_id"],
            view["hardware_id"],
        )
        for view in views
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def lines(view: Mapping[str, Any]) -> list[str]:
    """Lines for people: one for each fact about a signer."""
    shown = {key: value for key, value in view.items() if value is not None}
    for key in ("registered_at", "expires_at"):
        shown[key] = moment(shown[key])
    return [f"{key.replace('_', ' '):<16} {value}" for key, value in shown.items()]


def moment(seconds: int) -> str:
    """A time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
