"""SQLite journal of transactions, reports and evidence.

WAL with `synchronous=FULL`: what a call returned after is on the disk. One thread does all the
work; a file lock refuses a second daemon on the same journal.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from oracle.store.database import JournalError, lock_journal, open_database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed form of a transaction.

    Attributes:
        hash: 32 bytes.
        raw: The signed bytes; sending them again is the same transaction.
        max_fee_wei: Of a unit of gas.
        max_priority_fee_wei: Of a unit of gas.
    """

    hash: bytes
    raw: bytes
    max_fee_wei: int
    max_priority_fee_wei: int


@dataclass(frozen=True, slots=True)
class JournaledTransaction:
    """A transaction and all its signed forms, oldest first."""

    id: int
    nonce: int
    purpose: str
    target: str
    data: bytes
    gas: int
    attempts: tuple[Attempt, ...]


class Journal:
    """The open journal; every method returns after the disk has it."""

    def __init__(self, database: sqlite3.Connection, worker: ThreadPoolExecutor) -> None:
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
    ) -> JournaledTransaction:
        """Write the intent to send a transaction, with its first signed form."""
        attempt = Attempt(hash_, raw, max_fee_wei, max_priority_fee_wei)

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
        return JournaledTransaction(row, nonce, purpose, target, data, gas, (attempt,))

    async def add_attempt(
        self,
        transaction_id: int,
        *,
        hash_: bytes,
        raw: bytes,
        max_fee_wei: int,
        max_priority_fee_wei: int,
    ) -> Attempt:
        """Write another signed form with the same nonce."""
        attempt = Attempt(hash_, raw, max_fee_wei, max_priority_fee_wei)
        await self._write(lambda database: _insert_attempt(database, transaction_id, attempt))
        return attempt

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
        """Write how it ended: `mined`, `reverted` or `replaced`.

        A transaction is `pending` from before the first send until then: any send may have been
        accepted whatever the answer was.
        """
        price = None if gas_price_wei is None else str(gas_price_wei)
        values = (state, _now(), hash_, block, gas_used, price, note, transaction_id)
        await self._write(
            lambda database: database.execute(
                "UPDATE transactions SET state = ?, finished_at = ?, hash = ?, block = ?,"
                " gas_used = ?, gas_price_wei = ?, note = ? WHERE id = ?",
                values,
            )
        )

    async def pending(self, *, chain_id: int, submitter: str) -> list[JournaledTransaction]:
        """Transactions whose end is not known, by nonce."""

        def read(database: sqlite3.Connection) -> list[JournaledTransaction]:
            rows = database.execute(
                "SELECT id, nonce, purpose, target, data, gas FROM transactions"
                " WHERE chain_id = ? AND submitter = ? AND state = 'pending' ORDER BY nonce, id",
                (chain_id, submitter),
            ).fetchall()
            return [
                JournaledTransaction(id_, nonce, purpose, to, data, gas, _attempts(database, id_))
                for id_, nonce, purpose, to, data, gas in rows
            ]

        return await self._run(read)

    async def reopen(self, *, chain_id: int, submitter: str, from_nonce: int) -> None:
        """Take finished transactions from a nonce on as pending again: the chain lost them."""
        values = (chain_id, submitter, from_nonce)
        await self._write(
            lambda database: database.execute(
                "UPDATE transactions SET state = 'pending' WHERE chain_id = ? AND submitter = ?"
                " AND nonce >= ? AND state IN ('mined', 'reverted')",
                values,
            )
        )

    async def next_nonce(self, *, chain_id: int, submitter: str) -> int:
        """One more than the highest nonce that this journal saw used; 0 without any."""

        def read(database: sqlite3.Connection) -> int:
            row = database.execute(
                "SELECT MAX(nonce) FROM transactions"
                " WHERE chain_id = ? AND submitter = ? AND state IN ('mined', 'reverted')",
                (chain_id, submitter),
            ).fetchone()
            return 0 if row[0] is None else int(row[0]) + 1

        return await self._run(read)

    async def add_report(
        self, *, chain_id: int, hub: str, observed_at: int, signer: str, report: bytes
    ) -> None:
        """Keep a signed report, before it is sent."""
        values = (chain_id, hub, observed_at, signer, report, _now())
        await self._write(
            lambda database: database.execute(
                "INSERT OR IGNORE INTO reports VALUES (?, ?, ?, ?, ?, ?)", values
            )
        )

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
            raise JournalError(f"journal: {error}") from error


@asynccontextmanager
async def open_journal(path: Path) -> AsyncIterator[Journal]:
    """Open or make the journal, alone.

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
            yield Journal(database, worker)
        finally:
            await loop.run_in_executor(worker, database.close)
    finally:
        worker.shutdown()
        lock.close()


def read_summary(path: Path, *, limit: int = 10) -> dict[str, Any]:
    """Counts and the last transactions of a journal, without taking its lock.

    Raises:
        JournalError: There is none, or it cannot be read.
    """
    if not path.exists():
        raise JournalError(f"no journal at {path}")
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            counts = database.execute("SELECT state, COUNT(*) FROM transactions GROUP BY state")
            states = {str(state): int(count) for state, count in counts}
            reports = database.execute("SELECT COUNT(*), MAX(observed_at) FROM reports").fetchone()
            last = database.execute(
                "SELECT nonce, purpose, state, hex(hash), block, gas_used, note FROM transactions"
                " ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        finally:
            database.close()
    except sqlite3.Error as error:
        raise JournalError(f"journal {path}: {error}") from error
    names = ("nonce", "purpose", "state", "hash", "block", "gas_used", "note")
    return {
        "transactions": states,
        "reports": {"count": int(reports[0]), "last_observed_at": reports[1]},
        "last": [dict(zip(names, row, strict=True)) for row in last],
    }


def read_last_evidence(path: Path, *, chain_id: int, registry: str) -> bytes | None:
    """The newest evidence for a registry, without taking the journal's lock; `None` without any.

    Raises:
        JournalError: It cannot be read.
    """
    if not path.exists():
        return None
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            row = database.execute(
                "SELECT evidence FROM evidence WHERE chain_id = ? AND registry = ?"
                " ORDER BY id DESC LIMIT 1",
                (chain_id, registry),
            ).fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        raise JournalError(f"journal {path}: {error}") from error
    return None if row is None else bytes(row[0])


def _insert_attempt(database: sqlite3.Connection, row: int, attempt: Attempt) -> None:
    fees = (str(attempt.max_fee_wei), str(attempt.max_priority_fee_wei))
    database.execute(
        "INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?)",
        (attempt.hash, row, attempt.raw, *fees, _now()),
    )


def _attempts(database: sqlite3.Connection, row: int) -> tuple[Attempt, ...]:
    rows: Sequence[tuple[bytes, bytes, str, str]] = database.execute(
        "SELECT hash, raw, max_fee_wei, max_priority_fee_wei FROM attempts"
        " WHERE transaction_id = ? ORDER BY rowid",
        (row,),
    ).fetchall()
    return tuple(Attempt(hash_, raw, int(fee), int(tip)) for hash_, raw, fee, tip in rows)


def _now() -> int:
    return int(time.time())
