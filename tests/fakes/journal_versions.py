"""Journals as older versions of the node left them."""

import sqlite3
from contextlib import closing
from pathlib import Path

_VERSION_1 = """
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY, chain_id INTEGER NOT NULL, submitter TEXT NOT NULL,
    nonce INTEGER NOT NULL, purpose TEXT NOT NULL, target TEXT NOT NULL, data BLOB NOT NULL,
    gas INTEGER NOT NULL, state TEXT NOT NULL, created_at INTEGER NOT NULL, finished_at INTEGER,
    hash BLOB, block INTEGER, gas_used INTEGER, gas_price_wei TEXT, note TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE attempts (
    hash BLOB PRIMARY KEY, transaction_id INTEGER NOT NULL REFERENCES transactions (id),
    raw BLOB NOT NULL, max_fee_wei TEXT NOT NULL, max_priority_fee_wei TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE reports (
    chain_id INTEGER NOT NULL, hub TEXT NOT NULL, observed_at INTEGER NOT NULL,
    signer TEXT NOT NULL, report BLOB NOT NULL, created_at INTEGER NOT NULL,
    PRIMARY KEY (chain_id, hub, observed_at, signer)
) STRICT;
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY, chain_id INTEGER NOT NULL, registry TEXT NOT NULL,
    signer TEXT NOT NULL, ref_block INTEGER NOT NULL, evidence BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX transactions_by_nonce ON transactions (chain_id, submitter, nonce);
CREATE INDEX transactions_by_state ON transactions (state);
CREATE INDEX attempts_by_transaction ON attempts (transaction_id);
CREATE INDEX evidence_by_signer ON evidence (chain_id, registry, signer);
INSERT INTO transactions VALUES
    (1, 31337, '0xA', 0, 'submit', '0xB', x'01', 9, 'mined', 1, 2, x'aa', 5, 6, '7', ''),
    (2, 31337, '0xA', 1, 'take', '0xC', x'02', 10, 'pending', 3, NULL, NULL, NULL, NULL, NULL, '');
INSERT INTO attempts VALUES (x'aa', 1, x'0a', '3', '2', 1), (x'bb', 2, x'0b', '5', '4', 3);
INSERT INTO reports VALUES (31337, '0xB', 5, '0xS', x'0c', 6);
INSERT INTO evidence VALUES (1, 31337, '0xR', '0xS', 7, x'0d', 8);
PRAGMA user_version = 1;
"""


def make_version_1(path: Path) -> None:
    """A journal of version 1: two transactions, a report, a piece of evidence."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_VERSION_1)
