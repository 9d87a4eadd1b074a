"""An account of the local chain that signs nothing itself: the chain holds its key."""

import asyncio
from typing import Final

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import decode_revert, load_abi, revert_name
from oracle.chain.base import Call, CallReverted, Receipt
from oracle.chain.parsing import parse_receipt
from oracle.chain.rpc import RpcRefused
from oracle.devnet.anvil import Anvil

_GAS: Final = 16_777_216
_POLL_S: Final = 0.1
_POLLS: Final = 150


class Account:
    """One of the accounts that Anvil unlocks; plays `Submitter`.

    Attributes:
        address: `0x` and 40 digits.
    """

    def __init__(self, chain: Anvil, address: str) -> None:
        """Set up; nothing is asked."""
        self.address = address
        self._chain = chain

    async def send(self, call: Call) -> Receipt:
        """Send a call and wait for its receipt.

        Raises:
            CallReverted: The chain refuses it; nothing was sent.
            ChainError: The chain does not answer, or did not mine it in time.
        """
        fields = {"from": self.address, "to": call.target, "gas": hex(_GAS)}
        fields["data"] = f"0x{call.data.hex()}"
        await self._try(call.purpose, fields)
        sent = await self._chain.call("eth_sendTransaction", fields)
        receipt = await self._receipt(sent)
        if not receipt.is_success:
            # Somebody else was quicker; the same call now says with what.
            await self._try(call.purpose, fields)
            raise CallReverted(f"{call.purpose} reverted: 0x{receipt.hash.hex()}")
        return receipt

    async def _try(self, purpose: str, fields: dict[str, str]) -> None:
        """Simulate a call in the block to come, as what was sent before may not be mined yet."""
        try:
            await self._chain.call("eth_call", fields, "pending")
        except RpcRefused as error:
            abi = load_abi("FeedHub")
            reason, name = decode_revert(abi, error.data), revert_name(abi, error.data)
            raise CallReverted(f"{purpose} refused: {reason}", name=name) from error

    async def _receipt(self, sent: str) -> Receipt:
        for _ in range(_POLLS):
            found = await self._chain.call("eth_getTransactionReceipt", sent)
            if found is not None:
                return parse_receipt(found)
            await asyncio.sleep(_POLL_S)
        raise ChainError(f"transaction {sent} was not mined within {_POLLS * _POLL_S:.0f} s")
