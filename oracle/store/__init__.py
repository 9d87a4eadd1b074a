"""The journal: what must survive a restart of the host."""

from oracle.store.database import JournalError, JournalLocked
from oracle.store.journal import (
    Attempt,
    Journal,
    JournaledTransaction,
    open_journal,
)
from oracle.store.reading import read_last_evidence, read_summary
from oracle.store.retention import Retention

__all__ = [
    "Attempt",
    "Journal",
    "JournalError",
    "JournalLocked",
    "JournaledTransaction",
    "Retention",
    "open_journal",
    "read_last_evidence",
    "read_summary",
]
