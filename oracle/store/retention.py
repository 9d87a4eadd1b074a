"""What the journal forgets: what ended long ago, when newer transactions and reports are enough."""

import sqlite3
from dataclasses import dataclass

#: Transactions in these states are looked at no more; see `oracle.chain.states`.
_ENDED = ("settled", "failed", "lost")


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept. A row goes when it is neither among the newest nor young.

    Attributes:
        rows: Newest transactions, and newest reports.
        evidence: Newest pieces of evidence; each names a signer of an earlier run.
        age_s: Youngest that may go, seconds; at least the day that the gas budget looks back.
    """

    rows: int = 20_000
    evidence: int = 1_000
    age_s: int = 172_800


def prune(database: sqlite3.Connection, retention: Retention, *, now: int) -> None:
    """Delete what need not be kept, in the caller's transaction.

    Whatever may still change stays: a transaction that has not ended, with all its forms.

    Args:
        database: The journal.
        retention: What is kept.
        now: Seconds since the epoch.
    """
    before = now - retention.age_s
    database.execute("CREATE TEMP TABLE IF NOT EXISTS old (id INTEGER PRIMARY KEY)")
    database.execute("DELETE FROM old")
    database.execute(
        "INSERT INTO old SELECT id FROM transactions WHERE created_at < ? AND state IN (?, ?, ?)"
        " AND id <= (SELECT id FROM transactions ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (before, *_ENDED, retention.rows),
    )
    database.execute("DELETE FROM attempts WHERE transaction_id IN (SELECT id FROM old)")
    database.execute("DELETE FROM transactions WHERE id IN (SELECT id FROM old)")
    database.execute(
        "DELETE FROM reports WHERE created_at < ? AND rowid <="
        " (SELECT rowid FROM reports ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
        (before, retention.rows),
    )
    database.execute(
        "DELETE FROM evidence WHERE created_at < ? AND id <="
        " (SELECT id FROM evidence ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (before, retention.evidence),
    )
