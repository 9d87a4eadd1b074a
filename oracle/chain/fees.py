"""What is paid for a unit of gas: the first attempt and the raises, never above the cap."""

from dataclasses import dataclass
from typing import Final

from enclave.domain.errors import ChainError
from oracle.chain.base import Block

#: Least raise of a replacement, per mille; geth wants 10 %, some pools 12.5 %.
_LEAST_RAISE_PERMILLE: Final = 125


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Bounds of what is paid, and how long is waited.

    Attributes:
        max_fee_wei: Highest fee of a unit of gas, never exceeded.
        max_priority_fee_wei: Tip of the first attempt.
        bump_percent: Raise of a replacement; at least 13.
        confirm_timeout_s: Wait before a replacement.
        receipt_poll_s: Time between two questions for a receipt.
    """

    max_fee_wei: int
    max_priority_fee_wei: int
    bump_percent: int
    confirm_timeout_s: float
    receipt_poll_s: float


@dataclass(frozen=True, slots=True)
class Fees:
    """Of one signed form, for a unit of gas.

    Attributes:
        max_fee_wei: All in all.
        tip_wei: For the block's producer, part of it.
    """

    max_fee_wei: int
    tip_wei: int


def first_fees(head: Block, policy: FeePolicy) -> Fees:
    """Of the first attempt: room for the base fee to double.

    Raises:
        ChainError: The chain has no base fee, or it is above the cap.
    """
    base, cap = head.base_fee_wei, policy.max_fee_wei
    if base is None:
        raise ChainError("the chain has no base fee (EIP-1559), which this version needs")
    if base > cap:
        raise ChainError(f"base fee is {base} wei, gas.max_fee_gwei allows {cap} wei")
    max_fee = min(cap, 2 * base + policy.max_priority_fee_wei)
    return Fees(max_fee, min(policy.max_priority_fee_wei, max_fee))


def raised(fees: Fees, head: Block, policy: FeePolicy) -> Fees | None:
    """Of a replacement: both parts rise by at least 12.5 %, and to what a first attempt would pay.

    `None` if the cap leaves no room for that, or the base fee is above it.
    """
    factor, cap = 100 + policy.bump_percent, policy.max_fee_wei
    least = -(-fees.max_fee_wei * (1_000 + _LEAST_RAISE_PERMILLE) // 1_000)
    try:
        fresh = first_fees(head, policy)
    except ChainError:
        return None
    if least > cap:
        return None
    max_fee = max(fresh.max_fee_wei, min(cap, -(-fees.max_fee_wei * factor // 100)))
    tip = max(1, fresh.tip_wei, -(-fees.tip_wei * factor // 100))
    return Fees(max_fee, min(max_fee, tip))


def is_priced_out(max_fee_wei: int, head: Block) -> bool:
    """Whether no block of now can take a transaction that pays so much."""
    return head.base_fee_wei is not None and max_fee_wei < head.base_fee_wei
