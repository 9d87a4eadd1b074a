"""Transactions: intent first, one nonce each, fees under the cap, the end by receipt only."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, CallReverted
from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.chain.rpc import Rpc, RpcDisagreement, RpcRefused
from oracle.chain.transactions import MAX_GAS, EvmSubmitter, FeePolicy
from oracle.store import Journal, open_journal, read_summary
from tests.fakes.fake_evm import FakeEvm, transaction_fields

GWEI = 10**9
CALL = Call("submit", "0x5FbDB2315678afecb367f032d93F642f64180aa3", b"\x01\x02\x03\x04")


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x01" * 32)


def _policy(**changes: Any) -> FeePolicy:
    values = {
        "max_fee_wei": 100 * GWEI,
        "max_priority_fee_wei": GWEI,
        "bump_percent": 20,
        "confirm_timeout_s": 60.0,
        "receipt_poll_s": 0.001,
    }
    return FeePolicy(**(values | changes))


def _submitter(evm: FakeEvm, journal: Journal, key: SubmitterKey, **policy: Any) -> EvmSubmitter:
    errors = load_abi("FeedHub")
    return EvmSubmitter(cast(Rpc, evm), journal, key, _policy(**policy), errors)


@asynccontextmanager
async def _journal(folder: Path) -> AsyncIterator[Journal]:
    async with asyncio.timeout(20), open_journal(folder / "oracle.db") as journal:
        yield journal


async def test_a_call_is_sent_once_and_its_receipt_comes_back(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    async with _journal(tmp_path) as journal:
        receipt = await _submitter(evm, journal, key).send(CALL)
    assert receipt.is_success
    assert evm.calls.count("eth_sendRawTransaction") == 1
    row = read_summary(tmp_path / "oracle.db")["last"][0]
    assert (row["state"], row["nonce"], row["gas_used"]) == ("mined", 0, 50_000)


async def test_the_intent_is_on_disk_before_the_first_send(
    tmp_path: Path, key: SubmitterKey
) -> None:
    class Watching(FakeEvm):
        def send_raw(self, raw: str) -> str:
            states.append(read_summary(tmp_path / "oracle.db")["transactions"])
            return super().send_raw(raw)

    states: list[Any] = []
    async with _journal(tmp_path) as journal:
        await _submitter(Watching(), journal, key).send(CALL)
    assert states == [{"pending": 1}]


async def test_concurrent_sends_get_consecutive_nonces(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm()
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(submitter.send(CALL))
    assert sorted(sent.nonce for sent in evm.mined.values()) == [0, 1, 2, 3, 4]


async def test_a_refused_call_is_never_sent_and_names_the_check(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    abi = load_abi("FeedHub")
    selector = next(s for s, item in abi.errors.items() if item.name == "FeedHub_NotLive")
    evm.estimate = RpcRefused("reverted", code=3, data=selector)
    async with _journal(tmp_path) as journal:
        with pytest.raises(CallReverted, match=r"submit refused: FeedHub_NotLive\(\)") as caught:
            await _submitter(evm, journal, key).send(CALL)
    assert caught.value.name == "FeedHub_NotLive"
    assert "eth_sendRawTransaction" not in evm.calls
    assert read_summary(tmp_path / "oracle.db")["transactions"] == {}


async def test_an_estimate_that_fails_otherwise_is_no_revert(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(estimate=RpcRefused("internal", code=-32603, data=b""))
    async with _journal(tmp_path) as journal:
        with pytest.raises(RpcRefused, match="internal"):
            await _submitter(evm, journal, key).send(CALL)


async def test_an_empty_account_sends_nothing_and_says_what_is_needed(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(balance=1)
    async with _journal(tmp_path) as journal:
        with pytest.raises(ChainError, match=r"holds 1 wei, this transaction may take \d+ wei"):
            await _submitter(evm, journal, key).send(CALL)
    assert evm.raw == []


async def test_a_base_fee_above_the_cap_sends_nothing(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(base_fee=101 * GWEI)
    async with _journal(tmp_path) as journal:
        with pytest.raises(ChainError, match=r"gas\.max_fee_gwei allows"):
            await _submitter(evm, journal, key).send(CALL)
    assert evm.raw == []


async def test_a_chain_without_base_fee_gets_transactions_of_its_kind_and_raises_of_them(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(has_base_fee=False, gas_price=5 * GWEI, mines_at_once=False)
    async with _journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = _submitter(evm, journal, key, confirm_timeout_s=0.02)
        sending = tasks.create_task(submitter.send(CALL))
        await _until(lambda: submitter.stats.bumped >= 2)
        evm.mine()
    assert sending.result().is_success
    assert all(raw[0] >= 0xC0 for raw in evm.raw)
    prices = list(dict.fromkeys(int.from_bytes(transaction_fields(r)[3], "big") for r in evm.raw))
    assert prices[:3] == [5 * GWEI, 6 * GWEI, 72 * GWEI // 10]


async def test_a_chain_without_base_fee_that_is_too_dear_sends_nothing(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(has_base_fee=False, gas_price=101 * GWEI)
    async with _journal(tmp_path) as journal:
        with pytest.raises(ChainError, match="gas price is 101000000000 wei"):
            await _submitter(evm, journal, key).send(CALL)
    assert evm.raw == []


async def test_fees_stay_under_the_cap(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(base_fee=90 * GWEI)
    async with _journal(tmp_path) as journal:
        await _submitter(evm, journal, key).send(CALL)
    [sent] = evm.mined.values()
    assert sent.max_fee == 100 * GWEI
    assert sent.tip <= sent.max_fee


async def test_the_gas_limit_has_a_margin_and_a_maximum(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(estimate=MAX_GAS, balance=10**30)
    async with _journal(tmp_path) as journal:
        await _submitter(evm, journal, key).send(CALL)
        evm.estimate = 100_000
        await _submitter(evm, journal, key).send(CALL)
    limits = [int.from_bytes(transaction_fields(raw)[4], "big") for raw in evm.raw]
    assert limits == [MAX_GAS, 135_000]


async def test_no_limit_of_gas_is_below_what_the_data_costs(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(estimate=1)
    async with _journal(tmp_path) as journal:
        await _submitter(evm, journal, key).send(
            Call("submit", CALL.target, b"\x00\x01\x00\xff\x02")
        )
    [raw] = evm.raw
    # EIP-7623: 10 for a zero byte, 40 for another.
    assert int.from_bytes(transaction_fields(raw)[4], "big") == 21_000 + 2 * 10 + 3 * 40


async def test_a_replacement_is_estimated_anew_and_has_no_lower_limit(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(estimate=1, mines_at_once=False)
    refusal = RpcRefused("reverted", code=3, data=b"")
    async with _journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = _submitter(evm, journal, key, confirm_timeout_s=0.02)
        sending = tasks.create_task(submitter.send(CALL))
        await _until(lambda: bool(evm.raw))
        estimates: list[Any] = [100_000, 50_000, refusal]
        for count, evm.estimate in enumerate(estimates, 1):
            await _until(lambda count=count: submitter.stats.bumped >= count)
        await _until(lambda: submitter.stats.bumped > len(estimates))
        evm.mine()
    assert sending.result().is_success
    forms = list(dict.fromkeys(evm.raw))
    limits = [int.from_bytes(transaction_fields(raw)[4], "big") for raw in forms]
    assert limits[0] < 100_000
    assert set(limits[2:]) == {135_000}


async def test_a_lost_reply_to_a_send_is_not_a_failure(tmp_path: Path, key: SubmitterKey) -> None:
    """The node took it; only the answer was lost."""
    evm = FakeEvm(fails={"eth_sendRawTransaction": 1}, accepts_failing_sends=True)
    async with _journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_submitter(evm, journal, key).send(CALL))
        await _until(lambda: bool(evm.pool))
        evm.mine()
    assert sending.result().is_success
    assert len(evm.raw) == 1


async def test_a_send_that_never_arrived_is_sent_again(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(fails={"eth_sendRawTransaction": 1})
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key)
        receipt = await submitter.send(CALL)
    assert receipt.is_success
    assert (submitter.stats.dropped, submitter.stats.bumped, len(evm.raw)) == (1, 0, 1)


async def test_sends_that_never_arrive_are_sent_again_for_a_higher_fee(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(fails={"eth_sendRawTransaction": 2})
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key, confirm_timeout_s=0.02)
        receipt = await submitter.send(CALL)
    assert receipt.is_success
    assert submitter.stats.bumped == 1


async def test_a_stuck_transaction_is_replaced_under_the_same_nonce(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key, confirm_timeout_s=0.02)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(submitter.send(CALL))
            await _until(lambda: submitter.stats.bumped >= 2)
            evm.mine()
    assert sending.result().is_success
    fees = [int.from_bytes(transaction_fields(raw)[3], "big") for raw in evm.raw]
    assert {int.from_bytes(transaction_fields(raw)[1], "big") for raw in evm.raw} == {0}
    assert all(new * 100 >= old * 120 for old, new in itertools.pairwise(fees))


async def test_the_receipt_of_an_earlier_attempt_counts(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key, confirm_timeout_s=0.02)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(submitter.send(CALL))
            await _until(lambda: bool(evm.pool))
            first = evm.pool[0]
            await _until(lambda: submitter.stats.bumped >= 1)
            evm.pool = {0: first}
            evm.mine()
    assert sending.result().hash == first.hash


async def test_at_the_cap_the_same_bytes_are_sent_again(tmp_path: Path, key: SubmitterKey) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key, confirm_timeout_s=0.02, max_fee_wei=3 * GWEI)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(submitter.send(CALL))
            await _until(lambda: len(evm.raw) >= 3)
            evm.mine()
    assert sending.result().is_success
    assert len(set(evm.raw)) == 1
    assert submitter.stats.bumped == 0


async def test_a_mined_failure_is_raised_with_its_reason_and_journaled(
    tmp_path: Path, key: SubmitterKey
) -> None:
    abi = load_abi("FeedHub")
    selector = next(s for s, item in abi.errors.items() if item.name == "FeedHub_NothingLanded")
    evm = FakeEvm(mined_reverts=True, replay=RpcRefused("reverted", code=3, data=selector))
    async with _journal(tmp_path) as journal:
        with pytest.raises(CallReverted, match=r"was mined, but FeedHub_NothingLanded\(\)"):
            await _submitter(evm, journal, key).send(CALL)
    row = read_summary(tmp_path / "oracle.db")["last"][0]
    assert (row["state"], row["note"]) == ("reverted", "FeedHub_NothingLanded()")


@pytest.mark.parametrize(
    ("replay", "said"),
    [("0x", "a reason that has passed"), (ChainError("down"), "cannot be asked for")],
)
async def test_a_mined_failure_without_a_reason_says_so(
    tmp_path: Path, key: SubmitterKey, replay: Any, said: str
) -> None:
    evm = FakeEvm(mined_reverts=True, replay=replay)
    async with _journal(tmp_path) as journal:
        with pytest.raises(CallReverted, match=said):
            await _submitter(evm, journal, key).send(CALL)


async def test_a_nonce_that_someone_else_used_ends_the_transaction(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key)
        async with asyncio.TaskGroup() as tasks:

            async def foreign() -> None:
                await _until(lambda: bool(evm.pool))
                evm.drop()
                evm.nonces[key.address.lower()] = 1

            tasks.create_task(foreign())
            with pytest.raises(ChainError, match="nonce 0 was used by a transaction of someone"):
                await submitter.send(CALL)
        evm.mines_at_once = True
        await submitter.send(CALL)
    states = [row["state"] for row in read_summary(tmp_path / "oracle.db")["last"]]
    assert states == ["mined", "replaced"]


async def test_an_endpoint_that_fails_while_waiting_is_waited_for(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(fails={"eth_getTransactionReceipt": 3})
    async with _journal(tmp_path) as journal:
        assert (await _submitter(evm, journal, key).send(CALL)).is_success
    assert len(evm.raw) == 1


async def test_a_restart_finishes_what_the_journal_holds_before_anything_new(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_submitter(evm, journal, key).send(CALL))
        await _until(lambda: bool(evm.pool))
        sending.cancel()
    evm.drop()
    evm.mines_at_once = True
    async with _journal(tmp_path) as journal:
        await _submitter(evm, journal, key).send(CALL)
    assert evm.raw[1] == evm.raw[0]
    assert [int.from_bytes(transaction_fields(raw)[1], "big") for raw in evm.raw] == [0, 0, 1]
    assert read_summary(tmp_path / "oracle.db")["transactions"] == {"mined": 2}


async def test_a_resumed_failure_does_not_stop_what_is_new(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_submitter(evm, journal, key).send(CALL))
            await _until(lambda: bool(evm.pool))
            sending.cancel()
        evm.mined_reverts = True
        evm.mine()
        evm.mined_reverts, evm.mines_at_once = False, True
        submitter = _submitter(evm, journal, key)
        await submitter.resume()
        await submitter.send(CALL)
    assert read_summary(tmp_path / "oracle.db")["transactions"] == {"mined": 1, "reverted": 1}


async def test_transactions_that_a_reorganisation_dropped_are_sent_again_first(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key)
        await submitter.send(CALL)
        evm.reorganise()
        await submitter.send(CALL)
    assert sorted(sent.nonce for sent in evm.mined.values()) == [0, 1]
    assert evm.raw[1] == evm.raw[0]


async def test_statistics_count_what_happened(tmp_path: Path, key: SubmitterKey) -> None:
    async with _journal(tmp_path) as journal:
        submitter = _submitter(FakeEvm(), journal, key)
        await submitter.send(CALL)
    stats = submitter.stats
    assert (stats.sent, stats.mined, stats.gas_used, stats.in_flight) == (1, 1, 50_000, 0)
    assert stats.spent_wei == 50_000 * 2 * GWEI


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@dataclass
class Disputed(FakeEvm):
    """Its endpoints contradict each other about receipts, this often.

    Attributes:
        disputes: How often still.
        invents: Whether the dispute is about a transaction that no block has.
    """

    disputes: int = 0
    invents: bool = False

    async def request_agreed(self, method: str, params: Sequence[Any]) -> Any:
        is_wanted = method == "eth_getTransactionReceipt" and (self.invents or self.mined)
        if is_wanted and self.disputes:
            self.disputes -= 1
            raise RpcDisagreement("endpoints contradict each other", answers={})
        return await self.request(method, params)


async def test_a_disputed_receipt_makes_no_foreign_transaction_of_ours(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """The nonce is used, and by us, though an endpoint denies the receipt for long."""
    evm = Disputed(disputes=40)
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key)
        assert (await submitter.send(CALL)).is_success
    assert (evm.disputes, submitter.stats.replaced, len(evm.raw)) == (0, 0, 1)


async def test_a_receipt_that_is_denied_for_good_stops_nothing(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """The caller loses its answer; once nobody denies it any more, the journal has it."""
    evm = Disputed(disputes=10**9)
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key)
        assert "nonce 0 was used" in await _reason(submitter.send(CALL))
        evm.disputes = 0
        await submitter.send(CALL)
    assert read_summary(tmp_path / "oracle.db")["transactions"] == {"mined": 2}


async def test_an_invented_receipt_keeps_nothing_from_being_raised(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = Disputed(disputes=10**9, invents=True, mines_at_once=False)
    async with _journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = _submitter(evm, journal, key, confirm_timeout_s=0.02)
        sending = tasks.create_task(submitter.send(CALL))
        await _until(lambda: submitter.stats.bumped >= 2)
        evm.mine()
        evm.disputes = 0
    assert sending.result().is_success


@pytest.mark.parametrize("method", ["eth_getBlockByNumber", "eth_getTransactionByHash"])
async def test_a_failing_look_while_waiting_is_made_again(
    tmp_path: Path, key: SubmitterKey, method: str
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = _submitter(evm, journal, key)
        tasks.create_task(submitter.send(CALL))
        await _until(lambda: bool(evm.pool))
        evm.fails[method] = 2
        evm.block += 1
        await _until(lambda: evm.fails[method] == 1)
        evm.drop()
        await _until(lambda: bool(evm.pool))
        evm.mine()
    assert evm.fails[method] == 0


async def test_a_used_nonce_is_given_up_though_the_height_is_not_known(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm(mines_at_once=False)
    async with _journal(tmp_path) as journal:
        submitter = _submitter(evm, journal, key)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_reason(submitter.send(CALL)))
            await _until(lambda: bool(evm.pool))
            evm.fails["eth_blockNumber"] = 1
            evm.drop()
            evm.nonces[key.address.lower()] = 1
        assert "nonce 0 was used" in sending.result()
    row = read_summary(tmp_path / "oracle.db")["last"][0]
    assert (row["state"], row["block"]) == ("replaced", None)


async def _reason(sending: Any) -> str:
    with pytest.raises(ChainError) as caught:
        await sending
    return str(caught.value)


async def test_a_journal_without_history_asks_nobody_anything(
    tmp_path: Path, key: SubmitterKey
) -> None:
    evm = FakeEvm()
    async with _journal(tmp_path) as journal:
        await _submitter(evm, journal, key).resume()
    assert evm.calls == []
