"""A newer report takes the place of an older one that is unsent or stuck, under its nonce."""

import asyncio
import itertools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, CallReverted, Receipt, Superseded
from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.chain.rpc import RpcRefused
from oracle.chain.transactions import EvmSubmitter
from oracle.store import read_summary
from tests.fakes.fake_evm import FakeEvm, transaction_fields
from tests.fakes.sending import CALL, GWEI, TARGET, make_submitter, nonces, open_test_journal, until


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x01" * 32)


def _report(number: int, feeds: Collection[int] = (1, 2)) -> Call:
    return Call("submit", TARGET, bytes((number,)) * 8, frozenset(feeds))


def _data(evm: FakeEvm) -> list[int]:
    """First byte of what each sent form says."""
    return [transaction_fields(raw)[7][0] for raw in evm.raw]


def _fees(evm: FakeEvm) -> list[int]:
    return [int.from_bytes(transaction_fields(raw)[3], "big") for raw in evm.raw]


def _states(folder: Path) -> Any:
    return read_summary(folder / "oracle.db")["transactions"]


async def _outcome(submitter: EvmSubmitter, call: Call) -> Receipt | ChainError:
    try:
        return await submitter.send(call)
    except ChainError as error:
        return error


async def test_a_stuck_report_is_replaced_by_the_newer_one_under_its_nonce(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key, confirm_timeout_s=0.05)
        old = tasks.create_task(_outcome(submitter, _report(1)))
        await until(lambda: submitter.is_stuck)
        new = tasks.create_task(_outcome(submitter, _report(2, (1, 2, 3))))
        await until(lambda: submitter.stats.superseded)
        evm.mine()
    assert isinstance(old.result(), Superseded)
    assert isinstance(new.result(), Receipt)
    assert set(nonces(evm)) == {0}
    assert _data(evm)[-1] == 2
    distinct = list(dict.fromkeys(_fees(evm)))
    assert all(new * 8 >= old * 9 for old, new in itertools.pairwise(distinct))
    assert _states(tmp_path) == {"mined": 1}
    assert not submitter.is_stuck


async def test_a_report_that_is_in_time_is_not_replaced(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key)
        old = tasks.create_task(_outcome(submitter, _report(1)))
        await until(lambda: bool(evm.pool))
        new = tasks.create_task(_outcome(submitter, _report(2)))
        asked = evm.calls.count("eth_getTransactionReceipt")
        await until(lambda: evm.calls.count("eth_getTransactionReceipt") > asked + 5)
        assert not submitter.is_stuck
        evm.mines_at_once = True
        evm.mine()
    assert isinstance(old.result(), Receipt)
    assert isinstance(new.result(), Receipt)
    assert (nonces(evm), _data(evm)) == ([0, 1], [1, 2])


async def test_a_newer_report_with_fewer_feeds_takes_nobodys_place(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key, confirm_timeout_s=0.02)
        old = tasks.create_task(_outcome(submitter, _report(1)))
        await until(lambda: bool(evm.pool))
        new = tasks.create_task(_outcome(submitter, _report(2, (1,))))
        await until(lambda: submitter.stats.bumped >= 2)
        evm.mines_at_once = True
        evm.mine()
    assert (isinstance(old.result(), Receipt), isinstance(new.result(), Receipt)) == (True, True)
    assert submitter.stats.superseded == 0


async def test_when_the_older_form_is_mined_after_all_the_newer_one_follows(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key, confirm_timeout_s=0.05)
        old = tasks.create_task(_outcome(submitter, _report(1)))
        await until(lambda: bool(evm.pool))
        first = evm.pool[0]
        new = tasks.create_task(_outcome(submitter, _report(2)))
        await until(lambda: submitter.stats.superseded)
        evm.pool = {0: first}
        evm.mine()
        await until(lambda: 1 in evm.pool)
        evm.mine()
    older, newer = old.result(), new.result()
    assert isinstance(older, Receipt)
    assert isinstance(newer, Receipt)
    assert (older.hash, newer.block) == (first.hash, older.block + 1)
    assert _states(tmp_path) == {"mined": 2}


async def test_one_that_waits_unsent_is_dropped_for_a_newer_one(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key)
        other = tasks.create_task(_outcome(submitter, CALL))
        await until(lambda: bool(evm.pool))
        reports = [tasks.create_task(_outcome(submitter, _report(n))) for n in (5, 6, 7)]
        await asyncio.sleep(0)
        evm.mines_at_once = True
        evm.mine()
    assert isinstance(other.result(), Receipt)
    assert [type(each.result()) for each in reports] == [Superseded, Superseded, Receipt]
    assert _data(evm) == [1, 7]


async def test_one_that_is_superseded_while_the_chain_is_asked_is_not_sent(
    tmp_path: Path, key: SubmitterKey
) -> None:
    class Asked(FakeEvm):
        async def request(self, method: str, params: Any) -> Any:
            if method == "eth_estimateGas" and not reports:
                reports.append(tasks.create_task(_outcome(submitter, _report(2))))
                await asyncio.sleep(0.01)
            return await super().request(method, params)

    evm, reports = Asked(), list[asyncio.Task[Receipt | ChainError]]()
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key)
        old = tasks.create_task(_outcome(submitter, _report(1)))
    assert isinstance(old.result(), Superseded)
    assert isinstance(reports[0].result(), Receipt)
    assert _data(evm) == [2]


async def test_what_a_restart_finds_unfinished_gives_way_to_the_first_newer_report(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(make_submitter(evm, journal, key).send(_report(1)))
        await until(lambda: bool(evm.pool))
        sending.cancel()
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key)
        tasks.create_task(submitter.resume())
        new = tasks.create_task(_outcome(submitter, _report(2)))
        await until(lambda: submitter.stats.superseded)
        evm.mine()
    assert isinstance(new.result(), Receipt)
    assert (set(nonces(evm)), _data(evm)[-1]) == ({0}, 2)
    assert _states(tmp_path) == {"mined": 1}


async def test_a_newer_report_that_the_chain_refuses_leaves_the_older_in_place(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    selector = next(iter(load_abi("FeedHub").errors))
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key, confirm_timeout_s=0.02)
        old = tasks.create_task(_outcome(submitter, _report(1)))
        await until(lambda: bool(evm.pool))
        evm.estimate = RpcRefused("reverted", code=3, data=selector)
        new = tasks.create_task(_outcome(submitter, _report(2)))
        await until(lambda: submitter.stats.bumped >= 2)
        evm.mine()
    assert isinstance(old.result(), Receipt)
    assert isinstance(new.result(), CallReverted)
    assert set(_data(evm)) == {1}


async def test_a_newer_report_that_cannot_be_paid_leaves_the_older_in_place(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key, confirm_timeout_s=0.02)
        old = tasks.create_task(_outcome(submitter, _report(1)))
        await until(lambda: bool(evm.pool))
        evm.balance = 1
        new = tasks.create_task(_outcome(submitter, _report(2)))
        await until(lambda: len(evm.raw) >= 4)
        assert len(set(evm.raw)) == 1
        evm.balance = 10**18
        await until(lambda: submitter.stats.superseded)
        evm.mine()
    assert isinstance(old.result(), Superseded)
    assert isinstance(new.result(), Receipt)


async def test_one_that_is_priced_out_is_raised_with_the_first_block_that_the_cap_allows(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """No deadline passes: the base fee alone tells."""
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(evm, journal, key)
        old = tasks.create_task(_outcome(submitter, _report(1)))
        await until(lambda: bool(evm.pool))
        for _ in range(50):
            evm.base_fee, evm.block = 500 * GWEI, evm.block + 1
        await until(lambda: submitter.is_stuck)
        assert set(_data(evm)) == {1}
        assert len(set(_fees(evm))) == 1
        new = tasks.create_task(_outcome(submitter, _report(2)))
        await asyncio.sleep(0)
        evm.base_fee, evm.block = 60 * GWEI, evm.block + 1
        await until(lambda: submitter.stats.superseded)
        evm.mine()
    assert isinstance(old.result(), Superseded)
    assert isinstance(new.result(), Receipt)
    assert _fees(evm)[-1] == 100 * GWEI
