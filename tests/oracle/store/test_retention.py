"""The journal forgets what ended long ago, and nothing else."""

import sqlite3
from pathlib import Path
from typing import Any

from oracle.store import Journal, Retention, open_journal

WHO: dict[str, Any] = {"chain_id": 31_337, "submitter": "0xA"}
CALL: dict[str, Any] = {"purpose": "submit", "target": "0xB", "data": b"data", "gas": 100_000}
FEES = {"max_fee_wei": 10, "max_priority_fee_wei": 1}
_ALL = {
    "transactions": "SELECT 1 FROM transactions",
    "attempts": "SELECT 1 FROM attempts",
    "reports": "SELECT 1 FROM reports",
    "evidence": "SELECT 1 FROM evidence",
}
SHORT = Retention(rows=10, evidence=3, age_s=-1)


def _count(path: Path, table: str) -> int:
    with sqlite3.connect(path) as database:
        return len(database.execute(_ALL[table]).fetchall())


async def _transact(journal: Journal, nonce: int, state: str) -> None:
    form = {"hash_": nonce.to_bytes(32, "big"), "raw": b"raw", **CALL, **FEES}
    begun = await journal.begin(**WHO, nonce=nonce, **form)
    again = form | {"hash_": (nonce + 2**128).to_bytes(32, "big")}
    await journal.add_attempt(begun.id, **again)
    if state != "pending":
        await journal.finish(begun.id, state, block=nonce, gas_used=1, gas_price_wei=1)


async def _report(journal: Journal, number: int) -> None:
    await journal.add_report(
        chain_id=31_337, hub="0xC", observed_at=number, signer="0xD", report=b"report"
    )


async def _fill(path: Path, retention: Retention, states: list[str], rounds: int) -> None:
    async with open_journal(path, retention=retention) as journal:
        for number in range(rounds):
            await _transact(journal, number, states[number % len(states)])
            await _report(journal, number)
            await journal.add_evidence(
                chain_id=31_337, registry="0xE", signer=f"0x{number}", ref_block=1, evidence=b"e"
            )


async def test_rows_are_bounded_however_long_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "oracle.db"
    await _fill(path, SHORT, ["settled", "failed", "lost"], 300)
    # What was written since the last look is there, too.
    assert _count(path, "transactions") <= 10 + 64
    assert _count(path, "attempts") <= 2 * (10 + 64)
    assert _count(path, "reports") <= 10 + 64
    assert _count(path, "evidence") <= 3 + 64


async def test_what_has_not_ended_is_never_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "oracle.db"
    states = ["pending", "mined", "reverted", "replaced", "settled"]
    await _fill(path, SHORT, states, 200)
    async with open_journal(path, retention=SHORT) as journal:
        for state in states[:4]:
            found = await journal.find(**WHO, states=(state,))
            assert len(found) == 40
            assert all(len(each.attempts) == 2 for each in found)
        assert await journal.next_nonce(**WHO) == 200


async def test_the_newest_stay_and_so_does_the_next_nonce(tmp_path: Path) -> None:
    path = tmp_path / "oracle.db"
    await _fill(path, SHORT, ["settled"], 193)
    async with open_journal(path, retention=SHORT) as journal:
        kept = [each.nonce for each in await journal.find(**WHO, states=("settled",))]
        assert kept == list(range(183, 193))
        assert await journal.next_nonce(**WHO) == 193
        assert await journal.has_signer(chain_id=31_337, registry="0xE", signer="0x192")


async def test_what_is_young_stays_however_much_there_is(tmp_path: Path) -> None:
    path = tmp_path / "oracle.db"
    await _fill(path, Retention(rows=10, evidence=3, age_s=3_600), ["settled"], 130)
    for table in ("transactions", "reports", "evidence"):
        assert _count(path, table) == 130
