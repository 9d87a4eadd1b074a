"""What a submitter writes into its journal, drawn from a seed; and all that a journal holds.

Each write is drawn from what the journal holds now, as a submitter's is: one that starts again goes
on where the journal stands. The states follow each other as `oracle.chain.states` has it.
"""

import ast
import hashlib
import random
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from oracle.chain.states import DEEP, ENDED, TransactionState, follow
from oracle.store import Journal, JournaledTransaction, Retention
from oracle.store.database import open_database

#: Few rows, however young, so that much is forgotten and the file stays small.
RETENTION = Retention(rows=12, evidence=4, age_s=-86_400)
_WHO: dict[str, Any] = {
    "chain_id": 31337,
    "submitter": "0x00000000000000000000000000000000000000A1",
}
_TARGET = "0x00000000000000000000000000000000000000A2"
_PENDING = TransactionState.PENDING
_ENDS = (TransactionState.MINED, TransactionState.REVERTED, TransactionState.REPLACED)
#: Everything but the times, which are the clock's.
_COLUMNS = {
    "transactions": "id, chain_id, submitter, nonce, purpose, target, data, gas, state, hash,"
    " block, block_hash, gas_used, gas_price_wei, note",
    "attempts": "hash, transaction_id, raw, max_fee_wei, max_priority_fee_wei, purpose, target,"
    " data, gas, feeds",
    "reports": "chain_id, hub, observed_at, signer, report",
    "evidence": "id, chain_id, registry, signer, ref_block, evidence",
}


@dataclass(frozen=True, slots=True)
class Write:
    """One call of the journal's.

    Attributes:
        method: Its name.
        row: The transaction's number; `None` for what needs none.
        values: The rest of the arguments.
    """

    method: str
    row: int | None
    values: dict[str, Any]

    async def make(self, journal: Journal) -> None:
        """Make it; the disk has it afterwards."""
        positional = () if self.row is None else (self.row,)
        values = dict(self.values)
        if self.method == "finish":
            positional += (values.pop("state"),)
        await getattr(journal, self.method)(*positional, **values)

    def encode(self) -> str:
        """In one line."""
        return repr((self.method, self.row, self.values))

    @classmethod
    def decode(cls, line: str) -> Self:
        """The reverse of `encode`."""
        return cls(*ast.literal_eval(line))


class InPlace(ThreadPoolExecutor):
    """Does the work at once; no thread is ever made."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Do it."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def memory_database(whole: Path) -> sqlite3.Connection:
    """In memory, what the journal's file holds; one that is not there is made.

    Raises:
        JournalError: The file is not whole.
    """
    copy = sqlite3.connect(":memory:")
    with closing(open_database(whole)) as database:
        database.backup(copy)
    return copy


def memory_journal(database: sqlite3.Connection) -> Journal:
    """A journal that does all work at once, for what another one should hold."""
    return Journal(Path(":memory:"), database, InPlace(), RETENTION)


async def draw(journal: Journal, rng: random.Random) -> Write:
    """The next write of a submitter with this journal."""
    opened = await journal.pending(**_WHO)
    kind = rng.random()
    if kind < 0.15:
        return _report(rng)
    if kind < 0.18:
        return _evidence(rng)
    if kind < 0.25:
        return Write("settle", None, {**_WHO, "to_block": rng.randrange(1, 400), "moves": _moves()})
    if kind < 0.32:
        ended = await journal.find(**_WHO, states=tuple(map(str, ENDED)))
        if ended:
            lost = rng.choice(ended)
            follow(TransactionState(lost.state), _PENDING)
            return Write("reopen", lost.id, {})
    if opened and kind < 0.88:
        return _go_on(opened[0], rng)
    nonce = await journal.next_nonce(**_WHO, states=tuple(map(str, TransactionState)))
    return Write("begin", None, {**_WHO, "nonce": nonce, **_form(rng)})


def _moves() -> dict[str, str]:
    return {str(state): str(deep) for state, deep in DEEP.items()}


def _form(rng: random.Random) -> dict[str, Any]:
    fee = rng.randrange(10**9, 10**12)
    return {
        "purpose": "submit",
        "target": _TARGET,
        "data": rng.randbytes(rng.randrange(4, 2_500)),
        "gas": rng.randrange(21_000, 10**6),
        "feeds": tuple(sorted(rng.sample(range(64), 3))),
        "hash_": rng.randbytes(32),
        "raw": rng.randbytes(rng.randrange(100, 2_500)),
        "max_fee_wei": fee,
        "max_priority_fee_wei": fee // 2,
    }


def _go_on(slot: JournaledTransaction, rng: random.Random) -> Write:
    """Another form, or the end."""
    if rng.random() < 0.35:
        return Write("add_attempt", slot.id, _form(rng))
    state = follow(_PENDING, rng.choice(_ENDS))
    values: dict[str, Any] = {"state": str(state), "block": rng.randrange(1, 400)}
    if state is not TransactionState.REPLACED:
        values |= {
            "hash_": rng.choice(slot.attempts).hash,
            "block_hash": rng.randbytes(32),
            "gas_used": rng.randrange(21_000, 10**6),
            "gas_price_wei": rng.randrange(10**9, 10**12),
        }
    return Write("finish", slot.id, values)


def _report(rng: random.Random) -> Write:
    values = {
        "chain_id": _WHO["chain_id"],
        "hub": _TARGET,
        "observed_at": rng.randrange(10**9, 2 * 10**9),
        "signer": _TARGET,
        "report": rng.randbytes(rng.randrange(100, 1_000)),
    }
    return Write("add_report", None, values)


def _evidence(rng: random.Random) -> Write:
    values = {
        "chain_id": _WHO["chain_id"],
        "registry": _TARGET,
        "signer": _TARGET,
        "ref_block": rng.randrange(1, 400),
        "evidence": rng.randbytes(5_000),
    }
    return Write("add_evidence", None, values)


def holds(database: sqlite3.Connection) -> str:
    """A digest of all that it holds but times; 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for table, columns in _COLUMNS.items():
        for row in database.execute(f"SELECT {columns} FROM {table} ORDER BY rowid"):
            digest.update(repr((table, row)).encode())
    return digest.hexdigest()


def faults(database: sqlite3.Connection) -> list[str]:
    """What is not whole about it; empty if all is well."""
    found = [f"integrity: {row[0]}" for row in database.execute("PRAGMA integrity_check")]
    found = [each for each in found if each != "integrity: ok"]
    found += [f"reference: {row}" for row in database.execute("PRAGMA foreign_key_check")]
    bare = database.execute(
        "SELECT id FROM transactions WHERE id NOT IN (SELECT transaction_id FROM attempts)"
    )
    found += [f"transaction {row[0]} has no form" for row in bare]
    states = {str(state) for state in TransactionState}
    rows = database.execute("SELECT nonce, state FROM transactions").fetchall()
    found += [f"nonce {nonce} is {state}" for nonce, state in rows if state not in states]
    nonces = [nonce for nonce, _ in rows]
    return found + [f"nonce {n} is there twice" for n in {*nonces} if nonces.count(n) > 1]
