"""What is paid for a unit of gas: the first attempt and the raises, never above the cap."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from enclave.domain.errors import ChainError
from oracle.chain.base import Block
from oracle.chain.rpc import Rpc, quantity

#: Least raise of a replacement, per mille; geth wants 10 %, some pools 12.5 %.
_LEAST_RAISE_PERMILLE: Final = 125
#: Blocks of the fee history, and whose tips count: half of what each block took paid less.
_HISTORY_BLOCKS: Final = 10
_PERCENTILE: Final = 50


class FeeAboveCap(ChainError):
    """Gas is dearer than the operator allows."""


class FeeStrategy(StrEnum):
    """Where the price of a first attempt is taken from; the values are those of the configuration.

    `FEE_HISTORY` is `eth_feeHistory`, `GAS_PRICE` is `eth_gasPrice`, `CONSTANT` asks nothing.
    """

    FEE_HISTORY = "fee_history"
    GAS_PRICE = "gas_price"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Bounds of what is paid, and how long is waited.

    Attributes:
        max_fee_wei: Highest fee of a unit of gas, never exceeded.
        max_priority_fee_wei: Highest tip of a first attempt; raises may pay more.
        bump_percent: Raise of a replacement; at least 13.
        confirm_timeout_s: Wait before a replacement.
        receipt_poll_s: Time between two questions for a receipt.
        strategies: In the order in which they are tried.
        constant_price_wei: What `CONSTANT` pays on a chain without a base fee.
        daily_budget_wei: Most that is spent within 24 hours; `None` is no bound.
    """

    max_fee_wei: int
    max_priority_fee_wei: int
    bump_percent: int
    confirm_timeout_s: float
    receipt_poll_s: float
    strategies: tuple[FeeStrategy, ...] = tuple(FeeStrategy)
    constant_price_wei: int | None = None
    daily_budget_wei: int | None = None


@dataclass(frozen=True, slots=True)
class Fees:
    """Of one signed form, for a unit of gas.

    Attributes:
        max_fee_wei: All in all.
        tip_wei: For the block's producer, part of it; all of it on a chain without a base fee.
        is_legacy: For a chain without a base fee.
    """

    max_fee_wei: int
    tip_wei: int
    is_legacy: bool = False


async def quote(rpc: Rpc, head: Block, policy: FeePolicy) -> Fees:
    """Fees of a first attempt, by the first strategy that gives an answer.

    Args:
        rpc: Where prices are asked.
        head: The latest block; one without a base fee is of a chain without any.
        policy: Bounds and strategies.

    Raises:
        FeeAboveCap: The base fee, or the price, is above the cap.
        ChainError: No strategy gives an answer.
    """
    base = head.base_fee_wei
    if base is not None and base > policy.max_fee_wei:
        raise FeeAboveCap(
            f"base fee is {base} wei, gas.max_fee_gwei allows {policy.max_fee_wei} wei"
        )
    reasons = []
    for strategy in policy.strategies:
        try:
            tip = await _ask(rpc, strategy, base, policy)
        except ChainError as error:
            reasons.append(f"{strategy}: {error}")
            continue
        return _legacy(tip, policy) if base is None else _with_room(base, tip, policy)
    raise ChainError("no price for gas: " + "; ".join(reasons))


async def _ask(rpc: Rpc, strategy: FeeStrategy, base: int | None, policy: FeePolicy) -> int:
    """The tip by one strategy; on a chain without a base fee the whole price."""
    match strategy:
        case FeeStrategy.FEE_HISTORY:
            if base is None:
                raise ChainError("the chain has no base fee")
            return await _usual_tip(rpc)
        case FeeStrategy.GAS_PRICE:
            price = quantity(await rpc.request("eth_gasPrice", []))
            return price if base is None else max(0, price - base)
        case FeeStrategy.CONSTANT:
            if base is not None:
                return policy.max_priority_fee_wei
            if policy.constant_price_wei is None:
                raise ChainError("gas.constant_price_gwei is not set")
            return policy.constant_price_wei


async def _usual_tip(rpc: Rpc) -> int:
    """The lower median of what blocks took at the median; empty blocks do not count."""
    asked = [hex(_HISTORY_BLOCKS), "latest", [_PERCENTILE]]
    answer = await rpc.request("eth_feeHistory", asked)
    rows = answer.get("reward") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, list) and row for row in rows):
        raise ChainError("the endpoint's fee history is none")
    tips = sorted(tip for tip in (quantity(row[0]) for row in rows) if tip)
    if not tips:
        raise ChainError("the last blocks took no tip")
    return tips[(len(tips) - 1) // 2]


def _with_room(base: int, tip: int, policy: FeePolicy) -> Fees:
    """Room for the base fee to double; the tip at least a tenth of the highest one."""
    least = -(-policy.max_priority_fee_wei // 10)
    tip = min(policy.max_priority_fee_wei, max(least, tip))
    max_fee = min(policy.max_fee_wei, 2 * base + tip)
    return Fees(max_fee, min(tip, max_fee))


def _legacy(price: int, policy: FeePolicy) -> Fees:
    if price > policy.max_fee_wei:
        raise FeeAboveCap(
            f"gas price is {price} wei, gas.max_fee_gwei allows {policy.max_fee_wei} wei"
        )
    return Fees(price, price, is_legacy=True)


def raised(fees: Fees, fresh: Fees, policy: FeePolicy) -> Fees | None:
    """Of a replacement: both parts rise by at least 12.5 %, and to what a first attempt would pay.

    Args:
        fees: Of the last form.
        fresh: What a first attempt would pay now; see `quote`.
        policy: Bounds.

    Returns:
        `None` if the cap leaves no room.
    """
    factor, cap = 100 + policy.bump_percent, policy.max_fee_wei
    least = -(-fees.max_fee_wei * (1_000 + _LEAST_RAISE_PERMILLE) // 1_000)
    if least > cap:
        return None
    max_fee = max(fresh.max_fee_wei, min(cap, -(-fees.max_fee_wei * factor // 100)))
    if fresh.is_legacy:
        return Fees(max_fee, max_fee, is_legacy=True)
    tip = max(1, fresh.tip_wei, -(-fees.tip_wei * factor // 100))
    return Fees(max_fee, min(max_fee, tip))


def is_priced_out(max_fee_wei: int, head: Block) -> bool:
    """Whether no block of now can take a transaction that pays so much."""
    return head.base_fee_wei is not None and max_fee_wei < head.base_fee_wei
