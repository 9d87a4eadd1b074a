"""What transactions need of a journal; `oracle.store` has one."""

from collections.abc import Sequence
from typing import Protocol


class SignedForm(Protocol):
    """One signed form of a transaction; sending its bytes again is the same transaction."""

    @property
    def hash(self) -> bytes:
        """32 bytes."""
        ...

    @property
    def raw(self) -> bytes:
        """The signed bytes."""
        ...

    @property
    def max_fee_wei(self) -> int:
        """Of a unit of gas."""
        ...

    @property
    def max_priority_fee_wei(self) -> int:
        """Of a unit of gas."""
        ...


class PendingTransaction(Protocol):
    """A journaled transaction whose end is not known."""

    @property
    def id(self) -> int:
        """The journal's number."""
        ...

    @property
    def nonce(self) -> int:
        """The account's."""
        ...

    @property
    def purpose(self) -> str:
        """As in `Call`."""
        ...

    @property
    def target(self) -> str:
        """As in `Call`."""
        ...

    @property
    def data(self) -> bytes:
        """As in `Call`."""
        ...

    @property
    def gas(self) -> int:
        """Limit."""
        ...

    @property
    def attempts(self) -> Sequence[SignedForm]:
        """Oldest first; at least one."""
        ...


class TransactionJournal(Protocol):
    """Where transactions are written before they are sent."""

    async def begin(
        self,
        *,
        chain_id: int,
        submitter: str,
        nonce: int,
        purpose: str,
        target: str,
        data: bytes,
        gas: int,
        hash_: bytes,
        raw: bytes,
        max_fee_wei: int,
        max_priority_fee_wei: int,
    ) -> PendingTransaction:
        """Write the intent to send, with the first signed form."""
        ...

    async def add_attempt(
        self,
        transaction_id: int,
        *,
        hash_: bytes,
        raw: bytes,
        max_fee_wei: int,
        max_priority_fee_wei: int,
    ) -> SignedForm:
        """Write another signed form with the same nonce."""
        ...

    async def finish(
        self,
        transaction_id: int,
        state: str,
        *,
        hash_: bytes = b"",
        block: int | None = None,
        gas_used: int | None = None,
        gas_price_wei: int | None = None,
        note: str = "",
    ) -> None:
        """Write how it ended: `mined`, `reverted` or `replaced`."""
        ...

    async def pending(self, *, chain_id: int, submitter: str) -> Sequence[PendingTransaction]:
        """Transactions whose end is not known, by nonce."""
        ...

    async def next_nonce(self, *, chain_id: int, submitter: str) -> int:
        """One more than the highest nonce that is known to be used; 0 without any."""
        ...

    async def reopen(self, *, chain_id: int, submitter: str, from_nonce: int) -> None:
        """Take finished transactions from a nonce on as pending again: the chain lost them."""
        ...
