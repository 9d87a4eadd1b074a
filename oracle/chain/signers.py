"""Who was ever registered: the registry's events, folded into one history for each signer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import decode_revert, load_abi
from oracle.chain.base import SignerStatus
from oracle.chain.life import LifeCause
from oracle.chain.parsing import parse_log
from oracle.chain.reading import Requests, read_logs
from oracle.chain.rpc import hex_bytes, quantity
from oracle.config import checksum_address

_EVENTS = (
    "SignerRegistered",
    "SignerExtended",
    "SignerSuspended",
    "SignerRevoked",
    "SignerEquivocated",
)


@dataclass(frozen=True, slots=True)
class RegisteredEvent:
    """A registration or renewal.

    Attributes:
        tcb_status: What the vendor's collateral said of the platform, as in the contracts.
        evaluation_number: Of that collateral.
        expires_at: Seconds since the epoch, as registered.
        evidence_hash: keccak256 of the evidence, 32 bytes.
        hardware_id: What the verifier knows the machine by, 32 bytes.
        hpke_public_key: X25519, 32 bytes.
        evidence: As the verifier took it, byte for byte.
        block: Height.
        transaction: Hash, 32 bytes.
    """

    signer: str
    operator: str
    image_id: bytes
    tee: int
    tier: int
    tcb_status: int
    evaluation_number: int
    verifier_id: int
    ref_block: int
    expires_at: int
    hardware_id: bytes
    evidence_hash: bytes
    hpke_public_key: bytes
    evidence: bytes
    block: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class RevokedEvent:
    """A revocation.

    Attributes:
        by: Who sent it.
        block: Height.
        transaction: Hash, 32 bytes.
    """

    by: str
    block: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class SuspendedEvent:
    """A re-check that the policy refused.

    Attributes:
        by: Who sent it.
        refusal: What the policy said, one line.
        block: Height.
        transaction: Hash, 32 bytes.
    """

    by: str
    refusal: str
    block: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class EquivocatedEvent:
    """Proof that the signer signed two entries for one feed and one moment.

    Attributes:
        hub: For which hub.
        index: Of the feed.
        observed_at: Seconds since the epoch.
        first: Entry of the first report, 14 bytes.
        second: Entry of the second one.
    """

    hub: str
    index: int
    observed_at: int
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class SignerHistory:
    """What the registry's events say of one signer.

    Attributes:
        first_block: Of its first registration.
        latest: Its last registration or renewal.
        renewals: Registrations after the first.
        tcb_status: What the last registration or accepted re-check found.
        evaluation_number: Of the collateral then.
        suspended: The last re-check that was refused, unless one was accepted since.
        revoked: `None` unless it was revoked.
        equivocated: Why it was revoked, if it was convicted.
    """

    first_block: int
    latest: RegisteredEvent
    renewals: int = 0
    tcb_status: int = 0
    evaluation_number: int = 0
    suspended: SuspendedEvent | None = None
    revoked: RevokedEvent | None = None
    equivocated: EquivocatedEvent | None = None


class SignerState(StrEnum):
    """Whether a signer may sign, and if not, what is in the way; the gravest reason counts."""

    VALID = "valid"
    REVOKED = "revoked"
    IMAGE_WITHDRAWN = "image withdrawn"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


_STATES = {
    LifeCause.REVOKED: SignerState.REVOKED,
    LifeCause.WITHDRAWN: SignerState.IMAGE_WITHDRAWN,
    LifeCause.APPRAISAL: SignerState.SUSPENDED,
}


def signer_state(status: SignerStatus) -> SignerState:
    """The state of a registered signer; whether it is valid is the registry's own word."""
    if status.is_valid:
        return SignerState.VALID
    return _STATES.get(status.cause, SignerState.EXPIRED)


async def read_histories(
    rpc: Requests,
    registry: str,
    *,
    from_block: int,
    to_block: int,
    signer: str | None = None,
    progress: Callable[[int, int], None] = lambda block, signers: None,
) -> Mapping[str, SignerHistory]:
    """Read the registry's events and fold them, by signer in order of first registration.

    Establishes what the endpoint says: it may hold events back. A signer that was registered before
    `from_block` and not since is left out.

    Args:
        rpc: Endpoints.
        registry: Address of the `AttestationRegistry`.
        from_block: First height.
        to_block: Last height.
        signer: Only of this one.
        progress: Told the last height that was read, and how many signers were found.

    Raises:
        ChainError: No endpoint answers, or with something else than these events.
    """
    found: dict[str, SignerHistory] = {}
    wanted = _filter(registry, signer)
    async for last, logs in read_logs(rpc, wanted, from_block, to_block):
        for raw in logs:
            _fold(found, registry, raw)
        progress(last, len(found))
    return found


def _filter(registry: str, signer: str | None) -> Mapping[str, Any]:
    events = load_abi("AttestationRegistry").events
    kinds = ["0x" + topic.hex() for topic, item in events.items() if item.name in _EVENTS]
    topics: list[Any] = [kinds]
    if signer is not None:
        topics.append("0x" + signer[2:].lower().rjust(64, "0"))
    return {"address": registry, "topics": topics}


def _fold(found: dict[str, SignerHistory], registry: str, raw: Any) -> None:
    log = parse_log(raw)
    if log.address.lower() != registry.lower():
        raise ChainError(f"log is of {log.address}, wanted {registry}")
    name, fields = load_abi("AttestationRegistry").decode_event(log.topics, log.data)
    signer = checksum_address(fields.get("signer", ""))
    before = found.get(signer)
    if name == "SignerRegistered":
        found[signer] = _registered(before, signer, fields, raw)
    elif before is not None:
        found[signer] = _changed(before, name, fields, raw)


def _changed(
    before: SignerHistory, name: str, fields: Mapping[str, Any], raw: Any
) -> SignerHistory:
    match name:
        case "SignerExtended":
            status, number = fields["tcbStatus"], fields["evaluationNumber"]
            return replace(before, tcb_status=status, evaluation_number=number, suspended=None)
        case "SignerSuspended":
            reason = decode_revert(load_abi("AttestationRegistry"), fields["refusal"])
            by = checksum_address(fields["by"])
            return replace(before, suspended=SuspendedEvent(by, reason, *_place(raw)))
        case "SignerRevoked":
            by = checksum_address(fields["by"])
            return replace(before, revoked=RevokedEvent(by, *_place(raw)))
        case _:
            return replace(before, equivocated=_equivocated(fields))


def _registered(
    before: SignerHistory | None, signer: str, fields: Mapping[str, Any], raw: Any
) -> SignerHistory:
    block, transaction = _place(raw)
    event = RegisteredEvent(
        signer=signer,
        operator=checksum_address(fields["operator"]),
        image_id=fields["imageId"],
        tee=fields["tee"],
        tier=fields["tier"],
        tcb_status=fields["tcbStatus"],
        evaluation_number=fields["evaluationNumber"],
        verifier_id=fields["verifierId"],
        ref_block=fields["refBlock"],
        expires_at=fields["expiresAt"],
        hardware_id=fields["hwId"],
        evidence_hash=fields["evidenceHash"],
        hpke_public_key=fields["hpkePublicKey"],
        evidence=fields["evidence"],
        block=block,
        transaction=transaction,
    )
    history = SignerHistory(block, event)
    if before is not None:
        history = replace(before, latest=event, renewals=before.renewals + 1, suspended=None)
    return replace(history, tcb_status=event.tcb_status, evaluation_number=event.evaluation_number)


def _equivocated(fields: Mapping[str, Any]) -> EquivocatedEvent:
    return EquivocatedEvent(
        hub=checksum_address(fields["hub"]),
        index=fields["index"],
        observed_at=fields["observedAt"],
        first=fields["first"],
        second=fields["second"],
    )


def _place(raw: Mapping[str, Any]) -> tuple[int, bytes]:
    return quantity(raw.get("blockNumber")), hex_bytes(raw.get("transactionHash"), 32)
