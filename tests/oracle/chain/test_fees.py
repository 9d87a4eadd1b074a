"""Fees: by the first strategy that answers, raised by 12.5 % at least, never above the cap."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.base import Block
from oracle.chain.fees import (
    FeeAboveCap,
    FeePolicy,
    Fees,
    FeeStrategy,
    is_priced_out,
    quote,
    raised,
)
from oracle.chain.rpc import Rpc, RpcRefused

CAP = 1_000_000
HISTORY, PRICE, CONSTANT = FeeStrategy
FRESH = Fees(1, 1)


@dataclass
class FakePrices:
    """Plays `Rpc`; a method without an answer is not there."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        self.asked.append(method)
        if method not in self.answers:
            raise RpcRefused(f"{method}: error -32601: no such method", code=-32601, data=b"")
        return self.answers[method]


def _policy(bump_percent: int = 20, tip: int = 1_000, **more: Any) -> FeePolicy:
    return FeePolicy(CAP, tip, bump_percent, 1.0, 1.0, **more)


def _head(base_fee_wei: int | None) -> Block:
    return Block(1, bytes(32), bytes(32), 1, base_fee_wei)


async def _quote(
    base: int | None, policy: FeePolicy | None = None, **answers: Any
) -> tuple[Fees, list[str]]:
    rpc = FakePrices(answers)
    return await quote(cast(Rpc, rpc), _head(base), policy or _policy()), rpc.asked


def _history(*tips: int) -> dict[str, Any]:
    return {"reward": [[hex(tip)] for tip in tips]}


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        (100, Fees(1_200, 1_000)),
        (0, Fees(1_000, 1_000)),
        (CAP // 2, Fees(CAP, 1_000)),
        (CAP, Fees(CAP, 1_000)),
    ],
)
async def test_the_first_attempt_has_room_for_a_doubled_base_fee(base: int, wanted: Fees) -> None:
    assert (await _quote(base, _policy(strategies=(CONSTANT,)))) == (wanted, [])


async def test_a_tip_is_never_more_than_the_whole() -> None:
    assert (await _quote(1, _policy(tip=2 * CAP)))[0] == Fees(CAP, CAP)


@pytest.mark.parametrize("base", [CAP + 1, 10**30])
async def test_a_base_fee_above_the_cap_has_no_fees(base: int) -> None:
    with pytest.raises(FeeAboveCap, match=f"base fee is {base} wei, gas.max_fee_gwei allows"):
        await _quote(base)


@pytest.mark.parametrize(
    ("tips", "wanted"),
    [
        ((300, 400, 500), 400),
        ((300, 400, 500, 600), 400),
        ((0, 0, 300), 300),
        ((1, 2, 3), 100),
        ((5_000, 6_000, 7_000), 1_000),
    ],
)
async def test_the_tip_is_what_blocks_usually_took_within_the_bounds(
    tips: tuple[int, ...], wanted: int
) -> None:
    fees, asked = await _quote(100, eth_feeHistory=_history(*tips))
    assert fees == Fees(200 + wanted, wanted)
    assert asked == ["eth_feeHistory"]


@pytest.mark.parametrize(
    "history",
    [
        None,
        [],
        {},
        {"reward": None},
        {"reward": [[]]},
        {"reward": ["0x1"]},
        {"reward": [[5]]},
        {"reward": [["0x5"], ["zz"]]},
        {"reward": [["0x0"]]},
        {"reward": []},
    ],
)
async def test_a_history_that_says_nothing_makes_way_for_the_gas_price(history: Any) -> None:
    fees, asked = await _quote(100, eth_feeHistory=history, eth_gasPrice=hex(450))
    assert fees == Fees(550, 350)
    assert asked == ["eth_feeHistory", "eth_gasPrice"]


async def test_a_gas_price_below_the_base_fee_is_the_lowest_tip() -> None:
    fees, _ = await _quote(100, _policy(strategies=(PRICE,)), eth_gasPrice="0x1")
    assert fees == Fees(300, 100)


async def test_strategies_are_tried_in_the_order_of_the_policy() -> None:
    policy = _policy(strategies=(PRICE, CONSTANT, HISTORY))
    fees, asked = await _quote(100, policy)
    assert (fees, asked) == (Fees(1_200, 1_000), ["eth_gasPrice"])


async def test_a_chain_without_a_base_fee_pays_the_gas_price_and_has_no_history() -> None:
    fees, asked = await _quote(None, eth_feeHistory=_history(5), eth_gasPrice=hex(777))
    assert fees == Fees(777, 777, is_legacy=True)
    assert asked == ["eth_gasPrice"]


async def test_a_chain_without_a_base_fee_and_price_pays_the_constant_one() -> None:
    fees, _ = await _quote(None, _policy(constant_price_wei=5_000))
    assert fees == Fees(5_000, 5_000, is_legacy=True)


async def test_a_gas_price_above_the_cap_has_no_fees() -> None:
    with pytest.raises(FeeAboveCap, match=f"gas price is {CAP + 1} wei"):
        await _quote(None, eth_gasPrice=hex(CAP + 1))


async def test_without_any_answer_each_reason_is_said() -> None:
    with pytest.raises(ChainError) as caught:
        await _quote(None)
    assert str(caught.value) == (
        "no price for gas: fee_history: the chain has no base fee; gas_price: eth_gasPrice: error"
        " -32601: no such method; constant: gas.constant_price_gwei is not set"
    )


@pytest.mark.parametrize("bump", [13, 20, 100])
@pytest.mark.parametrize("first", [Fees(1, 0), Fees(9, 9), Fees(77_777, 3), Fees(500_000, 500_000)])
@pytest.mark.parametrize("is_legacy", [False, True])
def test_each_raise_is_at_least_an_eighth_of_both_parts_until_the_cap(
    bump: int, first: Fees, is_legacy: bool
) -> None:
    fresh, steps = Fees(1, 1, is_legacy), [first]
    while (following := raised(steps[-1], fresh, _policy(bump))) is not None:
        steps.append(following)
    assert len(steps) > 1
    for old, new in itertools.pairwise(steps):
        assert new.is_legacy is is_legacy
        assert new.max_fee_wei * 8 >= old.max_fee_wei * 9
        assert new.tip_wei * 8 >= old.tip_wei * 9
        assert new.tip_wei <= new.max_fee_wei <= CAP
        assert new.tip_wei == new.max_fee_wei or not is_legacy
    assert steps[-1].max_fee_wei * 9 > CAP * 8


def test_the_last_raise_goes_to_the_cap_itself() -> None:
    last = CAP * 8 // 9
    assert raised(Fees(last, 10), FRESH, _policy()) == Fees(CAP, 12)
    assert raised(Fees(last + 1, 10), FRESH, _policy()) is None


def test_a_raise_goes_at_least_to_what_a_first_attempt_would_pay() -> None:
    assert raised(Fees(10, 10), Fees(11_000, 1_000), _policy()) == Fees(11_000, 1_000)


def test_a_fee_below_the_base_fee_is_priced_out() -> None:
    assert is_priced_out(99, _head(100))
    assert not is_priced_out(100, _head(100))
    assert not is_priced_out(1, _head(None))
