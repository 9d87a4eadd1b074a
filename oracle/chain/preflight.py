"""Whether a call may be sent: the chain takes it, its price is right, the account can pay."""

from dataclasses import dataclass
from typing import Final

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi, decode_revert, revert_name
from oracle.chain.base import Block, Call, CallReverted
from oracle.chain.budget import GasBudget
from oracle.chain.fees import FeePolicy, Fees, quote
from oracle.chain.rpc import Rpc, RpcRefused, quantity
from oracle.chain.sender import SenderView

#: Largest gas limit of one transaction (EIP-7825).
MAX_GAS: Final = 16_777_216
#: Of every transaction, and of each zero and each other byte of its data (EIP-7623); no pool takes
#: one whose limit is below, and the price before that (EIP-2028) is never above.
_BASE_GAS, _ZERO_GAS, _BYTE_GAS = 21_000, 10, 40
_REVERT_CODE = 3


@dataclass(frozen=True, slots=True)
class Offer:
    """What a call will be sent for.

    Attributes:
        gas: Limit, units.
        fees: Of a unit.
    """

    gas: int
    fees: Fees


class Preflight:
    """Asks the chain before anything is written or sent."""

    def __init__(
        self,
        rpc: Rpc,
        policy: FeePolicy,
        errors: ContractAbi,
        address: str,
        *,
        view: SenderView,
        budget: GasBudget,
    ) -> None:
        """Set up.

        Args:
            rpc: Where calls are tried.
            policy: Bounds of what is paid.
            errors: Names of the contracts' errors.
            address: The account, which sends the calls.
            view: What the account asks.
            budget: Of a day.
        """
        self._rpc = rpc
        self._view = view
        self._policy = policy
        self._errors = errors
        self._address = address
        self._budget = budget

    async def offer(self, call: Call) -> Offer:
        """Gas and fees of a first attempt.

        Raises:
            CallReverted: The chain refuses the call.
            ChainError: No endpoint, fee above the cap, too little on the account, or left of the
                daily budget.
        """
        gas = await self.gas(call)
        fees = await self.fees(await self._view.head())
        await self.check_funds(gas, fees)
        return Offer(gas, fees)

    async def fees(self, head: Block) -> Fees:
        """Of a first attempt on top of this block.

        Raises:
            FeeAboveCap: The operator allows less.
            ChainError: No endpoint.
        """
        return await quote(self._rpc, head, self._policy)

    async def gas(self, call: Call) -> int:
        """Gas limit of a call: what the chain estimates and a quarter more, bounded both ways.

        Never below what its data costs, whatever an endpoint says.

        Raises:
            CallReverted: The chain refuses the call.
            ChainError: No endpoint.
        """
        fields = {"from": self._address, "to": call.target, "data": "0x" + call.data.hex()}
        try:
            # In the context of the next block: a fresh report is from the future of the last one.
            units = quantity(await self._rpc.request_agreed("eth_estimateGas", [fields, "pending"]))
        except RpcRefused as error:
            if not error.data and error.code != _REVERT_CODE:
                raise
            reason = decode_revert(self._errors, error.data)
            name = revert_name(self._errors, error.data)
            raise CallReverted(f"{call.purpose} refused: {reason}", name=name) from error
        return min(MAX_GAS, max(units * 5 // 4 + 10_000, _least_gas(call.data)))

    async def gas_again(self, call: Call, least: int) -> int:
        """Gas limit of a call that replaces one under its nonce.

        Not below the limit of that one: endpoints may count as if that one was mined before, where
        a second one has less to do, or nothing; so a refusal says nothing either.

        Args:
            call: The same or a newer one.
            least: Limit of the one that is replaced; without an estimate it is taken.
        """
        try:
            return max(least, await self.gas(call))
        except ChainError:
            return least

    async def check_funds(self, gas: int, fees: Fees) -> None:
        """Check that the account can pay the worst case, and may today.

        Raises:
            BudgetSpent: It may not.
            ChainError: No endpoint, or it cannot.
        """
        wanted_wei, seen_wei = gas * fees.max_fee_wei, await self._view.balance()
        if seen_wei < wanted_wei:
            raise ChainError(
                f"account {self._address} holds {seen_wei} wei, this transaction may take"
                f" {wanted_wei} wei: send funds to it"
            )
        await self._budget.check(wanted_wei)

    async def revert_reason(self, call: Call, block: int) -> tuple[str, str]:
        """Why a mined call failed, in words and as the error's name.

        Asked at the end of its block; that may be another reason.
        """
        fields = {"from": self._address, "to": call.target, "data": "0x" + call.data.hex()}
        try:
            await self._rpc.request("eth_call", [fields, hex(block)])
        except RpcRefused as error:
            return decode_revert(self._errors, error.data), revert_name(self._errors, error.data)
        except ChainError:
            return "reverted, and the reason cannot be asked for", ""
        return "reverted for a reason that has passed", ""


def _least_gas(data: bytes) -> int:
    zeros = data.count(0)
    return _BASE_GAS + _ZERO_GAS * zeros + _BYTE_GAS * (len(data) - zeros)
