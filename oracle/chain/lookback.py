"""Whether the chain still holds what it once did: reorganisations, however deep."""

import structlog

from oracle.chain.base import Receipt
from oracle.chain.pending import JournalEntry, TransactionJournal
from oracle.chain.rpc import RpcDisagreement
from oracle.chain.sender import SenderView
from oracle.chain.states import DEEP, ENDED, WATCH_BLOCKS, TransactionState, follow

log = structlog.get_logger(__name__)

_IN_A_BLOCK = (TransactionState.MINED, TransactionState.REVERTED)


class Lookback:
    """Watches transactions that ended; reopens those that the chain lost."""

    def __init__(
        self, view: SenderView, journal: TransactionJournal, *, chain_id: int, submitter: str
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            view: What the account asks.
            journal: Read and written.
            chain_id: Whose transactions.
            submitter: Whose transactions.
        """
        self.reopened = 0
        self._view = view
        self._journal = journal
        self._chain_id = chain_id
        self._submitter = submitter

    async def look(self, count: int) -> None:
        """Check what is watched, and every nonce that the account has not used after all.

        One question while nothing happened: as long as the highest block is there, so are those
        below it.

        Args:
            count: The account's next nonce.

        Raises:
            ChainError: No endpoint answered.
        """
        newest = await self._journal.newest_block(
            chain_id=self._chain_id, submitter=self._submitter, states=_IN_A_BLOCK
        )
        has_moved = newest is not None and not await self._view.has_block(*newest)
        for state in ENDED:
            is_watched = state is TransactionState.REPLACED or (has_moved and state in _IN_A_BLOCK)
            await self._check(state, count, from_nonce=0 if is_watched else count)
        if newest is not None:
            await self._settle()

    async def _settle(self) -> None:
        height = await self._view.height()
        await self._journal.settle(
            chain_id=self._chain_id,
            submitter=self._submitter,
            to_block=height - WATCH_BLOCKS,
            moves={str(state): str(deep) for state, deep in DEEP.items()},
        )

    async def _check(self, state: TransactionState, count: int, *, from_nonce: int) -> None:
        found = await self._journal.find(
            chain_id=self._chain_id,
            submitter=self._submitter,
            states=(state,),
            from_nonce=from_nonce,
        )
        for transaction in found:
            try:
                receipt = await self._view.receipt(reversed(transaction.attempts))
            except RpcDisagreement:
                # To send the same bytes again is safe, and to do nothing is not.
                receipt = None
            if receipt is not None:
                await self._move(transaction, state, receipt)
            elif state is not TransactionState.REPLACED or transaction.nonce >= count:
                await self._reopen(transaction, state)

    async def _move(
        self, transaction: JournalEntry, state: TransactionState, receipt: Receipt
    ) -> None:
        """It is in a block, though perhaps in another one, or with another end."""
        if state in DEEP.values():
            return
        success, failure = TransactionState.MINED, TransactionState.REVERTED
        await self._journal.finish(
            transaction.id,
            follow(state, success if receipt.is_success else failure),
            hash_=receipt.hash,
            block=receipt.block,
            block_hash=receipt.block_hash,
            gas_used=receipt.gas_used,
            gas_price_wei=receipt.gas_price_wei,
        )

    async def _reopen(self, transaction: JournalEntry, state: TransactionState) -> None:
        follow(state, TransactionState.PENDING)
        self.reopened += 1
        log.warning("transaction_reopened", nonce=transaction.nonce, was=state)
        await self._journal.reopen(transaction.id)
