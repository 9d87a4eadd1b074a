"""What transactions need of a journal; `oracle.store` has one."""

from collections.abc import Collection, Mapping, Sequence
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
        """Of a unit of gas; on a chain without a base fee the same as `max_fee_wei`."""
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
    def feeds(self) -> frozenset[int]:
        """As in `Call`."""
        ...


class JournalEntry(Protocol):
    """A journaled transaction."""

    @property
    def id(self) -> int:
        """The journal's number."""
        ...

    @property
    def nonce(self) -> int:
        """The account's."""
        ...

    @property
    def state(self) -> str:
        """A `TransactionState`."""
        ...

    @property
    def attempts(self) -> Sequence[SignedForm]:
        """Oldest first; at least one. Forms of different calls: the newer one superseded."""
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
        feeds: Collection[int],
        hash_: bytes,
        raw: bytes,
        max_fee_wei: int,
        max_priority_fee_wei: int,
    ) -> JournalEntry:
        """Write the intent to send, with the first signed form; it is pending."""
        ...

    async def add_attempt(
        self,
        transaction_id: int,
        *,
        purpose: str,
        target: str,
        data: bytes,
        gas: int,
        feeds: Collection[int],
        hash_: bytes,
        raw: bytes,
        max_fee_wei: int,
        max_priority_fee_wei: int,
    ) -> SignedForm:
        """Write another signed form with the same nonce, of the same call or of another one."""
        ...

    async def finish(
        self,
        transaction_id: int,
        state: str,
        *,
        hash_: bytes = b"",
        block: int | None = None,
        block_hash: bytes | None = None,
        gas_used: int | None = None,
        gas_price_wei: int | None = None,
        note: str = "",
    ) -> None:
        """Write how it ended."""
        ...

    async def reopen(self, transaction_id: int) -> None:
        """Take it as pending again: the chain lost it."""
        ...

    async def find(
        self, *, chain_id: int, submitter: str, states: Collection[str], from_nonce: int = 0
    ) -> Sequence[JournalEntry]:
        """Transactions in these states, by nonce."""
        ...

    async def newest_block(
        self, *, chain_id: int, submitter: str, states: Collection[str]
    ) -> tuple[int, bytes] | None:
        """Height and hash of the highest block with one of them; the hash may be empty."""
        ...

    async def settle(
        self, *, chain_id: int, submitter: str, to_block: int, moves: Mapping[str, str]
    ) -> None:
        """Move what stands in this block or below from each state to another."""
        ...

    async def spent_wei(self, *, chain_id: int, submitter: str, since: int) -> int:
        """Fees of what ended at this second since the epoch or later."""
        ...

    async def next_nonce(self, *, chain_id: int, submitter: str, states: Collection[str]) -> int:
        """One more than the highest nonce in these states; 0 without any."""
        ...
