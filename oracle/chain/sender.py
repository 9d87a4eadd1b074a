"""What an account asks of its chain: its nonce, its funds, and what became of its transactions."""

from collections.abc import Iterable

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.base import Block, Receipt
from oracle.chain.parsing import parse_block, parse_receipt
from oracle.chain.pending import SignedForm
from oracle.chain.rpc import Rpc, RpcDisagreement, quantity

log = structlog.get_logger(__name__)


class SenderView:
    """Questions about one account; every answer may be behind."""

    def __init__(self, rpc: Rpc, address: str) -> None:
        self._rpc = rpc
        self._address = address

    async def count(self) -> int:
        """The next nonce by the latest block."""
        answer = await self._rpc.request_agreed(
            "eth_getTransactionCount", [self._address, "latest"]
        )
        return quantity(answer)

    async def balance(self) -> int:
        """Funds in wei by the latest block."""
        return quantity(await self._rpc.request_agreed("eth_getBalance", [self._address, "latest"]))

    async def head(self) -> Block:
        """The latest block."""
        return parse_block(
            await self._rpc.request_agreed("eth_getBlockByNumber", ["latest", False])
        )

    async def height(self) -> int:
        """Of the latest block."""
        return quantity(await self._rpc.request_agreed("eth_blockNumber", []))

    async def has_block(self, number: int, hash_: bytes) -> bool:
        """Whether the chain has this block at this height; not if it is shorter."""
        found = await self._rpc.request_agreed("eth_getBlockByNumber", [hex(number), False])
        return found is not None and parse_block(found).hash == hash_

    async def receipt(self, forms: Iterable[SignedForm]) -> Receipt | None:
        """The receipt of whichever form was mined.

        Raises:
            RpcDisagreement: Endpoints contradict each other about a form, and no other was mined.
            ChainError: No answer, or one about another transaction.
        """
        disputed: RpcDisagreement | None = None
        for form in forms:
            wanted = "0x" + form.hash.hex()
            try:
                found = await self._rpc.request_agreed("eth_getTransactionReceipt", [wanted])
            except RpcDisagreement as error:
                log.warning("receipt_disputed", tx=wanted, error=str(error))
                disputed = error
                continue
            if found is None:
                continue
            receipt = parse_receipt(found)
            if receipt.hash != form.hash:
                raise ChainError(f"the receipt is of 0x{receipt.hash.hex()}, wanted {wanted}")
            return receipt
        if disputed is not None:
            raise disputed
        return None

    async def knows(self, form: SignedForm) -> bool:
        """Whether the endpoint has it, in its pool or in a block."""
        found = await self._rpc.request("eth_getTransactionByHash", ["0x" + form.hash.hex()])
        return found is not None

    async def broadcast(self, form: SignedForm) -> None:
        """Send bytes; an error tells nothing, so none is raised."""
        try:
            await self._rpc.request("eth_sendRawTransaction", ["0x" + form.raw.hex()])
        except ChainError as error:
            tx = "0x" + form.hash.hex()
            log.warning("send_unknown", purpose=form.purpose, tx=tx, error=str(error))
