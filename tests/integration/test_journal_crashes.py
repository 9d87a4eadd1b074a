"""The journal's file, whatever ends the process or the machine: all that was promised is there.

A process that is killed leaves the system all that it wrote; a machine that loses its power may
lose, tear and mix up whatever no barrier (`fsync`) followed. `tests.fakes.torn_disk` says exactly
what is modelled, and what is not: disks that lie about barriers, and bytes that rot.
"""

import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from oracle.store import JournalError, open_journal
from oracle.store.database import open_database
from tests.fakes.journal_traffic import faults, holds, memory_database
from tests.fakes.journal_versions import make_version_1
from tests.fakes.recording_disk import Event
from tests.fakes.torn_disk import crash, without_barriers

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3_600)]

_SEED = 6
_WRITES = 90


def _is_nightly() -> bool:
    return settings.get_current_profile_name() == "nightly"


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, if there is one: neither kills nor simulated crashes need a disk."""
    disk = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=disk, prefix="journal-") as folder:
        yield Path(folder)


def _run(module: str, *arguments: object) -> str:
    command = [sys.executable, "-m", f"tests.integration.{module}", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_killed_at_any_time_leaves_all_it_promised(memory: Path) -> None:
    """And nothing by halves; the next one goes on with the nonce that follows."""
    counts = _run("journal_killer", memory, _SEED, 10_000 if _is_nightly() else 300)
    print(counts.strip())
    assert " which was there" in counts


@dataclass(frozen=True, slots=True)
class Crash:
    """How one ended.

    Attributes:
        doubtful: How many events no barrier had followed.
        wrong: What is not as it should be afterwards.
    """

    doubtful: int
    wrong: Sequence[str]


@dataclass(frozen=True, slots=True)
class Trace:
    """What was recorded.

    Attributes:
        events: In order, marks included.
        held: Digest of what the journal held after so many writes.
    """

    events: Sequence[Event]
    held: Sequence[str]

    def crash(self, end: int, folder: Path, rng: random.Random, *, obeys: bool = True) -> Crash:
        """Lose the power after so many events, and open what is left.

        Args:
            end: How many.
            folder: For the disk.
            rng: Decides what became of what was in doubt.
            obeys: Whether the disk knows barriers.
        """
        told = self.events[:end] if obeys else without_barriers(self.events[:end])
        done = sum(event.kind == "done" for event in told)
        begun = sum(event.kind == "begun" for event in told)
        with tempfile.TemporaryDirectory(dir=folder) as disk:
            doubtful = crash(told, Path(disk), rng)
            wrong = self._opened(Path(disk) / "oracle.db", done, begun)
        return Crash(doubtful, [f"after event {end}: {each}" for each in wrong])

    def _opened(self, path: Path, done: int, begun: int) -> list[str]:
        try:
            with closing(open_database(path)) as database:
                found, wrong = holds(database), faults(database)
        except JournalError as error:
            return [str(error)]
        if found not in self.held[done : begun + 1]:
            after = self.held.index(found) if found in self.held else "none"
            wrong.append(f"it is as after {after} writes, wanted {done} or, in doubt, {begun}")
        return wrong


def _record(path: Path, writes: int, empty: Path) -> Trace:
    """Record a process that writes this journal, which may be there before.

    Args:
        path: Of the journal.
        writes: How many.
        empty: A journal that holds the same at first.
    """
    before: list[Event] = []
    if path.exists():
        before = [Event("write", path.name, 0, path.read_bytes()), Event("sync", path.name)]
    lines = _run("journal_recorder", path.parent, _SEED, writes).splitlines()
    if len(lines) == 1:
        pytest.skip(lines[0])
    events = [*before, *map(Event.decode, lines)]
    with closing(memory_database(empty)) as database:
        held = [holds(database)]
    return Trace(events, held + [event.data.hex() for event in events if event.kind == "done"])


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Of a new journal with restarts and checkpoints."""
    folder = tmp_path_factory.mktemp("recorded")
    return _record(folder / "oracle.db", _WRITES, folder / "empty.db")


def test_a_machine_that_loses_its_power_keeps_all_it_promised(trace: Trace, memory: Path) -> None:
    """Whatever became of the writes that no barrier followed; and it opens, always."""
    counts: Counter[str] = Counter()
    for number in range(10_000 if _is_nightly() else 500):
        rng = random.Random(f"{_SEED} {number}")
        crashed = trace.crash(rng.randrange(1, len(trace.events) + 1), memory, rng)
        assert not crashed.wrong, f"seed {_SEED}, crash {number}: {crashed.wrong}"
        counts["crashes"] += 1
        counts["with writes in doubt"] += crashed.doubtful > 0
        counts["writes in doubt"] += crashed.doubtful
    said = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"seed {_SEED}, {len(trace.events)} events of {_WRITES} writes: {said}")
    assert counts["with writes in doubt"] > counts["crashes"] // 2


def test_a_disk_without_barriers_is_found_to_lose(trace: Trace, memory: Path) -> None:
    """So the one before it can fail: here what was promised is gone, or the file is broken."""
    crashes = 20
    lost = 0
    for number in range(crashes):
        rng = random.Random(f"{_SEED} {number}")
        end = rng.randrange(len(trace.events) // 2, len(trace.events))
        lost += bool(trace.crash(end, memory, rng, obeys=False).wrong)
    print(f"seed {_SEED}: {lost} of {crashes}")
    assert lost > crashes // 2


@pytest.mark.parametrize("is_old", [False, True], ids=["new", "version 1"])
def test_the_first_opening_may_end_anywhere(tmp_path: Path, memory: Path, *, is_old: bool) -> None:
    """Schema and migration are there whole or not at all, and the next opening ends it."""
    path, empty = tmp_path / "oracle.db", tmp_path / "empty.db"
    if is_old:
        make_version_1(path)
        make_version_1(empty)
    opening = _record(path, 0, empty)
    rounds = 40 if _is_nightly() else 2
    for end in range(2 if is_old else 1, len(opening.events) + 1):
        for number in range(rounds):
            crashed = opening.crash(end, memory, random.Random(f"{_SEED} {end} {number}"))
            assert not crashed.wrong, f"seed {_SEED}, crash {number}: {crashed.wrong}"
    print(f"seed {_SEED}: {rounds} crashes after each of {len(opening.events)} events")


async def test_what_is_promised_is_behind_a_barrier(trace: Trace, tmp_path: Path) -> None:
    """`synchronous=FULL`, and as SQLite was seen to do it: no write ends before its barrier."""
    async with open_journal(tmp_path / "oracle.db") as journal:
        assert await journal._run(_pragmas) == [2, "wal"]
    doubtful: set[str] = set()
    for event in trace.events:
        if event.kind == "write":
            doubtful.add(event.name)
        elif event.kind == "sync":
            doubtful.discard(event.name)
        assert event.kind != "done" or "oracle.db-wal" not in doubtful


def _pragmas(database: sqlite3.Connection) -> list[object]:
    names = ("synchronous", "journal_mode")
    return [database.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
