"""SQLite journal of transactions, reports and evidence.

WAL with `synchronous=FULL`: what a call returned after is on the disk. One thread does all the
work; a file lock refuses a second daemon on the same journal.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from oracle.store.database import journal_fault, lock_journal, open_database
from oracle.store.retention import Retention, prune

T = TypeVar("T")
_KEEP = Retention()
#: Reports between two looks at what may be forgotten.
_PRUNE_EVERY = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed form of a transaction.

    Attributes:
        hash: 32 bytes.
        raw: The signed bytes; sending them again is the same transaction.
        max_fee_wei: Of a unit of gas.
        max_priority_fee_wei: Of a unit of gas.
        purpose: What the call is for.
        target: Address of the contract.
        data: Selector and arguments.
        gas: Limit.
        feeds: Indexes of the feeds that a report answers.
    """

    hash: bytes
    raw: bytes
    max_fee_wei: int
    max_priority_fee_wei: int
    purpose: str
    target: str
    data: bytes
    gas: int
    feeds: frozenset[int]


@dataclass(frozen=True, slots=True)
class JournaledTransaction:
    """A nonce and all signed forms that were made for it, oldest first."""

    id: int
    nonce: int
    state: str
    attempts: tuple[Attempt, ...]


class Journal:
    """The open journal; every method returns after the disk has it."""

    def __init__(
        self,
        path: Path,
        database: sqlite3.Connection,
        worker: ThreadPoolExecutor,
        retention: Retention,
    ) -> None:
        self._retention = retention
        self._reports = 0
        self._path = path
        self._database = database
        self._worker = worker

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
        feeds: Collection[int] = (),
    ) -> JournaledTransaction:
        """Write the intent to send a transaction, with its first signed form."""
        fees = (max_fee_wei, max_priority_fee_wei)
        attempt = Attempt(hash_, raw, *fees, purpose, target, data, gas, frozenset(feeds))

        def write(database: sqlite3.Connection) -> int:
            cursor = database.execute(
                "INSERT INTO transactions (chain_id, submitter, nonce, purpose, target, data, gas,"
                " state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?)",
                (chain_id, submitter, nonce, purpose, target, data, gas, _now()),
            )
            row = cursor.lastrowid or 0
            _insert_attempt(database, row, attempt)
            return row

        row = await self._write(write)
        return JournaledTransaction(row, nonce, "pending", (attempt,))

    async def add_attempt(
        self,
        transaction_id: int,
        *,
        purpose: str,
        target: str,
        data: bytes,
        gas: int,
        hash_: bytes,
        raw: bytes,
        max_fee_wei: int,
        max_priority_fee_wei: int,
        feeds: Collection[int] = (),
    ) -> Attempt:
        """Write another signed form with the same nonce, of the same call or of another one."""
        fees = (max_fee_wei, max_priority_fee_wei)
        attempt = Attempt(hash_, raw, *fees, purpose, target, data, gas, frozenset(feeds))

        def write(database: sqlite3.Connection) -> None:
            _insert_attempt(database, transaction_id, attempt)
            database.execute(
                "UPDATE transactions SET purpose = ?, target = ?, data = ?, gas = ? WHERE id = ?",
                (purpose, target, data, gas, transaction_id),
            )

        await self._write(write)
        return attempt

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
        """Write how it ended; `oracle.chain.states` has the words.

        A transaction is `pending` from before the first send until then: any send may have been
        accepted whatever the answer was.
        """
        price = None if gas_price_wei is None else str(gas_price_wei)
        values = (state, _now(), hash_, block, block_hash, gas_used, price, note, transaction_id)
        await self._write(
            lambda database: database.execute(
                "UPDATE transactions SET state = ?, finished_at = ?, hash = ?, block = ?,"
                " block_hash = ?, gas_used = ?, gas_price_wei = ?, note = ? WHERE id = ?",
                values,
            )
        )

    async def reopen(self, transaction_id: int) -> None:
        """Take a transaction as pending again: the chain lost it."""
        await self.finish(transaction_id, "pending", note="reopened: the chain lost it")

    async def pending(self, *, chain_id: int, submitter: str) -> list[JournaledTransaction]:
        """Transactions whose end is not known, by nonce."""
        return await self.find(chain_id=chain_id, submitter=submitter, states=("pending",))

    async def find(
        self, *, chain_id: int, submitter: str, states: Collection[str], from_nonce: int = 0
    ) -> list[JournaledTransaction]:
        """Transactions in these states, by nonce."""

        def read(database: sqlite3.Connection) -> list[JournaledTransaction]:
            rows = database.execute(
                "SELECT id, nonce, state FROM transactions WHERE chain_id = ? AND submitter = ?"
                " AND state IN (SELECT value FROM json_each(?)) AND nonce >= ? ORDER BY nonce, id",
                (chain_id, submitter, _list(states), from_nonce),
            ).fetchall()
            return [
                JournaledTransaction(id_, nonce, state, _attempts(database, id_))
                for id_, nonce, state in rows
            ]

        return await self._run(read)

    async def newest_block(
        self, *, chain_id: int, submitter: str, states: Collection[str]
    ) -> tuple[int, bytes] | None:
        """Height and hash of the highest block with a transaction in one of these states.

        The hash is empty for a transaction that an older version wrote.
        """

        def read(database: sqlite3.Connection) -> tuple[int, bytes] | None:
            row = database.execute(
                "SELECT block, block_hash FROM transactions WHERE chain_id = ? AND submitter = ?"
                " AND state IN (SELECT value FROM json_each(?)) AND block IS NOT NULL"
                " ORDER BY block DESC LIMIT 1",
                (chain_id, submitter, _list(states)),
            ).fetchone()
            return None if row is None else (int(row[0]), bytes(row[1] or b""))

        return await self._run(read)

    async def settle(
        self, *, chain_id: int, submitter: str, to_block: int, moves: Mapping[str, str]
    ) -> None:
        """Move what stands in this block or below from each state to another."""
        rows = [(new, chain_id, submitter, old, to_block) for old, new in moves.items()]
        await self._write(
            lambda database: database.executemany(
                "UPDATE transactions SET state = ? WHERE chain_id = ? AND submitter = ?"
                " AND state = ? AND block <= ?",
                rows,
            )
        )

    async def spent_wei(self, *, chain_id: int, submitter: str, since: int) -> int:
        """Fees of what ended at this second since the epoch or later."""

        def read(database: sqlite3.Connection) -> int:
            rows = database.execute(
                "SELECT gas_used, gas_price_wei FROM transactions WHERE chain_id = ?"
                " AND submitter = ? AND finished_at >= ? AND gas_used IS NOT NULL",
                (chain_id, submitter, since),
            )
            return sum(int(gas) * int(price) for gas, price in rows)

        return await self._run(read)

    async def next_nonce(
        self,
        *,
        chain_id: int,
        submitter: str,
        states: Collection[str] = ("mined", "reverted", "settled", "failed"),
    ) -> int:
        """One more than the highest nonce that this journal saw used; 0 without any."""

        def read(database: sqlite3.Connection) -> int:
            row = database.execute(
                "SELECT MAX(nonce) FROM transactions WHERE chain_id = ? AND submitter = ?"
                " AND state IN (SELECT value FROM json_each(?))",
                (chain_id, submitter, _list(states)),
            ).fetchone()
            return 0 if row[0] is None else int(row[0]) + 1

        return await self._run(read)

    async def add_report(
        self, *, chain_id: int, hub: str, observed_at: int, signer: str, report: bytes
    ) -> None:
        """Keep a signed report, before it is sent; now and then forget what is old."""
        now = _now()
        values = (chain_id, hub, observed_at, signer, report, now)
        is_time = self._reports % _PRUNE_EVERY == 0
        self._reports += 1

        def write(database: sqlite3.Connection) -> None:
            database.execute("INSERT OR IGNORE INTO reports VALUES (?, ?, ?, ?, ?, ?)", values)
            if is_time:
                prune(database, self._retention, now=now)

        await self._write(write)

    async def add_evidence(
        self, *, chain_id: int, registry: str, signer: str, ref_block: int, evidence: bytes
    ) -> None:
        """Keep the vendor's whole evidence; the chain holds it without the certificates."""
        values = (chain_id, registry, signer, ref_block, evidence, _now())
        await self._write(
            lambda database: database.execute(
                "INSERT INTO evidence (chain_id, registry, signer, ref_block, evidence, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
        )

    async def has_signer(self, *, chain_id: int, registry: str, signer: str) -> bool:
        """Whether this daemon once ran an enclave with this signer."""

        def read(database: sqlite3.Connection) -> bool:
            row = database.execute(
                "SELECT 1 FROM evidence WHERE chain_id = ? AND registry = ? AND signer = ? LIMIT 1",
                (chain_id, registry, signer),
            ).fetchone()
            return row is not None

        return await self._run(read)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def transact(database: sqlite3.Connection) -> T:
            with database:
                return work(database)

        return await self._run(transact)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._worker, work, self._database)
        except sqlite3.Error as error:
            raise journal_fault(self._path, error) from error


@asynccontextmanager
async def open_journal(path: Path, *, retention: Retention = _KEEP) -> AsyncIterator[Journal]:
    """Open or make the journal, alone.

    Args:
        path: The file.
        retention: What is kept of what has ended.

    Raises:
        JournalLocked: Another process has it.
        JournalError: It is corrupt, of a newer version, or cannot be written.
    """
    lock = lock_journal(path)
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
    loop = asyncio.get_running_loop()
    try:
        database = await loop.run_in_executor(worker, open_database, path)
        try:
            yield Journal(path, database, worker, retention)
        finally:
            await loop.run_in_executor(worker, database.close)
    finally:
        worker.shutdown()
        lock.close()


def _list(values: Collection[str]) -> str:
    """For `json_each`, which takes a list of any length as one value."""
    return json.dumps(sorted(values))


def _insert_attempt(database: sqlite3.Connection, row: int, attempt: Attempt) -> None:
    fees = (str(attempt.max_fee_wei), str(attempt.max_priority_fee_wei))
    feeds = " ".join(map(str, sorted(attempt.feeds)))
    call = (attempt.purpose, attempt.target, attempt.data, attempt.gas, feeds)
    database.execute(
        "INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (attempt.hash, row, attempt.raw, *fees, _now(), *call),
    )


def _attempts(database: sqlite3.Connection, row: int) -> tuple[Attempt, ...]:
    rows = database.execute(
        "SELECT hash, raw, max_fee_wei, max_priority_fee_wei, purpose, target, data, gas, feeds"
        " FROM attempts WHERE transaction_id = ? ORDER BY rowid",
        (row,),
    ).fetchall()
    return tuple(
        Attempt(hash_, raw, int(fee), int(tip), name, to, data, gas, frozenset(_numbers(feeds)))
        for hash_, raw, fee, tip, name, to, data, gas, feeds in rows
    )


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _now() -> int:
    return int(time.time())
