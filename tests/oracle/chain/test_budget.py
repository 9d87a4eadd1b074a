"""The daily gas budget: the worst case stays within it, over any 24 hours, also after a restart."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.base import CallReverted
from oracle.chain.budget import DAY_S, BudgetSpent, GasBudget
from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.store import Journal
from tests.fakes.fake_evm import FakeEvm
from tests.fakes.sending import CALL, GWEI, make_submitter, open_test_journal, until

#: What one transaction takes on the chain in memory: 50,000 units at 2 gwei.
COST = 50_000 * 2 * GWEI
#: What it may take at most: 135,000 units at 3 gwei.
WORST = 135_000 * 3 * GWEI


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x01" * 32)


def _budget(journal: Journal, key: SubmitterKey, daily_wei: int | None, at: float) -> GasBudget:
    who: Any = {"chain_id": 31_337, "submitter": key.address}
    return GasBudget(journal, daily_wei, clock=lambda: at, **who)


async def test_what_was_spent_is_missing_for_a_day_and_then_not_any_more(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with open_test_journal(tmp_path) as journal:
        before = time.time()
        await make_submitter(FakeEvm(), journal, key).send(CALL)
        after = time.time()
        last = _budget(journal, key, 10 * COST, before + DAY_S - 1)
        assert await last.left_wei() == 9 * COST
        assert await _budget(journal, key, 10 * COST, after + DAY_S + 1).left_wei() == 10 * COST
        assert await _budget(journal, key, 10 * COST, 0).left_wei() == 9 * COST
        assert await _budget(journal, key, COST // 2, after).left_wei() == 0
        assert await _budget(journal, key, None, after).left_wei() is None


async def test_a_wish_up_to_what_is_left_passes_and_one_wei_more_does_not(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with open_test_journal(tmp_path) as journal:
        budget = _budget(journal, key, 100, time.time())
        await budget.check(100)
        with pytest.raises(BudgetSpent, match=r"100 wei of gas\.daily_budget_gwei are left"):
            await budget.check(101)
        await _budget(journal, key, None, time.time()).check(10**30)


async def test_nothing_is_sent_whose_worst_case_is_more_than_what_is_left(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    daily_wei = WORST + COST
    for _ in range(2):
        async with open_test_journal(tmp_path) as journal:
            submitter = make_submitter(evm, journal, key, daily_budget_wei=daily_wei)
            await submitter.send(CALL)
    async with open_test_journal(tmp_path) as journal:
        submitter = make_submitter(evm, journal, key, daily_budget_wei=daily_wei)
        assert await submitter.budget_left_wei() == WORST - COST
        with pytest.raises(BudgetSpent):
            await submitter.send(CALL)
    assert len(evm.raw) == 2


async def test_failed_transactions_are_paid_for_too(tmp_path: Path, key: SubmitterKey) -> None:
    async with open_test_journal(tmp_path) as journal:
        submitter = make_submitter(
            FakeEvm(mined_reverts=True), journal, key, daily_budget_wei=2 * WORST
        )
        with pytest.raises(CallReverted, match="was mined, but"):
            await submitter.send(CALL)
        assert await submitter.budget_left_wei() == 2 * WORST - COST


async def test_a_raise_that_the_budget_does_not_allow_is_not_made(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal:
        submitter = make_submitter(
            evm, journal, key, daily_budget_wei=WORST, confirm_timeout_s=0.02
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(submitter.send(CALL))
            await until(lambda: len(evm.raw) >= 4)
            evm.mine()
    assert len(set(evm.raw)) == 1
