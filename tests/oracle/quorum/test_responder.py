"""What a node answers its peers: only what a host can check stands between them and the enclave."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from enclave.domain import wire
from enclave.domain.errors import RequestRefused
from oracle.chain.base import SeatedSigner
from oracle.quorum.certificates import Peer
from oracle.quorum.messages import (
    CosignRequest,
    ObserveRequest,
    decode_message,
    encode_message,
    plain_text,
)
from oracle.quorum.responder import HubView, NotReady, QuorumResponder
from tests.fakes.quorum import (
    CHAIN_ID,
    FEEDS,
    HUB,
    NOW,
    FakeEnclave,
    fake_peer,
    hub_view,
    operator_of,
)

OBSERVE = ObserveRequest(CHAIN_ID, HUB)


@dataclass
class Bench:
    """Node 0 answers; node 1 asks."""

    enclaves: list[FakeEnclave]
    hub: HubView | None
    running: bool = True
    fresh: HubView | None = None
    looks: int = 0
    noted: list[tuple[str, tuple[bytes, ...], int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.hub is not None
        self.peer = fake_peer(1, self.enclaves[1], self.hub).peer
        self.responder = QuorumResponder(
            enclave=lambda: self.enclaves[0] if self.running else None,
            hub=lambda: self.hub,
            clock=lambda: NOW,
            look_again=self._look_again,
            on_cosigned=self._note,
        )

    async def _look_again(self) -> None:
        self.looks += 1
        if self.fresh is not None:
            self.hub = self.fresh

    def _note(self, peer: Peer, feed_ids: Sequence[bytes], observed_at: int) -> None:
        self.noted.append((peer.operator, tuple(feed_ids), observed_at))

    async def request(self, *seats: int) -> CosignRequest:
        """A request with the observations of these seats."""
        observe = wire.Observe(CHAIN_ID, HUB, FEEDS)
        observations = [await self.enclaves[seat].observe(observe) for seat in seats]
        return CosignRequest(CHAIN_ID, HUB, FEEDS[:2], tuple(observations))

    def seats(self, **changes: Any) -> None:
        assert self.hub is not None
        self.hub = replace(self.hub, **changes)


@pytest.fixture
def bench() -> Bench:
    enclaves = [FakeEnclave() for _ in range(4)]
    return Bench(enclaves, hub_view(enclaves[:3], m=2))


async def test_an_observation_is_of_this_nodes_own_list(bench: Bench) -> None:
    observation = await bench.responder.observe(bench.peer, OBSERVE)
    assert observation.signer == bench.enclaves[0].signer


async def test_a_signature_is_asked_for_with_this_nodes_list_and_the_hubs_quorum(
    bench: Bench,
) -> None:
    request = await bench.request(0, 1, 2)
    result = await bench.responder.cosign(bench.peer, request)
    assert len(result.signed) == 1
    [asked] = bench.enclaves[0].cosigned
    assert asked == wire.Cosign(CHAIN_ID, HUB, FEEDS, FEEDS[:2], 2, request.observations)
    assert bench.noted == [(operator_of(1), FEEDS[:2], NOW)]


async def test_a_refusal_of_the_enclave_is_passed_on_and_not_noted(bench: Bench) -> None:
    bench.enclaves[0].refuses = {FEEDS[1]}
    result = await bench.responder.cosign(bench.peer, await bench.request(0, 1))
    assert [failure.feed_id for failure in result.refused] == [FEEDS[1]]
    assert bench.noted == []


@pytest.mark.parametrize(("field_", "value"), [("chain_id", 1), ("hub", b"\xdd" * 20)])
async def test_another_chain_or_hub_is_refused(bench: Bench, field_: str, value: Any) -> None:
    with pytest.raises(RequestRefused, match=f"wanted {CHAIN_ID} and 0x{HUB.hex()}"):
        await bench.responder.observe(bench.peer, replace(OBSERVE, **{field_: value}))
    request = replace(await bench.request(0, 1), **{field_: value})
    with pytest.raises(RequestRefused, match=f"wanted {CHAIN_ID} and 0x{HUB.hex()}"):
        await bench.responder.cosign(bench.peer, request)
    assert bench.enclaves[0].cosigned == []


async def test_an_observer_without_a_seat_is_refused_before_the_enclave_is_asked(
    bench: Bench,
) -> None:
    with pytest.raises(RequestRefused, match="is in no live seat of the hub"):
        await bench.responder.cosign(bench.peer, await bench.request(0, 1, 3))
    assert bench.enclaves[0].cosigned == []


async def test_a_seat_that_the_leader_saw_first_is_found_at_a_second_look(bench: Bench) -> None:
    bench.fresh = bench.hub
    assert bench.hub is not None
    bench.seats(signers=bench.hub.signers[:2])
    result = await bench.responder.cosign(bench.peer, await bench.request(0, 1, 2))
    assert len(result.signed) == 1
    assert bench.looks == 1


async def test_who_is_known_costs_no_second_look(bench: Bench) -> None:
    await bench.responder.cosign(bench.peer, await bench.request(0, 1, 2))
    assert bench.looks == 0


async def test_two_observers_of_one_seat_are_refused(bench: Bench) -> None:
    assert bench.hub is not None
    second = SeatedSigner(3, bench.enclaves[3].signer, operator_of(1), NOW + 60, 1, 4)
    bench.seats(signers=(*bench.hub.signers, second))
    with pytest.raises(RequestRefused, match="share seat 1"):
        await bench.responder.cosign(bench.peer, await bench.request(1, 3))
    assert bench.enclaves[0].cosigned == []


async def test_an_observer_whose_registration_ended_is_refused(bench: Bench) -> None:
    assert bench.hub is not None
    ended = replace(bench.hub.signers[2], expires_at=NOW)
    bench.seats(signers=(*bench.hub.signers[:2], ended))
    with pytest.raises(RequestRefused, match=f"expired at {NOW}"):
        await bench.responder.cosign(bench.peer, await bench.request(1, 2))


async def test_a_node_whose_own_signer_has_no_seat_signs_nothing(bench: Bench) -> None:
    assert bench.hub is not None
    bench.seats(signers=bench.hub.signers[1:])
    with pytest.raises(RequestRefused, match=f"signer 0x{bench.enclaves[0].signer.hex()} is in no"):
        await bench.responder.cosign(bench.peer, await bench.request(1, 2))
    assert bench.enclaves[0].cosigned == []


async def test_without_an_enclave_or_a_view_it_is_not_ready(bench: Bench) -> None:
    request = await bench.request(0, 1)
    bench.running = False
    with pytest.raises(NotReady, match="enclave is not running"):
        await bench.responder.cosign(bench.peer, request)
    bench.hub = None
    with pytest.raises(NotReady, match="has not seen the hub yet"):
        await bench.responder.observe(bench.peer, OBSERVE)
    assert NotReady.retryable


async def test_messages_are_the_same_after_a_way_over_the_wire(bench: Bench) -> None:
    request = await bench.request(0, 1)
    assert decode_message(CosignRequest, encode_message(request)) == request
    assert decode_message(ObserveRequest, encode_message(OBSERVE)) == OBSERVE


def test_what_others_say_fits_one_line_of_a_log() -> None:
    assert plain_text("a\n\x1b[0m\u2028" + "b" * 300) == "a??[0m?" + "b" * 193
