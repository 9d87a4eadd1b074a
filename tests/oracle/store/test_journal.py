"""The journal: what it promises after each call, and who may open it."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from oracle.store import (
    JournalError,
    JournalLocked,
    open_journal,
    read_last_evidence,
    read_summary,
)
from tests.fakes.journal_versions import make_version_1

WHO: dict[str, Any] = {"chain_id": 31_337, "submitter": "0xA"}
CALL: dict[str, Any] = {"purpose": "submit", "target": "0xB", "data": b"data", "gas": 100_000}
FORM: dict[str, Any] = {
    **CALL,
    "hash_": b"\x01" * 32,
    "raw": b"raw",
    "max_fee_wei": 10**30,
    "max_priority_fee_wei": 1,
}


def _intent(nonce: int, **form: Any) -> dict[str, Any]:
    return {
        **WHO,
        "nonce": nonce,
        **FORM,
        **form,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oracle.db"


async def test_an_intent_is_pending_with_its_signed_form(path: Path) -> None:
    async with open_journal(path) as journal:
        begun = await journal.begin(**_intent(0))
        assert await journal.pending(**WHO) == [begun]
        assert begun.attempts[0].raw == b"raw"
        assert begun.attempts[0].max_fee_wei == 10**30


async def test_an_intent_survives_the_process_being_killed(path: Path) -> None:
    """Written by another process that is killed without closing anything."""
    script = (
        "import asyncio, os, pathlib\n"
        "from oracle.store import open_journal\n"
        "async def main():\n"
        f"    async with open_journal(pathlib.Path({str(path)!r})) as journal:\n"
        f"        await journal.begin(**{_intent(7)!r})\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.run([sys.executable, "-c", script], timeout=30, check=False)
    assert process.returncode == -9
    async with open_journal(path) as journal:
        assert [each.nonce for each in await journal.pending(**WHO)] == [7]


async def test_attempts_come_back_in_order(path: Path) -> None:
    async with open_journal(path) as journal:
        begun = await journal.begin(**_intent(0))
        for number in (3, 2):
            form = FORM | {"hash_": bytes((number,)) * 32}
            await journal.add_attempt(begun.id, **form)
        [found] = await journal.pending(**WHO)
        assert [attempt.hash[0] for attempt in found.attempts] == [1, 3, 2]


@pytest.mark.parametrize("state", ["mined", "reverted", "replaced"])
async def test_a_finished_transaction_is_not_pending(path: Path, state: str) -> None:
    async with open_journal(path) as journal:
        begun = await journal.begin(**_intent(4))
        await journal.finish(begun.id, state, hash_=b"h", block=5, gas_used=6, gas_price_wei=7)
        assert await journal.pending(**WHO) == []
        assert await journal.next_nonce(**WHO) == (0 if state == "replaced" else 5)


async def test_pending_transactions_come_by_nonce_and_only_this_accounts(path: Path) -> None:
    async with open_journal(path) as journal:
        for nonce in (2, 1):
            await journal.begin(**_intent(nonce, hash_=bytes((nonce,)) * 32))
        other = _intent(0, hash_=b"\x09" * 32) | {"submitter": "0xC"}
        await journal.begin(**other)
        assert [each.nonce for each in await journal.pending(**WHO)] == [1, 2]


async def test_a_reopened_transaction_is_pending_with_all_its_forms(path: Path) -> None:
    async with open_journal(path) as journal:
        begun = [
            await journal.begin(**_intent(nonce, hash_=bytes((nonce,)) * 32)) for nonce in (1, 2)
        ]
        for each in begun:
            await journal.finish(each.id, "mined", block=5, block_hash=b"h")
        await journal.reopen(begun[1].id)
        assert await journal.pending(**WHO) == [begun[1]]
        assert await journal.next_nonce(**WHO) == 2
        assert await journal.newest_block(**WHO, states=("pending",)) is None


async def test_forms_of_another_call_keep_what_they_do(path: Path) -> None:
    other = {"purpose": "other", "target": "0xC", "data": b"more", "gas": 7, "feeds": {3, 1}}
    async with open_journal(path) as journal:
        begun = await journal.begin(**_intent(0))
        await journal.add_attempt(begun.id, **(FORM | other | {"hash_": b"\x02" * 32}))
        [found] = await journal.pending(**WHO)
    first, second = found.attempts
    assert (first.purpose, first.data, first.feeds) == ("submit", b"data", frozenset())
    assert (second.purpose, second.target, second.data) == ("other", "0xC", b"more")
    assert (second.gas, second.feeds) == (7, frozenset({1, 3}))
    assert read_summary(path)["last"][0]["purpose"] == "other"


async def test_transactions_are_found_by_state_and_nonce(path: Path) -> None:
    async with open_journal(path) as journal:
        for nonce, state in ((1, "mined"), (2, "reverted"), (3, "mined"), (4, "replaced")):
            begun = await journal.begin(**_intent(nonce, hash_=bytes((nonce,)) * 32))
            await journal.finish(begun.id, state)
        found = await journal.find(**WHO, states=("mined", "replaced"), from_nonce=2)
        assert [(each.nonce, each.state) for each in found] == [(3, "mined"), (4, "replaced")]
        assert await journal.next_nonce(**WHO, states=("reverted",)) == 3


async def test_spent_is_what_ended_since_then_whatever_its_end(path: Path) -> None:
    async with open_journal(path) as journal:
        before = int(time.time())
        for nonce, state in ((1, "mined"), (2, "reverted"), (3, "replaced")):
            begun = await journal.begin(**_intent(nonce, hash_=bytes((nonce,)) * 32))
            used = None if state == "replaced" else 10**6
            await journal.finish(begun.id, state, gas_used=used, gas_price_wei=10**20 + nonce)
        assert await journal.spent_wei(**WHO, since=before) == 10**6 * (2 * 10**20 + 3)
        assert await journal.spent_wei(**WHO, since=before + 3_600) == 0
        assert await journal.spent_wei(chain_id=1, submitter="0xA", since=0) == 0


async def test_the_newest_block_is_the_highest_of_these_states(path: Path) -> None:
    async with open_journal(path) as journal:
        assert await journal.newest_block(**WHO, states=("mined",)) is None
        for nonce, block, state in ((1, 9, "mined"), (2, 7, "mined"), (3, 11, "reverted")):
            begun = await journal.begin(**_intent(nonce, hash_=bytes((nonce,)) * 32))
            block_hash = bytes((block,)) * 32 if block == 9 else None
            await journal.finish(begun.id, state, block=block, block_hash=block_hash)
        assert await journal.newest_block(**WHO, states=("mined",)) == (9, b"\x09" * 32)
        assert await journal.newest_block(**WHO, states=("mined", "reverted")) == (11, b"")


async def test_what_is_deep_is_settled_and_nothing_else(path: Path) -> None:
    async with open_journal(path) as journal:
        for nonce, block, state in ((1, 5, "mined"), (2, 6, "mined"), (3, 5, "replaced")):
            begun = await journal.begin(**_intent(nonce, hash_=bytes((nonce,)) * 32))
            await journal.finish(begun.id, state, block=block)
        await journal.begin(**_intent(4, hash_=b"\x04" * 32))
        moves = {"mined": "settled", "replaced": "lost"}
        await journal.settle(**WHO, to_block=5, moves=moves)
    states = {row["nonce"]: row["state"] for row in read_summary(path)["last"]}
    assert states == {1: "settled", 2: "mined", 3: "lost", 4: "pending"}


async def test_a_journal_of_version_1_is_taken_over(path: Path) -> None:
    make_version_1(path)
    for _ in range(2):
        async with open_journal(path) as journal:
            [found] = await journal.pending(**WHO)
            [form] = found.attempts
            assert (found.nonce, form.purpose, form.target, form.data) == (
                1,
                "take",
                "0xC",
                b"\x02",
            )
            assert (form.raw, form.gas, form.feeds) == (b"\x0b", 10, frozenset())
            assert (form.max_fee_wei, form.max_priority_fee_wei) == (5, 4)
            assert await journal.newest_block(**WHO, states=("mined",)) == (5, b"")
            assert await journal.next_nonce(**WHO) == 1


async def test_a_signer_is_known_by_its_evidence(path: Path) -> None:
    where: dict[str, Any] = {"chain_id": 1, "registry": "0xR"}
    async with open_journal(path) as journal:
        await journal.add_evidence(**where, signer="0xS", ref_block=9, evidence=b"e")
        assert await journal.has_signer(**where, signer="0xS")
        assert not await journal.has_signer(**where, signer="0xT")
        assert not await journal.has_signer(chain_id=2, registry="0xR", signer="0xS")


async def test_a_report_is_kept_once(path: Path) -> None:
    report: dict[str, Any] = {
        "chain_id": 1,
        "hub": "0xH",
        "observed_at": 9,
        "signer": "0xS",
        "report": b"r",
    }
    async with open_journal(path) as journal:
        await journal.add_report(**report)
        await journal.add_report(**report)
    assert read_summary(path)["reports"] == {"count": 1, "last_observed_at": 9}


async def test_writers_of_several_tasks_do_not_lose_anything(path: Path) -> None:
    async with open_journal(path) as journal, asyncio.TaskGroup() as tasks:
        for nonce in range(50):
            form = {"hash_": nonce.to_bytes(32, "big")}
            tasks.create_task(journal.begin(**_intent(nonce, **form)))
    assert read_summary(path)["transactions"] == {"pending": 50}


async def test_a_second_daemon_on_the_same_journal_is_refused(path: Path) -> None:
    async with open_journal(path):
        with pytest.raises(JournalLocked, match="another daemon"):
            async with open_journal(path):
                raise AssertionError
    async with open_journal(path):
        pass


async def test_the_journal_is_only_for_this_user(path: Path) -> None:
    async with open_journal(path):
        assert path.stat().st_mode & 0o777 == 0o600


async def test_every_commit_waits_for_the_disk(path: Path) -> None:
    async with open_journal(path) as journal:
        modes = await journal._run(
            lambda database: [
                database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]
        )
    assert modes == ["wal", 2]


async def test_a_corrupt_journal_is_refused(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(JournalError, match="not a database"):
        async with open_journal(path):
            raise AssertionError


async def test_a_damaged_page_is_found_at_the_start(path: Path) -> None:
    async with open_journal(path) as journal:
        for nonce in range(200):
            await journal.begin(**_intent(nonce, hash_=nonce.to_bytes(32, "big"), data=b"x" * 500))
    raw = bytearray(path.read_bytes())
    raw[8_192:] = bytes(len(raw) - 8_192)
    path.write_bytes(raw)
    with pytest.raises(JournalError, match=r"corrupt|malformed"):
        async with open_journal(path):
            raise AssertionError


async def test_a_journal_of_a_newer_version_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="version 99, wanted 2"):
        async with open_journal(path):
            raise AssertionError


async def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"journal .*file/oracle\.db: "):
        async with open_journal(tmp_path / "file" / "oracle.db"):
            raise AssertionError


def test_a_summary_of_no_journal_is_refused(path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        read_summary(path)


def test_a_summary_of_something_else_is_refused(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(JournalError):
        read_summary(path)


async def test_a_summary_shows_the_last_transactions_first(path: Path) -> None:
    async with open_journal(path) as journal:
        for nonce in (1, 2):
            await journal.begin(**_intent(nonce, hash_=bytes((nonce,)) * 32))
        assert [row["nonce"] for row in read_summary(path)["last"]] == [2, 1]


async def test_the_newest_evidence_is_read_beside_the_running_node(path: Path) -> None:
    where: dict[str, Any] = {"chain_id": 31_337, "registry": "0xR"}
    assert read_last_evidence(path, **where) is None
    async with open_journal(path) as journal:
        assert read_last_evidence(path, **where) is None
        for number, evidence in ((1, b"old"), (2, b"new")):
            await journal.add_evidence(**where, signer="0xS", ref_block=number, evidence=evidence)
        await journal.add_evidence(
            chain_id=1, registry="0xR", signer="0xS", ref_block=3, evidence=b"elsewhere"
        )
        assert read_last_evidence(path, **where) == b"new"
        assert read_last_evidence(path, chain_id=31_337, registry="0xQ") is None


def test_a_file_that_is_no_journal_has_no_evidence(path: Path) -> None:
    path.write_bytes(b"something else, and long enough to be looked at" * 30)
    with pytest.raises(JournalError, match="journal"):
        read_last_evidence(path, chain_id=1, registry="0xR")
