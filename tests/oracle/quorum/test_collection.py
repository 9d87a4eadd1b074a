"""Bringing a report together: bad peers are left out and named, refusals are taken out once."""

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from enclave.domain import wire
from enclave.domain.errors import OracleError, QuorumNotReached, RequestRefused
from enclave.domain.observation import FeedFailure
from enclave.domain.report import encode_entries, entries_digest
from oracle.chain.base import SeatedSigner
from oracle.quorum.collection import Collected, Collector
from oracle.quorum.messages import CosignRequest, ObserveRequest
from oracle.quorum.peers import PeerClient, PeerFailed
from oracle.quorum.responder import HubView
from oracle.quorum.verification import recover_signer
from oracle.telemetry.logging import configure_logging
from tests.fakes.quorum import (
    CHAIN_ID,
    DOMAIN,
    FEEDS,
    HUB,
    NOW,
    FakeEnclave,
    FakePeer,
    fake_peer,
    hub_view,
    operator_of,
)

NAMES = dict(zip(FEEDS, ("BTC/USD", "ETH/USD", "SOL/USD"), strict=True))
DUE = dict.fromkeys(FEEDS, 0)


@dataclass
class Bench:
    """Node 0 leads; the others are its peers."""

    hub: HubView
    enclaves: list[FakeEnclave]
    peers: list[FakePeer]
    retries: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    async def collect(self, due: Mapping[bytes, int] = DUE, *, after: int = 0) -> Collected | None:
        collector = Collector(
            self.enclaves[0],
            operator_of(0),
            cast(list[PeerClient], self.peers),
            clock=lambda: NOW,
            names=NAMES,
            said=self.said,
            on_asked=self.asked.append,
            on_retry=lambda: self.retries.append(1),
        )
        async with asyncio.timeout(5):
            return await collector.collect(self.hub, due, after=after)

    async def collected(self, due: Mapping[bytes, int] = DUE) -> Collected:
        """A report whose every signature is by the signer at its bit of the mask."""
        found = await self.collect(due)
        assert found is not None
        _verify(self.hub, found)
        return found

    async def failure(self) -> str:
        with pytest.raises(QuorumNotReached) as caught:
            await self.collect()
        return str(caught.value)


def _verify(hub: HubView, found: Collected) -> None:
    """What the hub checks of a report."""
    signed = found.signed
    positions = [bit for bit in range(64) if signed.mask >> bit & 1]
    assert len(positions) == len(signed.signatures) == hub.signatures
    assert len({position // 2 for position in positions}) == hub.signatures
    by_position = {one.position: one for one in hub.signers}
    assert len({by_position[position].vendor for position in positions}) >= hub.vendors
    entries = encode_entries(signed.report.entries)
    digest = entries_digest(signed.report.observed_at, signed.report.list_root, entries, DOMAIN)
    for position, signature in zip(positions, signed.signatures, strict=True):
        assert recover_signer(digest, signature) == by_position[position].signer
    indexes = [hub.feed_list.index(feed_id) for feed_id in found.feed_ids]
    assert [entry.index for entry in signed.report.entries] == indexes


def _bench(nodes: int = 3, *, m: int = 2, d: int = 1, **changes: Any) -> Bench:
    enclaves = [FakeEnclave() for _ in range(nodes)]
    hub = hub_view(enclaves, m=m, d=d, **changes)
    peers = [fake_peer(seat, enclaves[seat], hub) for seat in range(1, nodes)]
    return Bench(hub, enclaves, peers)


def _with_vendors(bench: Bench, *vendors: int) -> None:
    signers = tuple(
        replace(one, vendor=vendor) for one, vendor in zip(bench.hub.signers, vendors, strict=True)
    )
    bench.hub = replace(bench.hub, signers=signers)


async def test_exactly_m_sign_what_all_observed() -> None:
    bench = _bench(5, m=3)
    found = await bench.collected()
    assert [one.position for one in found.signers] == [0, 2, 4]
    assert (found.feed_ids, found.left_out) == (FEEDS, ())
    assert len(bench.enclaves[1].cosigned[0].observations) == 5


async def test_the_answer_is_the_lower_median_of_the_nodes() -> None:
    bench = _bench(3, m=3)
    for enclave, price, at in zip(bench.enclaves, (103, 100, 101), (2, 0, 1), strict=True):
        enclave.prices[0], enclave.observed_at = price, NOW + at
    report = (await bench.collected()).signed.report
    assert report.observed_at == NOW + 1
    assert report.entries[0].value == 101


async def test_every_enclave_is_asked_with_this_nodes_list_and_the_hubs_quorum() -> None:
    bench = _bench()
    await bench.collected({FEEDS[2]: 0, FEEDS[0]: 0})
    for enclave in bench.enclaves:
        [asked] = enclave.cosigned
        assert (asked.chain_id, asked.hub, asked.feed_list) == (CHAIN_ID, HUB, FEEDS)
        assert (asked.quorum, asked.feed_ids) == (2, (FEEDS[0], FEEDS[2]))


async def test_a_peer_that_does_not_answer_is_left_out() -> None:
    bench = _bench()
    bench.peers[0].failure = PeerFailed("timed out after 2 s")
    found = await bench.collected()
    assert [one.position for one in found.signers] == [0, 4]


async def test_too_few_observations_name_who_did_what() -> None:
    bench = _bench(4, m=3)
    bench.peers[0].failure = PeerFailed("refused the connection")
    bench.peers[2].failure = PeerFailed("timed out after 2 s")
    assert await bench.failure() == (
        f"2 of 3 observations: {operator_of(1)[:10]}… (https://node1.example:8443)"
        f" refused the connection; {operator_of(3)[:10]}… (https://node3.example:8443)"
        " timed out after 2 s"
    )


async def test_a_node_whose_own_enclave_has_nothing_does_not_lead() -> None:
    bench = _bench()
    bench.enclaves[0].error = RequestRefused("no round is held")
    with pytest.raises(RequestRefused, match="no round is held"):
        await bench.collect()
    assert all(not enclave.cosigned for enclave in bench.enclaves)


def _observation(**changes: Any) -> Any:
    """Spoils node 1's observation, and signs it again unless told otherwise."""

    async def spoil(bench: Bench) -> None:
        peer, enclave = bench.peers[0], bench.enclaves[1]
        request = wire.Observe(CHAIN_ID, HUB, FEEDS)
        if "request" in changes:
            request = replace(request, **changes["request"])
        if "observed_at" in changes:
            enclave.observed_at = changes["observed_at"]
        good = await enclave.observe(request)
        peer.observation = replace(good, **changes.get("after", {}))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_observation(after={"signature": bytes(64)}), "it is no signature of anybody"),
        (_observation(after={"signature": bytes(3)}), "signature of 3 bytes, wanted 64"),
        (_observation(after={"observed_at": NOW + 1}), "the signature is by 0x"),
        (_observation(request={"chain_id": 1}), "the signature is by 0x"),
        (_observation(request={"hub": b"\xdd" * 20}), "the signature is by 0x"),
        (_observation(request={"feed_list": FEEDS[:2]}), "observed another list of feeds"),
        (_observation(observed_at=NOW + 6), "observed 6 s from this node, wanted at most 5 s"),
        (_observation(observed_at=NOW - 6), "observed -6 s from this node, wanted at most 5 s"),
        (_observation(after={"signer": b"\x09" * 20}), "is in no live seat"),
        (_observation(after={"entries": bytes(13)}), "entries of 13 bytes"),
        (_observation(after={"entries": b"\x00\x09" + b"\x01" * 11 + b"\x00"}), "entry index 9"),
    ],
)
async def test_a_bad_observation_is_left_out_and_its_node_named(spoil: Any, reason: str) -> None:
    bench = _bench()
    await spoil(bench)
    found = await bench.collected()
    assert [one.position for one in found.signers] == [0, 4]
    assert all(len(one.observations) == 2 for one in bench.enclaves[0].cosigned)
    assert bench.enclaves[1].cosigned == []
    [blamed] = bench.peers[0].blamed
    assert reason in blamed
    bench.hub = replace(bench.hub, signatures=3)
    assert f"{operator_of(1)[:10]}… (https://node1.example:8443) {blamed}" in await bench.failure()


async def test_an_observation_of_another_nodes_enclave_is_not_taken() -> None:
    bench = _bench()
    bench.peers[0].observation = await bench.enclaves[2].observe(wire.Observe(CHAIN_ID, HUB, FEEDS))
    await bench.collected()
    assert f"is in the seat of {operator_of(2)}, wanted" in bench.peers[0].blamed[0]


async def test_the_signer_of_an_expired_registration_does_not_count() -> None:
    bench = _bench()
    ended = replace(bench.hub.signers[1], expires_at=NOW)
    bench.hub = replace(bench.hub, signers=(bench.hub.signers[0], ended, bench.hub.signers[2]))
    await bench.collected()
    assert f"expired at {NOW}" in bench.peers[0].blamed[0]


async def test_either_position_of_a_seat_is_taken_during_a_rotation() -> None:
    bench = _bench(2, m=2)
    old = SeatedSigner(2, b"\x77" * 20, operator_of(1), NOW + 60, 1, 4)
    new = replace(bench.hub.signers[1], position=3)
    bench.hub = replace(bench.hub, signers=(bench.hub.signers[0], old, new))
    assert [one.position for one in (await bench.collected()).signers] == [0, 3]


async def _other_signature(bench: Bench, **changes: Any) -> None:
    """Node 1 signs, and its answer is changed afterwards."""
    request = bench.enclaves[0].cosigned[-1]
    [signed] = (await bench.enclaves[1].cosign(request)).signed
    bench.peers[0].result = wire.CosignResult((replace(signed, **changes),), ())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signature": b"\x01" * 64}, "the signature is by 0x"),
        ({"signature": bytes(64)}, "it is no signature of anybody"),
        ({"signature": bytes(32) + b"\x7f" + b"\xff" * 31}, "s lies in the upper half"),
        ({"observed_at": NOW + 1}, "signed another report"),
        ({"list_root": bytes(32)}, "signed another report"),
        ({"entries": bytes(14)}, "signed another report"),
    ],
)
async def test_a_bad_signature_is_left_out_and_its_node_named(
    changes: dict[str, Any], reason: str
) -> None:
    bench = _bench()
    await bench.collected()
    await _other_signature(bench, **changes)
    found = await bench.collected()
    assert [one.position for one in found.signers] == [0, 4]
    assert reason in bench.peers[0].blamed[0]


async def test_answers_that_are_neither_a_signature_nor_a_refusal_do_not_count() -> None:
    bench = _bench()
    await bench.collected()
    await _other_signature(bench)
    good = bench.peers[0].result
    assert good is not None
    foreign = (FeedFailure(b"\x09" * 32, "A", "b"),)
    own = (FeedFailure(FEEDS[0], "A", "b"),)
    for result in (
        wire.CosignResult((), ()),
        wire.CosignResult(good.signed * 2, ()),
        wire.CosignResult((), foreign),
        wire.CosignResult(good.signed, own),
    ):
        bench.peers[0].result = result
        assert [one.position for one in (await bench.collected()).signers] == [0, 4]
    assert len(bench.peers[0].blamed) == 4
    assert bench.retries == []


async def test_what_a_needed_peer_refuses_is_left_out_of_a_second_try() -> None:
    bench = _bench(3, m=3)
    bench.enclaves[2].refuses = {FEEDS[1]}
    found = await bench.collected()
    assert (found.feed_ids, found.left_out) == ((FEEDS[0], FEEDS[2]), (FEEDS[1],))
    assert bench.retries == [1]
    first, second = bench.enclaves[1].cosigned
    assert first.observations == second.observations
    assert second.feed_ids == (FEEDS[0], FEEDS[2])


async def test_the_same_refusal_is_said_once_until_the_node_signs_everything_again() -> None:
    bench = _bench(3, m=3)
    said = io.StringIO()
    configure_logging(said, level="info", style="json")
    for refuses, lines in (
        ({FEEDS[1]}, 1),
        ({FEEDS[1]}, 1),
        ({FEEDS[0], FEEDS[1]}, 2),
        (set(), 2),
        ({FEEDS[1]}, 3),
    ):
        bench.enclaves[2].refuses = refuses
        await bench.collected()
        assert said.getvalue().count("feeds_refused") == lines
    assert '"why": "too far"' in said.getvalue()


async def test_the_own_enclave_may_refuse_like_any_other() -> None:
    bench = _bench(3, m=3)
    bench.enclaves[0].refuses = {FEEDS[0]}
    assert (await bench.collected()).feed_ids == FEEDS[1:]


async def test_a_refusal_that_is_not_needed_takes_nothing_out() -> None:
    bench = _bench(3, m=2)
    bench.enclaves[1].refuses = set(FEEDS)
    found = await bench.collected()
    assert (found.feed_ids, bench.retries) == (FEEDS, [])
    assert [one.position for one in found.signers] == [0, 4]


async def test_who_refuses_everything_cannot_take_more_out_than_who_is_needed() -> None:
    bench = _bench(5, m=3)
    bench.enclaves[3].refuses = bench.enclaves[4].refuses = set(FEEDS)
    bench.enclaves[1].refuses = {FEEDS[0]}
    found = await bench.collected()
    assert found.feed_ids == FEEDS[1:]
    assert [one.position for one in found.signers] == [0, 2, 4]


async def test_it_is_tried_again_only_once() -> None:
    bench = _bench(3, m=3)
    refusals = [{FEEDS[0]}, {FEEDS[1]}]
    cosign = bench.enclaves[1].cosign

    async def changing(request: wire.Cosign) -> wire.CosignResult:
        bench.enclaves[1].refuses = refusals.pop(0)
        return await cosign(request)

    bench.enclaves[1].cosign = changing  # type: ignore[method-assign]  # it changes its mind
    failure = await bench.failure()
    assert failure.startswith("2 of 3 signatures: ")
    assert failure.endswith("refuses ETH/USD")
    assert refusals == []


async def test_when_everything_is_refused_there_is_no_second_try() -> None:
    bench = _bench(2, m=2)
    bench.enclaves[1].refuses = set(FEEDS)
    assert (await bench.failure()).endswith("refuses BTC/USD, ETH/USD, SOL/USD")
    assert len(bench.enclaves[1].cosigned) == 1
    assert bench.retries == []


async def test_a_peer_that_ends_between_observing_and_signing_is_named() -> None:
    bench = _bench(2, m=2)

    async def gone(request: CosignRequest) -> wire.CosignResult:
        raise PeerFailed("refused the connection")

    bench.peers[0].cosign = gone  # type: ignore[method-assign]  # it ended meanwhile
    failure = await bench.failure()
    assert failure.startswith("1 of 2 signatures: 0x00000000…")
    assert failure.endswith("refused the connection")


async def test_a_feed_that_too_few_observed_is_not_asked_for() -> None:
    bench = _bench(3, m=3)
    del bench.enclaves[1].prices[1]
    found = await bench.collected()
    assert (found.feed_ids, bench.retries) == ((FEEDS[0], FEEDS[2]), [])


async def test_a_feed_whose_report_would_not_be_newer_is_not_asked_for() -> None:
    bench = _bench()
    found = await bench.collected({FEEDS[0]: NOW, FEEDS[1]: NOW - 1})
    assert found.feed_ids == (FEEDS[1],)
    assert await bench.collect({FEEDS[0]: NOW}) is None


async def test_a_second_that_was_asked_for_is_not_asked_for_again() -> None:
    bench = _bench()
    assert await bench.collect(after=NOW) is None
    assert bench.asked == []
    assert await bench.collect(after=NOW - 1) is not None
    assert bench.asked == [NOW]


async def test_vendors_are_counted() -> None:
    bench = _bench(4, m=2, d=2)
    _with_vendors(bench, 1, 1, 1, 2)
    assert [one.position for one in (await bench.collected()).signers] == [0, 6]
    bench.enclaves[3].error = RequestRefused("no round is held")
    failure = await bench.failure()
    assert failure.startswith("signatures of 1 hardware vendors, wanted 2: ")


async def test_the_only_node_of_a_vendor_may_have_a_feed_taken_out() -> None:
    bench = _bench(4, m=3, d=2)
    _with_vendors(bench, 1, 1, 1, 2)
    bench.enclaves[3].refuses = {FEEDS[2]}
    found = await bench.collected()
    assert found.feed_ids == FEEDS[:2]
    assert [one.position for one in found.signers] == [0, 2, 6]


async def test_the_same_answers_make_the_same_report() -> None:
    bench = _bench(5, m=3)
    first = await bench.collected()
    bench.peers.reverse()
    assert await bench.collected() == first


async def test_an_error_of_a_kind_that_is_not_foreseen_is_not_swallowed() -> None:
    bench = _bench()

    async def broken(request: ObserveRequest) -> wire.SignedObservation:
        raise ZeroDivisionError

    bench.peers[0].observe = broken  # type: ignore[method-assign]  # a fault of this program
    with pytest.raises(BaseExceptionGroup):
        await bench.collect()
    assert issubclass(PeerFailed, OracleError)
