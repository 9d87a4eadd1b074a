"""A process that writes a journal and records what SQLite does to its files meanwhile.

`python -m tests.integration.journal_recorder FOLDER SEED WRITES` prints the trace, an event a line:
those of the files, and a mark `begun` before and `done` after each write of the journal; the latter
with the digest of what it holds then. In between the journal is closed and opened again, as at a
restart of the node.
"""

import asyncio
import random
import sys
from pathlib import Path

from oracle.store import open_journal
from tests.fakes.journal_traffic import RETENTION, draw, holds
from tests.fakes.recording_disk import Event, NoVfs, record

#: Writes between two restarts.
_RUN = 30
#: Pages after which the log is brought into the file, so that it happens often.
_PRAGMA = "PRAGMA wal_autocheckpoint = 40"


async def write(path: Path, seed: int, writes: int, events: list[Event]) -> None:
    """Write so much, and record it; nothing but the opening of the journal if that is nothing."""
    rng = random.Random(seed)
    for begin in range(0, max(1, writes), _RUN):
        async with open_journal(path, retention=RETENTION) as journal:
            await journal._run(lambda database: database.execute(_PRAGMA))
            for _ in range(begin, min(begin + _RUN, writes)):
                drawn = await draw(journal, rng)
                events.append(Event("begun", ""))
                await drawn.make(journal)
                digest = await journal._run(holds)
                events.append(Event("done", "", data=bytes.fromhex(digest)))


def main(folder: Path, seed: int, writes: int) -> None:
    """Record it, and print it."""
    events: list[Event] = []
    try:
        recorder = record(events.append)
    except NoVfs as error:
        print(error)
        return
    asyncio.run(write(folder / "oracle.db", seed, writes, events))
    del recorder
    for event in events:
        print(event.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
