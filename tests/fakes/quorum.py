"""Nodes of a quorum in one process: enclaves that sign for real, peers without sockets between."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from enclave.domain import wire
from enclave.domain.errors import OracleError, QuorumNotReached
from enclave.domain.observation import FeedFailure
from enclave.domain.quorum import combine, decode_observed, observation_digest
from enclave.domain.report import (
    domain_separator,
    entries_digest,
    list_root,
    pack_entries,
)
from enclave.keys import Keys, libsecp256k1
from oracle.chain.base import SeatedSigner
from oracle.quorum.certificates import Certificate, Peer
from oracle.quorum.messages import CosignRequest, ObserveRequest
from oracle.quorum.responder import HubView, QuorumResponder

CHAIN_ID = 31_337
HUB = b"\xcc" * 20
DOMAIN = domain_separator(CHAIN_ID, HUB)
FEEDS = tuple(bytes([number]) * 32 for number in (1, 2, 3))
NOW = 1_700_000_000


def operator_of(seat: int) -> str:
    """The operator of a seat; not an address that anybody would have."""
    return f"0x{seat:040x}"


@dataclass
class FakeEnclave:
    """Observes what it is told, and signs whatever observations combine to.

    Attributes:
        prices: By index in the hub's list.
        refuses: Feeds that it does not sign.
        error: Raised by both operations.
        cosigned: What it was asked to sign.
        is_closed: Whether its connection was closed.
    """

    observed_at: int = NOW
    prices: dict[int, int] = field(default_factory=lambda: {0: 100, 1: 200, 2: 300})
    refuses: set[bytes] = field(default_factory=set)
    error: OracleError | None = None
    cosigned: list[wire.Cosign] = field(default_factory=list)
    is_closed: bool = False
    keys: Keys = field(default_factory=lambda: Keys(os.urandom, libsecp256k1()))

    @property
    def signer(self) -> bytes:
        return self.keys.address

    async def close(self) -> None:
        self.is_closed = True

    async def observe(self, request: wire.Observe) -> wire.SignedObservation:
        if self.error is not None:
            raise self.error
        entries = pack_entries([(i, price, 5, 4, 0) for i, price in sorted(self.prices.items())])
        root = list_root(request.feed_list)
        domain = domain_separator(request.chain_id, request.hub)
        digest = observation_digest(self.observed_at, root, entries, domain)
        signature = self.keys.sign_digest(digest)
        return wire.SignedObservation(self.signer, self.observed_at, root, entries, signature)

    async def cosign(self, request: wire.Cosign) -> wire.CosignResult:
        if self.error is not None:
            raise self.error
        self.cosigned.append(request)
        refused = sorted(self.refuses.intersection(request.feed_ids))
        if refused:
            failures = (FeedFailure(f, QuorumNotReached.__name__, "too far") for f in refused)
            return wire.CosignResult((), tuple(failures))
        feeds = len(request.feed_list)
        observed = [
            decode_observed(one.observed_at, one.entries, feeds=feeds)
            for one in request.observations
        ]
        indexes = [request.feed_list.index(feed_id) for feed_id in request.feed_ids]
        combined = combine(observed, indexes, quorum=request.quorum)
        assert not combined.missing
        entries, root = pack_entries([*combined.rows.values()]), list_root(request.feed_list)
        domain = domain_separator(request.chain_id, request.hub)
        digest = entries_digest(combined.observed_at, root, entries, domain)
        signed = wire.SignResult(combined.observed_at, root, entries, self.keys.sign_digest(digest))
        return wire.CosignResult((signed,), ())


@dataclass
class FakePeer:
    """Plays `PeerClient`: the real responder of another node, without a network between.

    Attributes:
        failure: Raised instead of an answer.
        observation: Answered instead of its own.
        result: Answered instead of its own signature.
        blamed: Why its answers were no good.
    """

    peer: Peer
    responder: QuorumResponder
    failure: OracleError | None = None
    observation: wire.SignedObservation | None = None
    result: wire.CosignResult | None = None
    blamed: list[str] = field(default_factory=list)
    asked: int = 0

    async def observe(self, request: ObserveRequest) -> wire.SignedObservation:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.observation or await self.responder.observe(self.peer, request)

    async def cosign(self, request: CosignRequest) -> wire.CosignResult:
        if self.failure is not None:
            raise self.failure
        return self.result or await self.responder.cosign(self.peer, request)

    def blame(self, reason: str) -> None:
        self.blamed.append(reason)


def hub_view(enclaves: Sequence[FakeEnclave], *, m: int, d: int = 1, **changes: Any) -> HubView:
    """A hub where enclave number i sits in the first position of seat i, with hardware of Intel."""
    fields: dict[str, Any] = {
        "chain_id": CHAIN_ID,
        "hub": HUB,
        "feed_list": FEEDS,
        "signatures": m,
        "vendors": d,
        "operators": tuple(operator_of(seat) for seat in range(len(enclaves))),
        "signers": tuple(
            SeatedSigner(2 * seat, enclave.signer, operator_of(seat), NOW + 3_600, 1, 4)
            for seat, enclave in enumerate(enclaves)
        ),
    }
    return HubView(**fields | changes)


def fake_peer(seat: int, enclave: FakeEnclave, hub: HubView) -> FakePeer:
    """The node of a seat, as others see it."""
    certificate = Certificate(bytes([seat]), bytes([seat]) * 32, NOW)
    peer = Peer(operator_of(seat), f"https://node{seat}.example:8443", certificate)

    async def look_again() -> None:
        return

    responder = QuorumResponder(
        enclave=lambda: enclave,
        hub=lambda: hub,
        clock=lambda: NOW,
        look_again=look_again,
        on_cosigned=lambda *_: None,
    )
    return FakePeer(peer, responder)
