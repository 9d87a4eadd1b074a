"""Observations for other enclaves, and signatures over what several enclaves observed.

Each enclave recomputes the combined report from the same signed observations, compares it with its
own round and signs it or names the feeds for which it does not. Who holds the hub's seats it cannot
know: made-up observers can move an answer by no more than each signer's tolerance.
"""

from collections.abc import Mapping
from typing import Protocol

from enclave.aggregate import in_bps
from enclave.domain.errors import ProtocolError, QuorumNotReached, RequestRefused
from enclave.domain.observation import Answer, FeedFailure
from enclave.domain.quorum import (
    MAX_OBSERVATIONS,
    Combined,
    Observed,
    combine,
    decode_observed,
    observation_digest,
)
from enclave.domain.report import pack_entries
from enclave.domain.wire import Cosign, CosignResult, Observe, SignedObservation
from enclave.round import ClosedRound
from enclave.signer import Hub, Signer

#: Farthest that another round's time may be from this enclave's, seconds.
MAX_APART_S = 10
_BPS = 10_000


class ObserverKeys(Protocol):
    """Signs as one observer and recognizes others; see `keys.Keys`."""

    @property
    def address(self) -> bytes:
        """20 bytes."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """64 bytes by EIP-2098."""
        ...

    def recover_address(self, digest: bytes, signature: bytes) -> bytes:
        """Whose signature it is, 20 bytes. Raises `RequestRefused`."""
        ...


class Cosigner:
    """Observes and cosigns by a round that the caller holds.

    Args:
        keys: Of this start.
        signer: Holds the monotonic rule and the hubs' feed lists.
    """

    def __init__(self, keys: ObserverKeys, signer: Signer) -> None:
        self._keys = keys
        self._signer = signer

    def observe(self, request: Observe, own: ClosedRound) -> SignedObservation:
        """Say, signed, what the round answers of the hub's feeds.

        Raises:
            RequestRefused: No answer is listed, or a list or a hub too many.
            ProtocolError: An address or a feed id of another length.
        """
        hub = self._signer.hub(request.chain_id, request.hub, request.feed_list)
        entries, root = pack_entries(hub.rows(own.answers)), hub.feeds.root
        digest = observation_digest(own.observed_at, root, entries, hub.domain)
        return SignedObservation(
            signer=self._keys.address,
            observed_at=own.observed_at,
            list_root=root,
            entries=entries,
            signature=self._keys.sign_digest(digest),
        )

    def cosign(self, request: Cosign, own: ClosedRound) -> CosignResult:
        """Sign the combination of the observations, or name the feeds that stand against it.

        Steps: 1. The request is complete and names nothing twice. 2. Each observation is its
        signer's, of this hub and list, and of this enclave's time. 3. Combine. 4. Each feed has
        its quorum, an answer of this enclave within the feed's tolerance, and a time that is
        later than what was signed, or the same entry. 5. Sign.

        Does not establish that the observers hold seats, nor that `quorum` is the hub's.

        Raises:
            RequestRefused: Step 1 or 2 fails, or it is a list, a hub or a feed too many.
            ProtocolError: An address or a feed id of another length.
            SigningFault: The machine computed wrongly; the process must end.
        """
        # 1.
        hub = self._signer.hub(request.chain_id, request.hub, request.feed_list)
        _check_request(request, hub)
        # 2.
        observed = [self._verify(each, hub, own) for each in request.observations]
        # 3.
        indexes = [hub.feeds.index[feed_id] for feed_id in request.feed_ids]
        combined = combine(observed, indexes, quorum=request.quorum)
        # 4.
        refused = _compare(combined, hub, own, quorum=request.quorum)
        if refused:
            failures = (
                FeedFailure(feed_id, QuorumNotReached.__name__, reason)
                for feed_id, reason in refused.items()
            )
            return CosignResult((), tuple(failures))
        # 5.
        rows = tuple(combined.rows.values())
        return CosignResult((self._signer.sign_rows(hub, rows, combined.observed_at),), ())

    def _verify(self, observation: SignedObservation, hub: Hub, own: ClosedRound) -> Observed:
        """The content of an observation that is genuine and of this hub, list and time.

        Raises:
            RequestRefused: It is not; says whose and why.
        """
        claimed = f"observation by 0x{observation.signer.hex()[:40]}"
        if observation.list_root != hub.feeds.root:
            raise RequestRefused(f"{claimed} is of another feed list")
        apart_s = abs(observation.observed_at - own.observed_at)
        if apart_s > MAX_APART_S:
            raise RequestRefused(
                f"{claimed} is {apart_s} s from this round, wanted at most {MAX_APART_S} s"
            )
        try:
            observed = decode_observed(
                observation.observed_at, observation.entries, feeds=len(hub.feeds.feed_ids)
            )
            digest = observation_digest(
                observation.observed_at, hub.feeds.root, observation.entries, hub.domain
            )
        except ProtocolError as error:
            # Another node made these bytes, so this host did not break the protocol.
            raise RequestRefused(f"{claimed} is malformed: {error}") from error
        signer = self._keys.recover_address(digest, observation.signature)
        if signer != observation.signer:
            raise RequestRefused(f"{claimed} is signed by 0x{signer.hex()}")
        return observed


def _check_request(request: Cosign, hub: Hub) -> None:
    """Step 1 of `Cosigner.cosign`."""
    wanted = set(request.feed_ids)
    if not wanted or len(wanted) != len(request.feed_ids):
        raise RequestRefused(f"{len(request.feed_ids)} feeds, {len(wanted)} of them distinct")
    for feed_id in wanted - hub.feeds.index.keys():
        raise RequestRefused(f"feed 0x{feed_id.hex()} is not listed by the hub")
    seen = len(request.observations)
    if not 1 <= request.quorum <= seen <= MAX_OBSERVATIONS:
        raise RequestRefused(
            f"{seen} observations for a quorum of {request.quorum},"
            f" wanted 1..{MAX_OBSERVATIONS} and a quorum among them"
        )
    signers = {each.signer for each in request.observations}
    if len(signers) != seen:
        raise RequestRefused(f"{seen} observations by {len(signers)} signers, wanted one of each")


def _compare(combined: Combined, hub: Hub, own: ClosedRound, *, quorum: int) -> Mapping[bytes, str]:
    """Step 4 of `Cosigner.cosign`: why feeds are refused, by id."""
    listed = hub.feeds.feed_ids
    refused = {
        listed[index]: f"{seen} observations have an answer, wanted {quorum}"
        for index, seen in combined.missing.items()
    }
    answers = {answer.feed_id: answer for answer in own.answers}
    for index, row in combined.rows.items():
        feed_id = listed[index]
        reason = _off_own(row[1], answers.get(feed_id), own.tolerances.get(feed_id, 0))
        if reason:
            refused[feed_id] = reason
    rows = tuple(combined.rows.values())
    return {**hub.conflicts(rows, combined.observed_at), **refused}


def _off_own(answer: int, own: Answer | None, tolerance_bps: int) -> str:
    """Why this enclave does not stand for an answer; empty if it does."""
    if own is None:
        return "this enclave's round has no answer"
    distance = abs(answer - own.value)
    if distance * _BPS <= tolerance_bps * own.value:
        return ""
    return (
        f"answer is {in_bps(distance, own.value)} bps from this enclave's,"
        f" wanted at most {tolerance_bps}"
    )
