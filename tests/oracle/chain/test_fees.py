"""Fees: room at first, at least 12.5 % more each time, never above the cap."""

import itertools

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.base import Block
from oracle.chain.fees import FeePolicy, Fees, first_fees, is_priced_out, raised

CAP = 1_000_000


def _policy(bump_percent: int = 20, tip: int = 1_000) -> FeePolicy:
    return FeePolicy(CAP, tip, bump_percent, 1.0, 1.0)


def _head(base_fee_wei: int | None) -> Block:
    return Block(1, bytes(32), bytes(32), 1, base_fee_wei)


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        (100, Fees(1_200, 1_000)),
        (0, Fees(1_000, 1_000)),
        (CAP // 2, Fees(CAP, 1_000)),
        (CAP, Fees(CAP, 1_000)),
    ],
)
def test_the_first_attempt_has_room_for_a_doubled_base_fee(base: int, wanted: Fees) -> None:
    assert first_fees(_head(base), _policy()) == wanted


def test_a_tip_is_never_more_than_the_whole() -> None:
    assert first_fees(_head(1), _policy(tip=2 * CAP)) == Fees(CAP, CAP)


def test_a_base_fee_above_the_cap_has_no_fees() -> None:
    with pytest.raises(ChainError, match=f"base fee is {CAP + 1} wei"):
        first_fees(_head(CAP + 1), _policy())


@pytest.mark.parametrize("bump", [13, 20, 100])
@pytest.mark.parametrize("first", [Fees(1, 0), Fees(9, 9), Fees(77_777, 3), Fees(500_000, 500_000)])
def test_each_raise_is_at_least_an_eighth_of_both_parts_until_the_cap(
    bump: int, first: Fees
) -> None:
    steps = [first]
    while (following := raised(steps[-1], _head(0), _policy(bump, tip=1))) is not None:
        steps.append(following)
    assert len(steps) > 1
    for old, new in itertools.pairwise(steps):
        assert new.max_fee_wei * 8 >= old.max_fee_wei * 9
        assert new.tip_wei * 8 >= old.tip_wei * 9
        assert new.tip_wei <= new.max_fee_wei <= CAP
    assert steps[-1].max_fee_wei * 9 > CAP * 8


def test_the_last_raise_goes_to_the_cap_itself() -> None:
    last = CAP * 8 // 9
    assert raised(Fees(last, 10), _head(0), _policy(tip=1)) == Fees(CAP, 12)
    assert raised(Fees(last + 1, 10), _head(0), _policy(tip=1)) is None


def test_a_raise_goes_at_least_to_what_a_first_attempt_would_pay() -> None:
    assert raised(Fees(10, 10), _head(5_000), _policy()) == Fees(11_000, 1_000)
    assert raised(Fees(10, 10), _head(CAP), _policy()) == Fees(CAP, 1_000)


def test_above_the_cap_nothing_is_raised() -> None:
    assert raised(Fees(10, 10), _head(CAP + 1), _policy()) is None


def test_a_fee_below_the_base_fee_is_priced_out() -> None:
    assert is_priced_out(99, _head(100))
    assert not is_priced_out(100, _head(100))
    assert not is_priced_out(1, _head(None))
