"""What commands read of a journal beside the running node, without its lock."""

import sqlite3
from pathlib import Path
from typing import Any

from oracle.store.database import JournalError


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
                "SELECT chain_id, nonce, purpose, state, hex(hash), block, gas_used, note"
                " FROM transactions ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        finally:
            database.close()
    except sqlite3.Error as error:
        raise JournalError(f"journal {path}: {error}") from error
    names = ("chain_id", "nonce", "purpose", "state", "hash", "block", "gas_used", "note")
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
