"""Which processes there are, from /proc."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def parents() -> dict[int, tuple[int, str]]:
    """Process id -> parent's id and state, of every process."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(folder.name)] = (int(fields[1]), fields[0])
    return found


def descendants(ancestor: int) -> set[int]:
    """Living processes below one."""
    known = parents()
    found: set[int] = set()
    while True:
        more = {
            process_id
            for process_id, (parent, state) in known.items()
            if (parent == ancestor or parent in found) and state != "Z"
        }
        if more <= found:
            return found
        found |= more


def command_line(process_id: int) -> str:
    """Arguments of a process, with spaces; empty if it is gone."""
    try:
        raw = Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


@contextmanager
def adopting_orphans() -> Iterator[set[int]]:
    """Let orphans of this process's children become its own children, so that they are found.

    Yields:
        The processes that were below this one before.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    known = set(parents())
    try:
        yield descendants(os.getpid())
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        for process_id, (parent, state) in parents().items():
            if process_id not in known and parent == os.getpid() and state == "Z":
                os.waitpid(process_id, os.WNOHANG)


def left_behind(before: set[int]) -> list[str]:
    """Command lines of the living processes below this one that were not there before."""
    return [command_line(found) for found in descendants(os.getpid()) - before]
