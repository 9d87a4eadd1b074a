"""The journal's file: its lock, its schema, and whether it is whole."""

import errno
import fcntl
import sqlite3
from pathlib import Path
from typing import TextIO

from enclave.domain.errors import OracleError

_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY,
    chain_id INTEGER NOT NULL,
    submitter TEXT NOT NULL,
    nonce INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    target TEXT NOT NULL,
    data BLOB NOT NULL,
    gas INTEGER NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    hash BLOB,
    block INTEGER,
    block_hash BLOB,
    gas_used INTEGER,
    gas_price_wei TEXT,
    note TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX transactions_by_nonce ON transactions (chain_id, submitter, nonce);
CREATE INDEX transactions_by_state ON transactions (state);
CREATE TABLE attempts (
    hash BLOB PRIMARY KEY,
    transaction_id INTEGER NOT NULL REFERENCES transactions (id),
    raw BLOB NOT NULL,
    max_fee_wei TEXT NOT NULL,
    max_priority_fee_wei TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    target TEXT NOT NULL,
    data BLOB NOT NULL,
    gas INTEGER NOT NULL,
    feeds TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_transaction ON attempts (transaction_id);
CREATE TABLE reports (
    chain_id INTEGER NOT NULL,
    hub TEXT NOT NULL,
    observed_at INTEGER NOT NULL,
    signer TEXT NOT NULL,
    report BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (chain_id, hub, observed_at, signer)
) STRICT;
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    chain_id INTEGER NOT NULL,
    registry TEXT NOT NULL,
    signer TEXT NOT NULL,
    ref_block INTEGER NOT NULL,
    evidence BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX evidence_by_signer ON evidence (chain_id, registry, signer);
"""
#: From version 1: one nonce may have forms of several calls, and a mined one knows its block.
_TO_VERSION_2 = """
ALTER TABLE transactions ADD COLUMN block_hash BLOB;
ALTER TABLE attempts ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN data BLOB NOT NULL DEFAULT x'';
ALTER TABLE attempts ADD COLUMN gas INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN feeds TEXT NOT NULL DEFAULT '';
UPDATE attempts SET (purpose, target, data, gas) =
    (SELECT purpose, target, data, gas FROM transactions WHERE id = transaction_id);
"""


class JournalError(OracleError):
    """The journal cannot be read or written: stop; the operator must act."""


class JournalLocked(JournalError):
    """Another daemon works with this journal."""


_FULL = "the disk is full: make room, then start the node again; it sends nothing unwritten"
_READ_ONLY = (
    "it cannot be written: is the disk mounted read-only, or does the folder belong to another"
    " user? then start the node again"
)
_CORRUPT = (
    "move it away together with its -wal and -shm, keep all three, and start the node again with a"
    " fresh one: nonces are taken from the chain"
)
_BROKEN = "is the disk full or failing (`dmesg`)? mend that, then start the node again"
_BUSY = "another program has it open for writing: end that one"
#: SQLite's primary result codes.
_ADVICE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    sqlite3.SQLITE_IOERR: _BROKEN,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
}
_OS_ADVICE = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EIO: _BROKEN}


def journal_fault(path: Path, error: sqlite3.Error | OSError) -> JournalError:
    """What is wrong with the journal, and what the operator does about it; one line."""
    if isinstance(error, OSError):
        advice = _OS_ADVICE.get(error.errno or 0, _READ_ONLY)
        return JournalError(f"journal {path}: {error.strerror}: {advice}")
    # The low byte of an extended code is its primary one.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = _ADVICE.get(code, "see oracle/README.md, The journal")
    return JournalError(f"journal {path}: {error}: {advice}")


def lock_journal(path: Path) -> TextIO:
    """Take the journal for this process alone; closing the file gives it back.

    Raises:
        JournalLocked: Another process has it.
        JournalError: Its folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("w")
    except OSError as error:
        raise journal_fault(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalLocked(f"another daemon works with the journal {path}") from error
    return lock


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make the database; for one thread at a time.

    Raises:
        JournalError: It is corrupt, of a newer version, or cannot be written.
    """
    database = None
    try:
        database = sqlite3.connect(path, timeout=5, check_same_thread=False)
        path.chmod(0o600)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise JournalError(f"journal {path} is corrupt: {problem}: {_CORRUPT}")
        _migrate(database, path)
        # A disk that is full or read-only is found now, not when the first report is due.
        database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except (sqlite3.Error, OSError) as error:
        _close(database)
        raise journal_fault(path, error) from error
    except JournalError:
        _close(database)
        raise
    return database


def _close(database: sqlite3.Connection | None) -> None:
    if database is not None:
        database.close()


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > _SCHEMA_VERSION:
        raise JournalError(
            f"journal {path} is of version {version}, wanted {_SCHEMA_VERSION}: run the newer node"
            " that wrote it, or give this one its own store.path"
        )
    script = {0: _SCHEMA, 1: _TO_VERSION_2}.get(version)
    if script is not None:
        database.executescript(f"BEGIN; {script} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
