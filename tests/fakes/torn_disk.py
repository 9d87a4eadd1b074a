"""A disk that loses its power: which of the things told to it are there afterwards.

What is modelled: whatever was told of a file before its last barrier (`fsync`) is there. Of what
was told after it each write, by itself, is there, is not, or is torn: cut at a byte or a sector, or
some of its sectors alone. So later ones may be there without earlier ones. A file that had grown
may have its new size with zeros or old rubbish in it. A truncation that no barrier followed may not
have happened. A file may be there that was deleted, and not be there that was made, as long as
there was no barrier of the folder, nor of the new file.

What is not: a disk that says of data which it does not have that it has it; bytes that change
without being written; a write that harms bytes beside its own. Two writes of the same bytes are
there in their order, as the system's cache has only the last.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.recording_disk import Event

SECTOR = 512


@dataclass(slots=True)
class _File:
    """One file.

    Attributes:
        safe: What is there whatever happens; `None` if that is nothing.
        doubtful: What was told since.
    """

    safe: bytearray | None = None
    doubtful: list[Event] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Something is told of it, or of its folder."""
        if event.kind == "sync":
            self.safe = _whole(self.safe, self.doubtful)
            self.doubtful = []
        elif event.kind == "sync-folder":
            self._keep_name()
        else:
            self.doubtful.append(event)

    def _keep_name(self) -> None:
        """Whether there is a file is no longer in doubt; what is in it may be."""
        ends = [at for at, each in enumerate(self.doubtful) if each.kind == "delete"]
        if ends:
            self.safe, self.doubtful = None, self.doubtful[ends[-1] + 1 :]
        if self.safe is None and self.doubtful:
            self.safe = bytearray()

    def after_the_crash(self, rng: random.Random) -> bytearray | None:
        """What is there; `None` if it is no file."""
        ends = [at for at, each in enumerate(self.doubtful) if each.kind == "delete"]
        # Names change in order: the first so many of the deletions have happened.
        happened = rng.randrange(len(ends) + 1)
        begin = ends[happened - 1] + 1 if happened else 0
        end = ends[happened] if happened < len(ends) else len(self.doubtful)
        told = self.doubtful[begin:end]
        before = None if happened else self.safe
        if before is None and (not told or rng.random() < 0.2):
            return None
        return _survived(bytearray(before or b""), told, rng)


def _whole(content: bytearray | None, told: Sequence[Event]) -> bytearray | None:
    for event in told:
        if event.kind == "delete":
            content = None
        else:
            content = bytearray() if content is None else content
            _do(content, event)
    return content


def _do(content: bytearray, event: Event) -> None:
    if event.kind == "truncate":
        del content[event.offset :]
        return
    _grow(content, event.offset + len(event.data), b"")
    content[event.offset : event.offset + len(event.data)] = event.data


def _grow(content: bytearray, size: int, rubbish: bytes) -> None:
    lacking = max(0, size - len(content))
    content += rubbish[:lacking].ljust(lacking, b"\0")


def _survived(content: bytearray, told: Sequence[Event], rng: random.Random) -> bytearray:
    is_whole, is_none = rng.random() < 0.1, rng.random() < 0.1
    for event in told:
        fate = 0.0 if is_whole else 0.5 if is_none else rng.random()
        if fate < 0.4:
            _do(content, event)
        elif event.kind == "write" and fate >= 0.6:
            _tear(content, event, rng)
        if event.kind == "write" and not is_none and rng.random() < 0.3:
            rubbish = rng.randbytes(len(event.data)) if rng.random() < 0.5 else b""
            _grow(content, event.offset + len(event.data), rubbish)
    return content


def _tear(content: bytearray, event: Event, rng: random.Random) -> None:
    """Part of a write: up to a byte, up to a sector, from a sector on, or any of its sectors."""
    size = len(event.data)
    sectors = range(0, size, SECTOR)
    cut = rng.randrange(size + 1)
    match rng.randrange(4):
        case 0:
            parts = [(0, cut)]
        case 1:
            parts = [(0, cut // SECTOR * SECTOR)]
        case 2:
            parts = [(cut // SECTOR * SECTOR, size)]
        case _:
            parts = [(at, at + SECTOR) for at in sectors if rng.random() < 0.5]
    for begin, end in parts:
        _do(content, Event("write", event.name, event.offset + begin, event.data[begin:end]))


def crash(events: Sequence[Event], folder: Path, rng: random.Random) -> int:
    """Write the files that are there after a crash which followed the last of these events.

    Args:
        events: From the first on; marks are passed over.
        folder: Empty; the disk after the crash.
        rng: Decides what became of what no barrier had followed.

    Returns:
        How many events were in doubt.
    """
    files: dict[str, _File] = {}
    for event in events:
        if event.name:
            files.setdefault(event.name, _File()).take(event)
        elif event.kind == "sync-folder":
            for file in files.values():
                file.take(event)
    for name, file in files.items():
        content = file.after_the_crash(rng)
        if content is not None:
            (folder / name).write_bytes(content)
    return sum(len(file.doubtful) for file in files.values())


def without_barriers(events: Sequence[Event]) -> list[Event]:
    """The same on a disk that obeys none of them."""
    return [event for event in events if not event.kind.startswith("sync")]
