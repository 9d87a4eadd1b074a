"""What the leader verifies before it uses anything that another node said. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from coincurve import PublicKey

from enclave.domain import wire
from enclave.domain.errors import ProtocolError, RequestRefused, SignatureInvalid
from enclave.domain.quorum import Observed, combine, decode_observed, observation_digest
from enclave.domain.report import (
    ENTRY_SIZE,
    SIGNATURE_SIZE,
    VERSION,
    SignedReport,
    decode_report,
    domain_separator,
    entries_digest,
    keccak256,
    list_root,
    pack_entries,
)
from oracle.chain.base import SeatedSigner
from oracle.quorum.responder import HubView
from oracle.quorum.seating import find_seated

#: How far an observation may lie from this node's own, seconds. Enclaves refuse a whole request for
#: one that lies 10 s from their own round: half of that, and no two of the observers are so far.
MAX_SKEW_S = 5
#: Half of the order of secp256k1, SEC 2, section 2.4.1.
_MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@dataclass(frozen=True, slots=True)
class Checked:
    """An observation that may be used.

    Attributes:
        seated: Whose.
        observation: As it was signed.
        content: What it says.
    """

    seated: SeatedSigner
    observation: wire.SignedObservation
    content: Observed


@dataclass(frozen=True, slots=True)
class Draft:
    """The report that observations make, before anybody signed it.

    Attributes:
        feed_ids: In the hub's order.
        observations: That it is made of.
        observed_at: Seconds since the epoch.
        list_root: 32 bytes.
        entries: Packed, 14 bytes each.
        digest: What is signed, 32 bytes.
    """

    feed_ids: tuple[bytes, ...]
    observations: tuple[wire.SignedObservation, ...]
    observed_at: int
    list_root: bytes
    entries: bytes
    digest: bytes


def check_observation(
    hub: HubView,
    observation: wire.SignedObservation,
    *,
    operator: str,
    own_at: int,
    now: float,
) -> Checked:
    """Check what a node says that its enclave observed.

    1. The signer holds a live seat, and it is that node's.
    2. The time lies within `MAX_SKEW_S` of this node's own observation.
    3. It is about the hub's feed list.
    4. The entries have the form of a report's.
    5. The signer signed it, for this chain and hub.

    Does not establish that the answers are right: the enclaves compare them with their own.

    Args:
        hub: As this node sees it.
        observation: Of a node.
        operator: Of that node.
        own_at: Time of this node's own observation, seconds since the epoch.
        now: Seconds since the epoch, to tell whether a signer has expired.

    Raises:
        RequestRefused: Steps 1 to 3 fail.
        ProtocolError: Step 4 fails.
        SignatureInvalid: Step 5 fails.
    """
    # 1.
    seated = _seat_of(hub, observation.signer, operator, now)
    # 2.
    distance_s = observation.observed_at - own_at
    if abs(distance_s) > MAX_SKEW_S:
        raise RequestRefused(
            f"observed {distance_s} s from this node, wanted at most {MAX_SKEW_S} s either way"
        )
    # 3.
    root = _root(hub.feed_list)
    if observation.list_root != root:
        raise RequestRefused("observed another list of feeds than the hub's")
    # 4.
    content = decode_observed(
        observation.observed_at, observation.entries, feeds=len(hub.feed_list)
    )
    # 5.
    digest = observation_digest(observation.observed_at, root, observation.entries, _domain(hub))
    _check_signature(digest, observation.signature, seated)
    return Checked(seated, observation, content)


def feeds_to_report(
    hub: HubView, due: Mapping[bytes, int], checked: Sequence[Checked], *, after: int
) -> tuple[bytes, ...]:
    """Due feeds that enough nodes observed and whose report would be newer than the hub's round.

    Args:
        hub: As this node sees it.
        due: Feed id -> its round on the hub, 0 without one.
        checked: Observations, at least one.
        after: A report of this second or an earlier one is not wanted.

    Returns:
        In the hub's order.
    """
    listed = [index for index, feed_id in enumerate(hub.feed_list) if feed_id in due]
    combined = combine([one.content for one in checked], listed, quorum=hub.signatures)
    if combined.observed_at <= after:
        return ()
    feed_ids = (hub.feed_list[index] for index in combined.rows)
    return tuple(feed_id for feed_id in feed_ids if due[feed_id] < combined.observed_at)


def draft_report(hub: HubView, feed_ids: tuple[bytes, ...], checked: Sequence[Checked]) -> Draft:
    """Compute the report that every enclave will compute from these observations.

    Args:
        hub: As this node sees it.
        feed_ids: From `feeds_to_report`, or some of them.
        checked: Observations.
    """
    indexes = [hub.feed_list.index(feed_id) for feed_id in feed_ids]
    combined = combine([one.content for one in checked], indexes, quorum=hub.signatures)
    root, entries = _root(hub.feed_list), pack_entries([*combined.rows.values()])
    return Draft(
        feed_ids=feed_ids,
        observations=tuple(one.observation for one in checked),
        observed_at=combined.observed_at,
        list_root=root,
        entries=entries,
        digest=entries_digest(combined.observed_at, root, entries, _domain(hub)),
    )


def check_cosigned(draft: Draft, seated: SeatedSigner, result: wire.CosignResult) -> bytes:
    """The signature of a node, of exactly this report and by its signer.

    Raises:
        ProtocolError: It signed another report, or not one.
        SignatureInvalid: The signature is not its signer's.
    """
    if len(result.signed) != 1:
        raise ProtocolError(f"{len(result.signed)} signatures and no refusal, wanted 1")
    [signed] = result.signed
    seen = (signed.observed_at, signed.list_root, signed.entries)
    if seen != (draft.observed_at, draft.list_root, draft.entries):
        raise ProtocolError("signed another report than the observations make")
    _check_signature(draft.digest, signed.signature, seated)
    return signed.signature


def check_refused(draft: Draft, result: wire.CosignResult) -> frozenset[bytes]:
    """The feeds that a node refuses to sign.

    Raises:
        ProtocolError: It names a feed that it was not asked for, or signed all the same.
    """
    refused = frozenset(failure.feed_id for failure in result.refused)
    if result.signed or not refused <= set(draft.feed_ids):
        raise ProtocolError("refuses feeds that it was not asked for, or signs what it refuses")
    return refused


def assemble(
    draft: Draft, signers: Sequence[SeatedSigner], signatures: Sequence[bytes]
) -> SignedReport:
    """The report with its signatures; both sequences in order of position."""
    mask = sum(1 << one.position for one in signers)
    raw = b"".join(
        (
            VERSION.to_bytes(1, "big"),
            draft.observed_at.to_bytes(4, "big"),
            draft.list_root,
            (len(draft.entries) // ENTRY_SIZE).to_bytes(2, "big"),
            draft.entries,
            mask.to_bytes(8, "big"),
            *signatures,
        )
    )
    return decode_report(raw)


def recover_signer(digest: bytes, signature: bytes) -> bytes:
    """The address whose key made an EIP-2098 signature with a low s, as contracts want it.

    Raises:
        SignatureInvalid: It is no such signature of anybody.
    """
    if len(signature) != SIGNATURE_SIZE:
        raise SignatureInvalid(f"signature of {len(signature)} bytes, wanted {SIGNATURE_SIZE}")
    parity, high = signature[32] >> 7, signature[32] & 0x7F
    s = bytes([high]) + signature[33:]
    if int.from_bytes(s, "big") > _MAX_S:
        raise SignatureInvalid("s lies in the upper half of the curve's order")
    try:
        key = PublicKey.from_signature_and_message(
            signature[:32] + s + bytes([parity]), digest, hasher=None
        )
    except ValueError as error:
        raise SignatureInvalid("it is no signature of anybody") from error
    return keccak256(key.format(compressed=False)[1:])[-20:]


def _check_signature(digest: bytes, signature: bytes, wanted: SeatedSigner) -> None:
    seen = recover_signer(digest, signature)
    if seen != wanted.signer:
        raise SignatureInvalid(
            f"the signature is by 0x{seen.hex()}, wanted 0x{wanted.signer.hex()}"
        )


def _seat_of(hub: HubView, signer: bytes, operator: str, now: float) -> SeatedSigner:
    seated = find_seated(hub.signers, signer, now=now)
    if seated.operator != operator:
        raise RequestRefused(
            f"signer 0x{signer.hex()} is in the seat of {seated.operator}, wanted {operator}"
        )
    return seated


@lru_cache(maxsize=4)
def _root(feed_list: tuple[bytes, ...]) -> bytes:
    """`list_root`, which takes a hash for each feed: a hub's list rarely changes."""
    return list_root(feed_list)


def _domain(hub: HubView) -> bytes:
    return domain_separator(hub.chain_id, hub.hub)
