"""Processes that write a journal, killed at random; what the next one finds.

`python -m tests.integration.journal_killer FOLDER SEED KILLS` prints a line of counts, or ends with
1 and the recipe of what went wrong. Each life is a fork of this process, which has one thread and
all modules at hand, and goes on with the journal of the one before it. The seed draws what each
writes and after which of its words it is killed; how far it is by then, the machine draws.
"""

import asyncio
import gc
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from oracle.store import Journal, open_journal
from oracle.store.database import open_database
from tests.fakes.journal_traffic import (
    RETENTION,
    Write,
    draw,
    faults,
    holds,
    memory_database,
    memory_journal,
)

#: Most writes of a life.
_WRITES = 10
#: Longest wait between the last line that is heard of a life and its end: a write or two.
_JITTER_S = 0.002
#: Pages after which the log is brought into the file; as much happens with SQLite's 1,000.
_CHECKPOINT_PAGES = 24


async def live(path: Path, rng: random.Random, writes: int, pipe: int) -> None:
    """Open the journal, say what it holds, write, and say each write before and after it."""

    def say(line: str) -> None:
        os.write(pipe, line.encode() + b"\n")

    def look(database: sqlite3.Connection) -> str:
        database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return "; ".join(faults(database)) or holds(database)

    async with open_journal(path, retention=RETENTION) as journal:
        say("= " + await journal._run(look))
        for _ in range(writes):
            write = await draw(journal, rng)
            say("> " + write.encode())
            await write.make(journal)
            say("+")


@dataclass
class Killer:
    """Who kills them.

    Attributes:
        path: Of the journal.
        shadow: In memory, what it should hold.
        writer: As which the last life wrote it.
        counts: What happened, for people.
        nonces: How many were begun.
        doubtful: The write that the last life was in when it was killed.
    """

    path: Path
    seed: int
    shadow: sqlite3.Connection
    writer: Journal
    counts: Counter[str] = field(default_factory=Counter)
    nonces: int = 0
    doubtful: Write | None = None

    def end_life(self, number: int) -> None:
        """One life and its end.

        Raises:
            AssertionError: Something is lost, half written or not whole.
        """
        rng = random.Random(f"{self.seed} {number}")
        writes = rng.randrange(1, _WRITES)
        lines, jitter_s = rng.randrange(2 * writes + 2), rng.random() * _JITTER_S
        with self._life(rng, writes) as (child, said):
            heard = [line for _ in range(lines) if (line := said.readline())]
            time.sleep(jitter_s)
            os.kill(child, signal.SIGKILL)
            heard += said.readlines()
        self.counts["lives"] += 1
        # What is said by halves was not begun.
        asyncio.run(self._check([line.decode()[:-1] for line in heard if line.endswith(b"\n")]))

    @contextmanager
    def _life(self, rng: random.Random, writes: int) -> Iterator[tuple[int, BufferedReader]]:
        """Its process and what it says; unbuffered, since lines are awaited one by one."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                asyncio.run(live(self.path, rng, writes, writing))
                os._exit(0)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as said:
            yield child, said
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"it failed: {status}"
        self.counts["killed"] += os.WIFSIGNALED(status)

    async def _check(self, heard: list[str]) -> None:
        if not heard:
            self.counts["in the opening"] += 1
            return
        await self._check_opened(heard[0].removeprefix("= "))
        self.writer = memory_journal(self.shadow)
        for line in heard[1:]:
            if line == "+":
                await self._take()
                self.counts["writes"] += 1
            else:
                self.doubtful = Write.decode(line.removeprefix("> "))
        self.counts["in a write"] += self.doubtful is not None

    async def _check_opened(self, seen: str) -> None:
        """It holds all that was acknowledged, and the write in doubt whole or not at all."""
        if seen != holds(self.shadow):
            assert self.doubtful is not None, f"what was acknowledged is not there: {seen}"
            doubtful = self.doubtful
            await self._take()
            assert seen == holds(self.shadow), f"neither before nor after {doubtful}: {seen}"
            self.counts["which was there"] += 1
        self.doubtful = None

    async def _take(self) -> None:
        """The write in doubt is there."""
        assert self.doubtful is not None
        write, self.doubtful = self.doubtful, None
        if write.method == "begin":
            assert write.values["nonce"] == self.nonces, f"a gap: {write}, wanted {self.nonces}"
            self.nonces += 1
        await write.make(self.writer)

    async def check_the_end(self) -> None:
        """What the last of them left is whole, too."""
        with closing(open_database(self.path)) as database:
            assert faults(database) == []
            await self._check_opened(holds(database))


def main(folder: Path, seed: int, kills: int) -> str:
    """Kill so many.

    Returns:
        Counts, for people.

    Raises:
        AssertionError: With the recipe of what went wrong.
    """
    shadow = memory_database(folder / "empty.db")
    killer = Killer(folder / "oracle.db", seed, shadow, memory_journal(shadow))
    number = 0
    gc.freeze()
    try:
        while killer.counts["killed"] < kills:
            number += 1
            killer.end_life(number)
        asyncio.run(killer.check_the_end())
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, life {number}: {error}") from error
    said = ", ".join(f"{count} {what}" for what, count in sorted(killer.counts.items()))
    return f"seed {seed}: {said}; {killer.nonces} nonces"


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
