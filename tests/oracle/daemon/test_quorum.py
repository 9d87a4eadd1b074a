"""A node among its peers: when it leads, what it shows of it, and what it notes of others."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from enclave.domain import wire
from enclave.domain.errors import ChainError, RequestRefused
from enclave.domain.report import SignedReport, decode_report
from oracle.chain.base import Seats
from oracle.config import QuorumConfig
from oracle.daemon.chain_view import ChainView
from oracle.daemon.events import Event, ReportPlanned
from oracle.daemon.problems import Problems
from oracle.daemon.quorum import Membership, QuorumNode
from oracle.daemon.submission import Target
from oracle.enclave_link import EnclaveClient
from oracle.enclave_process import Enclave
from oracle.quorum.certificates import Certificate, Identity
from oracle.quorum.enclave import QuorumEnclave
from oracle.quorum.messages import CosignRequest
from oracle.quorum.peers import PeerClient, PeerFailed
from oracle.telemetry.state import ChainState, HubFeed, QuorumState
from tests.fakes.fake_chain import FakeChain
from tests.fakes.quorum import (
    CHAIN_ID,
    FEEDS,
    HUB,
    NOW,
    FakeEnclave,
    FakePeer,
    fake_peer,
    hub_view,
    operator_of,
)

HELLO = wire.HelloResult(1, "0", b"\x11" * 20, bytes(32), 2, "simulated", bytes(32), ())
LEAD_S, TAKEOVER_S = 15.0, 5.0
#: A moment at which the node of seat 0 leads.
OWN_TURN = LEAD_S * 3 * 1_000_000


@dataclass
class FakeSender:
    """Plays `Submission`."""

    free: bool = True
    sent: list[tuple[SignedReport, tuple[bytes, ...]]] = field(default_factory=list)

    def is_free(self) -> bool:
        return self.free

    def start(self, _: Any, signed: SignedReport, feed_ids: tuple[bytes, ...]) -> None:
        self.sent.append((signed, feed_ids))


@dataclass
class Bench:
    """The node of seat 0 and its peers; `due` is what a round finds due."""

    node: QuorumNode
    chain: FakeChain
    enclaves: list[FakeEnclave]
    peers: list[FakePeer]
    state: ChainState
    quorum: QuorumState
    sender: FakeSender
    events: list[Event]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    running: set[asyncio.Task[None]]
    due: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(FEEDS, 0))
    wall: float = OWN_TURN
    monotonic: float = 0.0

    async def round(self) -> None:
        """One round, and the end of what it started."""
        self.node.consider(lambda: self.due, self.sender, self.spawn)
        for task in tuple(self.running):
            await task

    @property
    def problem(self) -> str:
        return self.state.problems.get("quorum", "")


@asynccontextmanager
async def _bench(
    monkeypatch: pytest.MonkeyPatch, *, nodes: int = 3, m: int = 2
) -> AsyncIterator[Bench]:
    enclaves = [FakeEnclave() for _ in range(nodes)]
    hub = hub_view(enclaves, m=m)
    chain = FakeChain(feeds=FEEDS, signatures=m, others=Seats(hub.operators, hub.signers))
    state = ChainState("here", is_dry_run=False)
    state.feeds = {f: HubFeed(f"F{f[0]}/USD", f) for f in FEEDS}
    problems, quorum = Problems(state), QuorumState()
    view = ChainView(chain, state, problems, account="", low_balance_wei=0, has_peers=True)
    await view.refresh()
    peers = [fake_peer(seat, enclaves[seat], hub) for seat in range(1, nodes)]
    config = QuorumConfig.model_construct(
        listen="", lead_s=LEAD_S, takeover_s=TAKEOVER_S, timeout_s=2.0, peers=()
    )
    own = Identity(Certificate(b"", bytes(32), 0), Path(), Path())
    events: list[Event] = []
    running: set[asyncio.Task[None]] = set()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:

        def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            task = tasks.create_task(work)
            running.add(task)
            task.add_done_callback(running.discard)
            return task

        node = QuorumNode(
            Membership(config, own, tuple(peer.peer for peer in peers), operator_of(0)),
            cast(list[PeerClient], peers),
            view=view,
            state=state,
            quorum=quorum,
            problems=problems,
            target=Target(CHAIN_ID, "0x" + HUB.hex()),
            observer=events.append,
            landing_s=0.001,
            wall_clock=lambda: bench.wall,
            link=lambda *_: cast(QuorumEnclave, enclaves[0]),
        )
        bench = Bench(
            node, chain, enclaves, peers, state, quorum, FakeSender(), events, spawn, running
        )
        monkeypatch.setattr("oracle.daemon.quorum._now", lambda: bench.monotonic)
        # The fakes sign for a fixed time, the turns go by another; only their difference matters.
        for enclave in enclaves:
            enclave.observed_at = NOW
        signers = tuple(replace(one, expires_at=2**40) for one in hub.signers)
        chain.others = replace(chain.others, signers=signers)
        await view.refresh()
        running_one = Enclave(cast(EnclaveClient, None), HELLO, 1, True, "unix:/none")
        async with node.session(running_one):
            yield bench


async def test_the_leader_collects_at_once_and_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        await bench.round()
        [(signed, feed_ids)] = bench.sender.sent
        assert feed_ids == FEEDS
        assert signed.mask == 0b101
        [planned] = bench.events
        assert isinstance(planned, ReportPlanned)
        assert decode_report(planned.encoded) == signed
        assert (bench.quorum.collected, bench.quorum.taken_over) == (1, 0)
        assert (bench.quorum.leader, bench.quorum.rank) == (operator_of(0), 0)
        assert (bench.quorum.signatures, bench.quorum.vendors) == (2, 1)


async def test_others_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        bench.wall = OWN_TURN + 2 * LEAD_S
        await bench.round()
        assert (bench.quorum.leader, bench.quorum.rank) == (operator_of(2), 1)
        bench.monotonic = TAKEOVER_S - 0.1
        await bench.round()
        assert bench.sender.sent == []
        bench.monotonic = TAKEOVER_S
        await bench.round()
        assert len(bench.sender.sent) == 1
        assert bench.quorum.taken_over == 1


async def test_before_it_takes_over_it_looks_at_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        bench.wall = OWN_TURN + LEAD_S
        await bench.round()
        bench.monotonic = 2 * TAKEOVER_S
        read = bench.chain.rounds

        async def landed(indexes: Any) -> Any:
            bench.due = dict.fromkeys(FEEDS, NOW - 1)
            return await read(indexes)

        bench.chain.rounds = landed  # type: ignore[method-assign]  # somebody was quicker
        await bench.round()
        assert bench.sender.sent == []
        assert bench.peers[0].asked == 0


async def test_without_the_chain_nobody_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        bench.wall = OWN_TURN + LEAD_S
        await bench.round()
        bench.monotonic = 2 * TAKEOVER_S

        async def down() -> Any:
            raise ChainError("no endpoint")

        bench.chain.hub = down  # type: ignore[method-assign]  # it does not answer
        await bench.round()
        assert bench.sender.sent == []


async def test_nothing_due_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        bench.due = {}
        await bench.round()
        assert bench.peers[0].asked == 0


async def test_while_a_report_is_on_its_way_it_leads_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        bench.sender.free = False
        await bench.round()
        assert bench.peers[0].asked == 0


async def test_one_collection_at_a_time_and_none_delays_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        gate = asyncio.Event()
        observe = bench.peers[0].observe

        async def slow(request: Any) -> wire.SignedObservation:
            await gate.wait()
            return await observe(request)

        bench.peers[0].observe = slow  # type: ignore[method-assign]  # a slow peer
        for _ in range(3):
            # It returns while the peer has not answered.
            bench.node.consider(lambda: bench.due, bench.sender, bench.spawn)
            await asyncio.sleep(0)
        assert len(bench.running) == 1
        gate.set()
        for task in tuple(bench.running):
            await task
        assert len(bench.sender.sent) == 1


async def test_a_node_without_a_seat_leads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        bench.chain.others = Seats((operator_of(1), operator_of(2)), ())
        await bench.node._view.refresh()
        await bench.round()
        assert bench.peers[0].asked == 0
        assert bench.quorum.rank is None


async def test_too_few_is_a_problem_that_names_them_until_the_next_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        for peer in bench.peers:
            peer.failure = PeerFailed("refused the connection")
        await bench.round()
        assert bench.problem.startswith("1 of 2 observations: 0x00000000… (https://node1.example")
        assert bench.problem in bench.state.unready()
        assert bench.quorum.missed == 1
        bench.peers[1].failure = None
        await bench.round()
        assert bench.problem == ""
        assert len(bench.sender.sent) == 1


async def test_a_second_gets_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        for enclave in bench.enclaves[1:]:
            enclave.refuses = set(FEEDS)
        for _ in range(3):
            await bench.round()
        assert len(bench.enclaves[1].cosigned) == 1
        assert bench.problem.startswith("1 of 2 signatures: ")


async def test_the_problem_is_over_when_another_node_brought_it_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        for peer in bench.peers:
            peer.failure = PeerFailed("refused the connection")
        await bench.round()
        bench.sender.free = False
        bench.due = {FEEDS[0]: 0}
        await bench.round()
        assert bench.problem
        bench.due = {FEEDS[0]: NOW}
        await bench.round()
        assert bench.problem == ""


async def test_an_enclave_that_refuses_is_no_problem_of_the_quorum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        bench.enclaves[0].error = RequestRefused("no round is held")
        await bench.round()
        assert bench.problem == ""
        assert bench.sender.sent == []


async def test_a_report_of_feeds_that_nobody_has_newer_is_not_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        bench.due = dict.fromkeys(FEEDS, NOW)
        await bench.round()
        assert bench.sender.sent == []
        assert bench.problem == ""


async def test_feeds_that_had_to_be_left_out_are_counted_as_a_second_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch, m=3) as bench:
        bench.enclaves[2].refuses = {FEEDS[0]}
        await bench.round()
        [(_, feed_ids)] = bench.sender.sent
        assert feed_ids == FEEDS[1:]
        assert (bench.quorum.retried, bench.quorum.collected) == (1, 1)


async def test_a_second_gets_one_report(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        bench.due = {FEEDS[0]: 0}
        await bench.round()
        bench.due = {FEEDS[1]: 0}
        await bench.round()
        assert len(bench.sender.sent) == 1
        for enclave in bench.enclaves:
            enclave.observed_at += 1
        await bench.round()
        assert [feed_ids for _, feed_ids in bench.sender.sent] == [FEEDS[:1], FEEDS[1:2]]


async def _cosign(bench: Bench, leader: int) -> wire.CosignResult:
    """The node of another seat has this one sign."""
    observed = wire.Observe(CHAIN_ID, HUB, FEEDS)
    observations = tuple([await enclave.observe(observed) for enclave in bench.enclaves])
    request = CosignRequest(CHAIN_ID, HUB, FEEDS, observations)
    return await bench.node.responder.cosign(bench.peers[leader - 1].peer, request)


async def test_what_it_signs_for_another_is_noted_and_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        bench.sender.free = False
        await bench.round()
        assert (await _cosign(bench, leader=1)).signed
        assert bench.quorum.cosigned == 1
        await asyncio.wait_for(bench.node._view._wanted.wait(), 1)
        bench.sender.free = True
        await bench.round()
        assert bench.sender.sent == []
        bench.monotonic = TAKEOVER_S
        await bench.round()
        assert len(bench.sender.sent) == 1


async def test_an_observer_that_is_not_known_is_looked_for_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        everyone = bench.chain.others
        bench.node._view.seats = Seats(everyone.operators, everyone.signers[:1])
        assert (await _cosign(bench, leader=1)).signed
        asked: list[int] = []
        seats = bench.chain.seats

        async def counted() -> Seats:
            asked.append(1)
            return await seats()

        bench.chain.seats = counted  # type: ignore[method-assign]  # counts
        bench.chain.others = Seats(everyone.operators, everyone.signers[:1])
        for bench.monotonic in (0.5, 1.0, 1.5):
            bench.node._view.seats = bench.chain.others
            with pytest.raises(RequestRefused, match="in no live seat"):
                await _cosign(bench, leader=1)
        assert asked == [1]

        async def down() -> Any:
            raise ChainError("no endpoint")

        bench.chain.hub, bench.monotonic = down, 9.0  # type: ignore[method-assign]  # no chain
        with pytest.raises(RequestRefused, match="in no live seat"):
            await _cosign(bench, leader=1)


async def test_between_two_enclaves_it_answers_that_it_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _bench(monkeypatch) as bench:
        bench.node._enclave = None
        await bench.round()
        assert bench.sender.sent == []
        with pytest.raises(Exception, match="enclave is not running"):
            await _cosign(bench, leader=1)


async def test_the_second_connection_ends_with_the_enclave(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _bench(monkeypatch) as bench:
        assert not bench.enclaves[0].is_closed
    assert bench.enclaves[0].is_closed
