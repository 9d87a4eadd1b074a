"""Who leads, who takes over when, and what steps of clocks do to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.quorum.leadership import Waiting, order_nodes, rank_of

A, B, C = "0xA", "0xB", "0xC"
ORDER = (A, B, C)
ETH, BTC = b"\x01" * 32, b"\x02" * 32


def _ranks(unix_time: float, lead_s: float = 15.0) -> list[int | None]:
    return [rank_of(ORDER, one, unix_time=unix_time, lead_s=lead_s) for one in ORDER]


def test_the_order_is_that_of_the_seats_and_leaves_out_strangers_and_free_seats() -> None:
    assert order_nodes((C, None, "0xF", A), {A, B, C}) == (C, A)
    assert order_nodes((), {A}) == ()


def test_each_leads_in_turn_for_as_long_as_configured() -> None:
    assert _ranks(0) == _ranks(14.9) == [0, 1, 2]
    assert _ranks(15) == _ranks(29.9) == [2, 0, 1]
    assert _ranks(30) == [1, 2, 0]
    assert _ranks(45) == [0, 1, 2]


def test_a_node_without_a_seat_has_no_rank() -> None:
    assert rank_of(ORDER, "0xF", unix_time=0, lead_s=15) is None
    assert rank_of((), A, unix_time=0, lead_s=15) is None


def test_one_node_alone_always_leads() -> None:
    assert rank_of((A,), A, unix_time=1e9 + 7, lead_s=15) == 0


@given(
    unix_time=st.floats(min_value=0, max_value=4e9),
    lead_s=st.floats(min_value=1, max_value=86_400),
    nodes=st.integers(min_value=1, max_value=32),
)
def test_at_any_time_the_ranks_are_all_different_and_one_leads(
    unix_time: float, lead_s: float, nodes: int
) -> None:
    order = tuple(str(number) for number in range(nodes))
    ranks = [rank_of(order, one, unix_time=unix_time, lead_s=lead_s) for one in order]
    assert sorted(rank for rank in ranks if rank is not None) == list(range(nodes))


@given(step_s=st.floats(min_value=-1e6, max_value=1e6))
def test_a_step_of_the_wall_clock_moves_the_turn_and_nothing_else(step_s: float) -> None:
    waiting = Waiting(5)
    waiting.note({ETH: 7}, now=100)
    rank = rank_of(ORDER, A, unix_time=1.7e9 + step_s, lead_s=15)
    assert rank is not None
    # Whatever its rank is now, it waits by the monotonic clock, which does not step.
    assert waiting.to_lead(rank, now=100 + 5 * rank) == (ETH,)
    if rank:
        assert waiting.to_lead(rank, now=99.9 + 5 * rank) == ()


def test_the_leader_leads_at_once_and_the_others_one_after_the_other() -> None:
    waiting = Waiting(5)
    waiting.note({ETH: 7}, now=100)
    assert waiting.to_lead(0, now=100) == (ETH,)
    assert waiting.to_lead(1, now=104.9) == ()
    assert waiting.to_lead(1, now=105) == (ETH,)
    assert waiting.to_lead(2, now=109.9) == ()
    assert waiting.to_lead(2, now=110) == (ETH,)


def test_nothing_due_is_nothing_to_lead() -> None:
    waiting = Waiting(5)
    assert waiting.to_lead(0, now=0) == ()
    waiting.note({ETH: 7}, now=0)
    waiting.note({}, now=1)
    assert waiting.to_lead(0, now=100) == ()


def test_waiting_goes_on_while_a_feed_is_due_and_begins_anew_when_it_lands() -> None:
    waiting = Waiting(5)
    for now in (100, 102, 104):
        waiting.note({ETH: 7}, now=now)
    assert waiting.to_lead(1, now=105) == (ETH,)
    waiting.note({ETH: 8}, now=105)
    assert waiting.to_lead(1, now=105) == ()
    assert waiting.to_lead(1, now=110) == (ETH,)


def test_a_feed_that_was_not_due_for_a_moment_begins_anew() -> None:
    waiting = Waiting(5)
    waiting.note({ETH: 7}, now=100)
    waiting.note({}, now=104)
    waiting.note({ETH: 7}, now=105)
    assert waiting.to_lead(1, now=106) == ()


def test_who_leads_one_feed_takes_all_that_are_due_into_the_same_report() -> None:
    waiting = Waiting(5)
    waiting.note({ETH: 7}, now=100)
    waiting.note({ETH: 7, BTC: 3}, now=104)
    assert waiting.to_lead(1, now=105) == (ETH, BTC)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_feed_that_was_just_signed_for_another_is_left_to_it_for_one_takeover(rank: int) -> None:
    waiting = Waiting(5)
    waiting.note({ETH: 7, BTC: 7}, now=100)
    waiting.cosigned([ETH], now=104)
    assert waiting.to_lead(rank, now=108.9) == (BTC,)
    assert waiting.to_lead(rank, now=109) == (ETH, BTC)


def test_a_node_that_only_asks_for_signatures_delays_the_others_once() -> None:
    waiting = Waiting(5)
    waiting.note({ETH: 7}, now=100)
    for now in range(101, 120):
        waiting.note({ETH: 7}, now=now)
        waiting.cosigned([ETH], now=now)
    assert waiting.to_lead(1, now=106) == (ETH,)


def test_a_signature_counts_anew_for_the_round_after_a_landing() -> None:
    waiting = Waiting(5)
    waiting.note({ETH: 7}, now=100)
    waiting.cosigned([ETH], now=100)
    waiting.note({ETH: 8}, now=101)
    assert waiting.to_lead(0, now=101) == (ETH,)


def test_a_signature_for_a_feed_that_is_not_due_here_is_of_no_account() -> None:
    waiting = Waiting(5)
    waiting.cosigned([ETH], now=100)
    waiting.note({ETH: 7}, now=100)
    assert waiting.to_lead(0, now=100) == (ETH,)
