"""Reorganisations and drops: what the chain loses is sent again, however deep it was."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.base import Receipt
from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.chain.rpc import RpcDisagreement
from oracle.chain.states import WATCH_BLOCKS
from oracle.store import read_summary
from tests.fakes.fake_evm import FakeEvm, Sent, transaction_fields
from tests.fakes.sending import CALL, make_submitter, nonces, open_test_journal, submitting, until


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x01" * 32)


def _rows(folder: Path) -> dict[int, dict[str, Any]]:
    return {row["nonce"]: row for row in read_summary(folder / "oracle.db", limit=500)["last"]}


def _states(folder: Path) -> dict[int, str]:
    return {nonce: row["state"] for nonce, row in _rows(folder).items()}


@pytest.mark.parametrize("depth", [1, 2, 64, WATCH_BLOCKS - 1, 4 * WATCH_BLOCKS])
async def test_a_mined_transaction_that_is_lost_is_sent_again_without_a_new_call(
    tmp_path: Path, key: SubmitterKey, depth: int
) -> None:
    """The last depth is below anything that is watched: the account's nonce tells."""
    evm = FakeEvm()
    async with submitting(tmp_path, evm, key) as submitter:
        first = await submitter.send(CALL)
        evm.block += depth - 1
        await submitter.resume()
        evm.reorganise(depth)
        assert await _again(submitter.resume, tmp_path) == {0: "mined"}
    assert evm.raw[0] == evm.raw[1]
    assert first.hash in evm.mined
    assert submitter.stats.reopened == 1


async def _again(resume: Any, folder: Path) -> dict[int, str]:
    await resume()
    return _states(folder)


async def test_a_reverted_transaction_that_is_lost_is_sent_again_and_may_succeed(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mined_reverts=True)
    async with submitting(tmp_path, evm, key) as submitter:
        with pytest.raises(ChainError):
            await submitter.send(CALL)
        evm.reorganise(1)
        evm.mined_reverts = False
        assert await _again(submitter.resume, tmp_path) == {0: "mined"}


async def test_a_transaction_in_another_block_is_not_sent_again(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """A pool put it back by itself: only its block is noted."""
    evm = FakeEvm()
    async with submitting(tmp_path, evm, key) as submitter:
        await submitter.send(CALL)
        _put_back(evm, evm.reorganise(1))
        await submitter.resume()
        moved = _rows(tmp_path)[0]["block"]
        asked = evm.calls.count("eth_getTransactionReceipt")
        await submitter.resume()
    assert (moved, len(evm.raw), submitter.stats.reopened) == (evm.block, 1, 0)
    assert evm.calls.count("eth_getTransactionReceipt") == asked


def _put_back(evm: FakeEvm, lost: list[Sent]) -> None:
    evm.pool |= {sent.nonce: sent for sent in lost}
    evm.mine()


async def test_a_success_that_fails_in_another_block_is_journaled_as_reverted(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    async with submitting(tmp_path, evm, key) as submitter:
        await submitter.send(CALL)
        evm.mined_reverts = True
        _put_back(evm, evm.reorganise(1))
        assert await _again(submitter.resume, tmp_path) == {0: "reverted"}


async def test_several_lost_ones_are_all_sent_at_once_in_order(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    async with submitting(tmp_path, evm, key) as submitter:
        for _ in range(4):
            await submitter.send(CALL)
        evm.reorganise(3)
        evm.mines_at_once = False
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(submitter.resume())
            await until(lambda: len(evm.pool) == 3)
            evm.mine()
    assert nonces(evm)[4:7] == [1, 2, 3]
    assert _states(tmp_path) == dict.fromkeys(range(4), "mined")


async def test_a_lost_one_below_an_open_one_comes_first(tmp_path: Path, key: SubmitterKey) -> None:
    """While nonce 1 waits for its receipt, nonce 0 is reorganised away."""
    evm = FakeEvm()
    async with submitting(tmp_path, evm, key) as submitter:
        await submitter.send(CALL)
        evm.mines_at_once = False
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(submitter.send(CALL))
            await until(lambda: 1 in evm.pool)
            evm.reorganise(1)
            await until(lambda: {0, 1} <= evm.pool.keys())
            evm.mine()
        assert isinstance(sending.result(), Receipt)
    assert _states(tmp_path) == {0: "mined", 1: "mined"}


async def test_a_nonce_that_someone_else_used_and_lost_is_filled(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """Nonce 0 was never ours; without it ours of nonce 1 could not be mined."""
    evm = FakeEvm()
    evm.nonces[key.address.lower()] = 1
    async with submitting(tmp_path, evm, key) as submitter:
        await submitter.send(CALL)
        evm.reorganise()
        evm.nonces.clear()
        await submitter.resume()
    rows = _rows(tmp_path)
    assert {nonce: row["state"] for nonce, row in rows.items()} == {0: "mined", 1: "mined"}
    assert rows[0]["purpose"] == "fill_nonce"
    filler = transaction_fields(evm.raw[1])
    assert (filler[5], filler[6], filler[7]) == (bytes.fromhex(key.address[2:]), b"", b"")


async def test_one_replaced_by_a_foreign_one_that_is_lost_in_turn_is_sent_again(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with submitting(tmp_path, evm, key) as submitter:
        await _lose_to_a_foreign_one(evm, submitter, key)
        assert _states(tmp_path) == {0: "replaced"}
        evm.nonces.clear()
        evm.mines_at_once = True
        assert await _again(submitter.resume, tmp_path) == {0: "mined"}


async def test_one_that_was_taken_for_replaced_and_is_mined_after_all_is_mined(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with submitting(tmp_path, evm, key) as submitter:
        sent = await _lose_to_a_foreign_one(evm, submitter, key)
        evm.mined[sent.hash] = sent
        assert await _again(submitter.resume, tmp_path) == {0: "mined"}
    assert len(evm.raw) == 1


async def _lose_to_a_foreign_one(evm: FakeEvm, submitter: Any, key: SubmitterKey) -> Sent:
    async def use_nonce() -> Sent:
        await until(lambda: bool(evm.pool))
        sent = evm.pool.pop(0)
        evm.nonces[key.address.lower()] = 1
        return sent

    async with asyncio.TaskGroup() as tasks:
        foreign = tasks.create_task(use_nonce())
        with pytest.raises(ChainError, match="nonce 0 was used"):
            await submitter.send(CALL)
    return foreign.result()


async def test_what_is_deep_is_not_asked_for_any_more(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with submitting(tmp_path, evm, key) as submitter:
        await _lose_to_a_foreign_one(evm, submitter, key)
        evm.mines_at_once = True
        evm.mined_reverts = True
        with pytest.raises(ChainError):
            await submitter.send(CALL)
        evm.mined_reverts = False
        await submitter.send(CALL)
        evm.block += WATCH_BLOCKS
        await submitter.resume()
        assert _states(tmp_path) == {0: "lost", 1: "failed", 2: "settled"}
        asked = len(evm.calls)
        await submitter.resume()
        assert evm.calls[asked:] == ["eth_getTransactionCount"]


async def test_an_endpoint_that_is_behind_is_not_believed(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """It shows the receipt, so nothing is lost; its nonce would make a second transaction of 0."""
    evm = FakeEvm()
    async with open_test_journal(tmp_path) as journal:
        submitter = make_submitter(evm, journal, key)
        await submitter.send(CALL)
        evm.nonces[key.address.lower()] = 0
        with pytest.raises(ChainError, match="nonce 0 is behind the journal's 1"):
            await submitter.send(CALL)
        assert _states(tmp_path) == {0: "mined"}
        evm.nonces[key.address.lower()] = 1
        await submitter.send(CALL)
    assert nonces(evm) == [0, 1]


async def test_an_endpoint_that_is_far_behind_is_not_believed_about_what_is_deep(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    async with open_test_journal(tmp_path) as journal:
        submitter = make_submitter(evm, journal, key)
        await submitter.send(CALL)
        evm.block += WATCH_BLOCKS
        await submitter.resume()
        evm.nonces[key.address.lower()] = 0
        with pytest.raises(ChainError, match="nonce 0 is behind the journal's 1"):
            await submitter.send(CALL)
        assert _states(tmp_path) == {0: "settled"}
    assert len(evm.raw) == 1


async def test_a_failure_after_the_first_send_is_not_the_callers(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """Nonce 0 is reorganised away below nonce 1, and then the endpoint fails."""
    evm = FakeEvm()
    async with submitting(tmp_path, evm, key) as submitter:
        await submitter.send(CALL)
        evm.mines_at_once = False
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(submitter.send(CALL))
            await until(lambda: 1 in evm.pool)
            evm.fails["eth_getTransactionReceipt"] = 10**9
            await until(lambda: evm.fails["eth_getTransactionReceipt"] < 10**9)
            evm.reorganise(1)
            evm.fails["eth_getBlockByNumber"] = 3
            evm.fails["eth_getTransactionReceipt"] = 0
            await until(lambda: {0, 1} <= evm.pool.keys())
            evm.mine()
        assert sending.result().is_success
    assert evm.fails["eth_getBlockByNumber"] == 0


async def test_a_receipt_of_another_transaction_ends_nothing(
    tmp_path: Path, key: SubmitterKey
) -> None:
    class Confused(FakeEvm):
        others = 3

        def _get_receipt(self, hash_: str) -> Any:
            found = super()._get_receipt(hash_)
            if self.others and found:
                self.others -= 1
                return found | {"transactionHash": "0x" + "ee" * 32}
            return found

    evm = Confused()
    async with open_test_journal(tmp_path) as journal:
        receipt = await make_submitter(evm, journal, key).send(CALL)
    assert (receipt.hash in evm.mined, evm.others) == (True, 0)


async def test_a_dropped_transaction_is_sent_again_with_the_next_block(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with submitting(tmp_path, evm, key) as submitter, asyncio.TaskGroup() as tasks:
        tasks.create_task(submitter.send(CALL))
        await until(lambda: evm.calls.count("eth_getTransactionByHash") == 1)
        evm.drop()
        evm.block += 1
        await until(lambda: bool(evm.pool))
        evm.mine()
    assert (submitter.stats.dropped, submitter.stats.bumped) == (1, 0)
    assert evm.raw[0] == evm.raw[1]


async def test_a_drained_account_raises_nothing_until_it_is_funded(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with (
        submitting(tmp_path, evm, key, confirm_timeout_s=0.02) as submitter,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(submitter.send(CALL))
        await until(lambda: bool(evm.pool))
        evm.balance = 1
        await until(lambda: len(evm.raw) >= 3)
        assert len(set(evm.raw)) == 1
        evm.balance = 10**18
        await until(lambda: submitter.stats.bumped)
        evm.mine()
    assert _states(tmp_path) == {0: "mined"}


async def test_a_start_without_an_endpoint_waits_and_then_resumes(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(make_submitter(evm, journal, key).send(CALL))
            await until(lambda: bool(evm.pool))
            sending.cancel()
        evm.mine()
        evm.fails["eth_getTransactionCount"] = 2
        await make_submitter(evm, journal, key).resume(retry_s=0.001)
    assert _states(tmp_path) == {0: "mined"}
    assert evm.fails["eth_getTransactionCount"] == 0


async def test_the_keeper_finds_a_reorganisation_by_itself(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    async with submitting(tmp_path, evm, key) as submitter:
        await submitter.send(CALL)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(submitter.keep(0.001))
            evm.reorganise(1)
            await until(lambda: submitter.stats.mined == 2)
            keeping.cancel()
    assert _states(tmp_path) == {0: "mined"}


async def test_a_caller_whose_turn_was_worked_by_a_cancelled_one_still_has_its_receipt(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """The first caller also does the second one's work; cancelled, the second goes on itself."""
    evm = FakeEvm(mines_at_once=False)
    async with submitting(tmp_path, evm, key) as submitter:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(submitter.send(CALL))
            await until(lambda: bool(evm.pool))
            second = tasks.create_task(submitter.send(CALL))
            await asyncio.sleep(0)
            first.cancel()
            evm.mine()
            await until(lambda: 1 in evm.pool)
            evm.mine()
        assert second.result().is_success
    assert nonces(evm)[-1] == 1
    assert _states(tmp_path) == {0: "mined", 1: "mined"}


async def test_a_lost_transaction_whose_receipt_is_disputed_is_sent_again(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """One endpoint still shows the receipt of the block that is gone."""

    class Disputed(FakeEvm):
        is_disputed = False

        async def request_agreed(self, method: str, params: Any) -> Any:
            if self.is_disputed and method == "eth_getTransactionReceipt":
                self.is_disputed = False
                raise RpcDisagreement("endpoints contradict each other", answers={})
            return await self.request(method, params)

    evm = Disputed()
    async with submitting(tmp_path, evm, key) as submitter:
        await submitter.send(CALL)
        evm.reorganise(1)
        evm.is_disputed = True
        assert await _again(submitter.resume, tmp_path) == {0: "mined"}
    assert not evm.is_disputed
    assert evm.raw[0] == evm.raw[1]
