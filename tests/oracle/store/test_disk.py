"""Disks that are full or read-only, and files that are broken: a clear stop, and nothing lost.

The disks are real ones: memory with a file system of a bounded size, mounted in a namespace of its
own, and the kernel's own limit of a file's size.
"""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.store import Journal, JournalError, open_journal, read_summary

_UNSHARE = shutil.which("unshare")
#: Writes intents until that fails; prints how many were promised, then the fault.
_WRITER = """
import asyncio, sys
from pathlib import Path
from oracle.store import JournalError, open_journal

async def main(path):
    kept = 0
    try:
        async with open_journal(path) as journal:
            while kept < 2000:
                await journal.add_evidence(chain_id=1, registry="0xR", signer=f"0x{kept}",
                                           ref_block=kept, evidence=bytes(2000))
                kept += 1
    except JournalError as error:
        print(kept, error, flush=True)
        return
    print(kept, "no fault", flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


def _can_mount() -> bool:
    if _UNSHARE is None:
        return False
    trial = [_UNSHARE, "-Urm", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
    return subprocess.run(trial, check=False, capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(
    not _can_mount(), reason="this machine does not let its users mount file systems (unshare)"
)


def _write(path: Path, *before: str, limit: int | None = None) -> tuple[int, str]:
    """How many records were promised, and the fault."""

    def bound() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [*before, sys.executable, "-c", _WRITER, str(path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        preexec_fn=bound,
    )
    assert done.returncode == 0, done.stderr
    kept, _, fault = done.stdout.strip().partition(" ")
    return int(kept), fault


def _evidence(path: Path) -> int:
    with sqlite3.connect(path) as database:
        found = int(database.execute("SELECT COUNT(*) FROM evidence").fetchone()[0])
    database.close()
    return found


async def test_a_file_that_may_not_grow_is_a_clear_stop_and_keeps_what_was_promised(
    tmp_path: Path,
) -> None:
    path = tmp_path / "oracle.db"
    kept, fault = _write(path, limit=400_000)
    assert kept > 0
    assert fault.startswith(f"journal {path}: ")
    assert fault.endswith("then start the node again")
    async with open_journal(path):
        assert _evidence(path) == kept


@needs_mount
async def test_a_full_disk_is_a_clear_stop_and_keeps_what_was_promised(tmp_path: Path) -> None:
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=512k none {disk} && "
        f'"$@"; status=$?; cp -r {disk} {saved}; exit $status'
    )
    kept, fault = _write(disk / "oracle.db", _UNSHARE or "", "-Urm", "sh", "-c", script, "-")
    assert kept > 0
    assert "the disk is full: make room" in fault
    async with open_journal(saved / "oracle.db"):
        assert _evidence(saved / "oracle.db") == kept


@needs_mount
@pytest.mark.parametrize("is_there", [False, True])
async def test_a_read_only_disk_is_a_clear_stop_at_the_start(
    tmp_path: Path, is_there: bool
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if is_there:
        async with open_journal(disk / "oracle.db"):
            pass
    script = f'mount --bind {disk} {disk} && mount -o remount,bind,ro {disk} && "$@"'
    kept, fault = _write(disk / "oracle.db", _UNSHARE or "", "-Urm", "sh", "-c", script, "-")
    assert kept == 0
    assert "it cannot be written: is the disk mounted read-only" in fault


@needs_mount
async def test_a_disk_without_any_room_is_found_at_the_start(tmp_path: Path) -> None:
    source, disk = tmp_path / "source", tmp_path / "disk"
    source.mkdir()
    disk.mkdir()
    async with open_journal(source / "oracle.db"):
        pass
    script = (
        f"mount -t tmpfs -o size=512k none {disk} && cp {source}/* {disk}/ && "
        f'(cat /dev/zero > {disk}/rest 2>/dev/null; "$@")'
    )
    kept, fault = _write(disk / "oracle.db", _UNSHARE or "", "-Urm", "sh", "-c", script, "-")
    assert kept == 0
    assert "full" in fault


async def test_what_is_no_database_says_how_to_go_on_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "oracle.db"
    path.write_bytes(b"something else" * 500)
    with pytest.raises(JournalError, match="move it away together with its -wal and -shm"):
        async with open_journal(path):
            raise AssertionError
    assert path.read_bytes() == b"something else" * 500


async def test_a_page_that_breaks_while_the_journal_is_open_is_a_clear_stop(
    tmp_path: Path,
) -> None:
    path = tmp_path / "oracle.db"
    kept, _ = _write(path)
    assert kept == 2000
    async with open_journal(path) as journal:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(size - 4096))
        with pytest.raises(JournalError, match=rf"journal {path}: .*: move it away"):
            await _use(journal, kept)


async def _use(journal: Journal, records: int) -> None:
    for number in range(records):
        await journal.has_signer(chain_id=1, registry="0xR", signer=f"0x{number}")
        await journal.add_evidence(
            chain_id=1, registry="0xR", signer="0x", ref_block=1, evidence=b""
        )


async def test_another_writer_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "oracle.db"
    async with open_journal(path) as journal:
        await journal._run(lambda database: database.execute("PRAGMA busy_timeout = 1"))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another program has it open for writing"):
            await journal.add_evidence(
                chain_id=1, registry="0xR", signer="0x", ref_block=1, evidence=b""
            )
        other.close()
    assert read_summary(path)["transactions"] == {}
