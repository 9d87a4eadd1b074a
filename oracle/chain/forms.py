"""Signed forms: one nonce may have several, of which at most one is mined."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypedDict

from oracle.chain.base import Call
from oracle.chain.fees import Fees
from oracle.chain.keys import SubmitterKey
from oracle.chain.pending import SignedForm


class Form(TypedDict):
    """What a journal keeps of a form; the names are those of `TransactionJournal`."""

    purpose: str
    target: str
    data: bytes
    gas: int
    feeds: Collection[int]
    hash_: bytes
    raw: bytes
    max_fee_wei: int
    max_priority_fee_wei: int


@dataclass(slots=True)
class Slot:
    """An open transaction.

    Attributes:
        id: The journal's number.
        nonce: The account's.
        forms: Every form that was signed for it, oldest first.
    """

    id: int
    nonce: int
    forms: list[SignedForm]

    @property
    def newest(self) -> SignedForm:
        """The form that is sent."""
        return self.forms[-1]

    @property
    def call(self) -> Call:
        """What the newest form does."""
        form = self.forms[-1]
        return Call(form.purpose, form.target, form.data, form.feeds)

    @property
    def hashes(self) -> list[bytes]:
        """Of all forms."""
        return [form.hash for form in self.forms]


def sign_form(
    key: SubmitterKey, call: Call, *, chain_id: int, nonce: int, gas: int, fees: Fees
) -> Form:
    """Sign a call: as an EIP-1559 transaction, or as EIP-155 has it on a chain without a base fee.

    Args:
        key: Of the account.
        call: What to do.
        chain_id: EIP-155 chain id.
        nonce: The account's.
        gas: Limit, units.
        fees: Of a unit.
    """
    fields: dict[str, Any] = {
        "chainId": chain_id,
        "nonce": nonce,
        "to": call.target,
        "value": 0,
        "data": call.data,
        "gas": gas,
    }
    if fees.is_legacy:
        fields |= {"gasPrice": fees.max_fee_wei}
    else:
        fields |= {
            "type": 2,
            "maxFeePerGas": fees.max_fee_wei,
            "maxPriorityFeePerGas": fees.tip_wei,
            "accessList": [],
        }
    raw, hash_ = key.sign(fields)
    return Form(
        purpose=call.purpose,
        target=call.target,
        data=call.data,
        gas=gas,
        feeds=call.feeds,
        hash_=hash_,
        raw=raw,
        max_fee_wei=fees.max_fee_wei,
        max_priority_fee_wei=fees.tip_wei,
    )
