"""Clocks that step and chains whose time does not go on: what the node makes of them."""

import pytest

from oracle.chain.base import Block
from oracle.daemon.clock import TOLERANCE_S, BlockTime, BlockWatch, NodeClock
from oracle.daemon.problems import Problems
from oracle.telemetry.state import NodeState
from tests.fakes.process import FakeMonotonic

NOW = 1_700_000_000


class Time:
    """The true time, a host's clock with an error, and the monotonic clock."""

    def __init__(self) -> None:
        self.monotonic = FakeMonotonic(50.0)
        self.error_s = 0.0
        self.state = NodeState(started_at=0)
        self.problems = Problems(self.state)
        self.clock = NodeClock(self.problems, wall=self.wall, monotonic=self.monotonic)

    @property
    def true(self) -> float:
        return NOW + self.monotonic.now - 50.0

    def wall(self) -> float:
        return self.true + self.error_s

    def round(self) -> None:
        """A round that took a second."""
        observed_at = int(self.true)
        self.monotonic.now += 1
        self.clock.note(observed_at)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("step_s", [1, 3, 6, 30, 600, 3_600, 7_300, 86_400, 10 * 86_400])
def test_a_step_of_the_hosts_clock_moves_the_node_by_its_tolerance_at_most(
    step_s: int, sign: int
) -> None:
    time = Time()
    time.round()
    time.error_s = sign * step_s
    # Before the next round, and after it; the sources' time is as old as the round took.
    assert abs(time.clock.now() - time.true) <= TOLERANCE_S + 1
    time.round()
    assert abs(time.clock.now() - time.true) <= TOLERANCE_S + 1
    is_off = step_s > TOLERANCE_S + 2
    if is_off:
        side = "ahead of" if sign > 0 else "behind"
        assert f"{side} the sources'" in time.state.notices["clock"]
    elif step_s < TOLERANCE_S - 2:
        assert time.state.notices == {}
    time.error_s = 0
    time.round()
    assert time.state.notices == {}
    assert time.clock.now() == time.true


def test_the_hosts_clock_is_taken_before_the_first_answer() -> None:
    time = Time()
    time.error_s = 86_400
    assert time.clock.now() == time.wall()
    time.clock.note(0)
    assert time.clock.now() == time.wall()
    assert time.state.notices == {}


def test_time_goes_on_between_rounds_while_the_hosts_clock_stands() -> None:
    time = Time()
    time.round()
    stopped = time.wall()
    clock = NodeClock(time.problems, wall=lambda: stopped, monotonic=time.monotonic)
    clock.note(int(time.true))
    time.monotonic.now += 3_600
    assert abs(clock.now() - time.true) <= TOLERANCE_S


def test_the_same_fault_is_said_once() -> None:
    time = Time()
    time.error_s = 7_300
    time.round()
    first = time.state.notices["clock"]
    for _ in range(100):
        time.round()
    assert (
        time.state.notices["clock"]
        == first
        == ("this host's clock is 2 hours ahead of the sources': set it")
    )


class Chain:
    """A chain whose blocks the test makes, and who watches it."""

    def __init__(self) -> None:
        self.monotonic = FakeMonotonic(0.0)
        self.state = NodeState(started_at=0)
        self.watch = BlockWatch(
            Problems(self.state),
            halt_s=60,
            block_s=2,
            clock=lambda: NOW + self.monotonic.now,
            monotonic=self.monotonic,
        )
        self.number = 0

    def block(self, *, late_s: float) -> BlockTime:
        self.number += 1
        self._timestamp = int(NOW + self.monotonic.now - late_s)
        return self.look()

    def look(self, after_s: float = 0) -> BlockTime:
        self.monotonic.now += after_s
        head = Block(self.number, self.number.to_bytes(32, "big"), bytes(32), self._timestamp, 1)
        self.watch.note(head, max_age_s=60)
        return self.watch.now


def test_a_chain_that_stands_still_gets_one_report_and_none_in_its_place() -> None:
    chain = Chain()
    assert chain.block(late_s=1) is BlockTime.FINE
    assert chain.look(60) is BlockTime.FINE
    assert chain.look(1) is BlockTime.HALTED
    assert "no block after 1" in chain.state.notices["block time"]
    assert chain.watch.may_send(is_waiting=False)
    assert not chain.watch.may_send(is_waiting=True)
    line = chain.state.notices["block time"]
    assert chain.look(3_600) is BlockTime.HALTED
    assert chain.state.notices["block time"] == line
    assert chain.block(late_s=1) is BlockTime.FINE
    assert chain.state.notices == {}
    assert chain.watch.may_send(is_waiting=True)


def test_a_sequencer_that_catches_up_gets_no_report_until_it_has() -> None:
    chain = Chain()
    chain.block(late_s=1)
    chain.look(3_600)
    sent = []
    for late_s in range(3_600, 0, -40):
        chain.monotonic.now += 1
        seen = chain.block(late_s=late_s)
        sent.append((late_s, chain.watch.may_send(is_waiting=False)))
        assert (seen is BlockTime.BEHIND) == (late_s > 60)
        assert bool(chain.state.problems) == (late_s > 60)
        chain.look(1)
        assert (chain.watch.now is BlockTime.BEHIND) == (late_s > 59)
    assert [may for late_s, may in sent if late_s > 60] == [False] * 89
    assert all(may for late_s, may in sent if late_s <= 60)
    assert chain.state.problems == {}


def test_a_chain_without_transactions_that_makes_a_late_block_is_not_given_up() -> None:
    chain = Chain()
    chain.block(late_s=1)
    chain.monotonic.now += 100
    assert chain.block(late_s=80) is BlockTime.BEHIND
    assert chain.look(61) is BlockTime.HALTED
    assert chain.watch.may_send(is_waiting=False)


def test_the_first_look_at_a_chain_judges_nothing_but_the_future() -> None:
    assert Chain().block(late_s=10**6) is BlockTime.FINE
    chain = Chain()
    assert chain.block(late_s=-61) is BlockTime.AHEAD
    assert not chain.watch.may_send(is_waiting=False)
    assert "ahead: no report is sent" in chain.state.problems["block time"]
    assert chain.block(late_s=-60) is BlockTime.FINE
    assert chain.state.problems == {}


def test_time_that_goes_back_is_said_until_it_is_made_up() -> None:
    chain = Chain()
    chain.block(late_s=0)
    assert chain.block(late_s=30) is BlockTime.FINE
    assert chain.state.notices["block time"] == (
        f"the chain's time went back: block 2 is before {NOW}"
    )
    assert chain.watch.may_send(is_waiting=True)
    chain.monotonic.now += 10
    chain.block(late_s=0)
    assert chain.state.notices == {}
