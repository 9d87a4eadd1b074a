"""Transactions on a real chain: held-back blocks, drops, replacements, reorganisations."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, CallReverted, Receipt
from oracle.chain.fees import Fees
from oracle.chain.forms import sign_form
from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.chain.rpc import open_rpc
from oracle.chain.transactions import EvmSubmitter, FeePolicy
from oracle.config import build_config
from oracle.daemon.parts import open_config_rpc, open_submitter
from oracle.devnet.anvil import CHAIN_ID, Anvil, anvil
from oracle.store import open_journal, read_summary
from tests.fakes.geth_node import geth_node
from tests.fakes.rpc_proxy import rpc_proxy

GWEI = 10**9
TARGET = "0x00000000000000000000000000000000000000A1"
CALL = Call("submit", TARGET, b"")
#: Reverts with the four bytes of `FeedHub_NotLive()` when it is called.
REVERTS = "0x63{:08x}60e01b60005260046000fd"


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x03" * 32)


@dataclass
class Bench:
    chain: Anvil
    submitter: EvmSubmitter
    journal: Path

    async def hold(self, *, is_held: bool) -> None:
        await self.chain.call("evm_setAutomine", not is_held)

    def states(self) -> Any:
        return read_summary(self.journal)["transactions"]

    async def count(self, key: SubmitterKey) -> int:
        """The account's next nonce."""
        return int(await self.chain.call("eth_getTransactionCount", key.address, "latest"), 16)

    async def send_foreign(self, key: SubmitterKey, *, nonce: int) -> None:
        """Another program sends with the same key."""
        call = Call("other", key.address, b"")
        fees = Fees(900 * GWEI, GWEI)
        form = sign_form(key, call, chain_id=CHAIN_ID, nonce=nonce, gas=21_000, fees=fees)
        await self.chain.call("eth_sendRawTransaction", "0x" + form["raw"].hex())


@asynccontextmanager
async def _bench(
    folder: Path, key: SubmitterKey, hardfork: str = "osaka", **policy: Any
) -> AsyncIterator[Bench]:
    values = {
        "max_fee_wei": 1_000 * GWEI,
        "max_priority_fee_wei": GWEI,
        "bump_percent": 20,
        "confirm_timeout_s": 30.0,
        "receipt_poll_s": 0.01,
    }
    path = folder / "oracle.db"
    async with (
        asyncio.timeout(40),
        anvil(hardfork=hardfork) as chain,
        open_journal(path) as journal,
        open_rpc([chain.url], chain_id=CHAIN_ID, timeout_s=5) as rpc,
    ):
        await chain.call("anvil_setBalance", key.address, hex(10**19))
        errors = load_abi("FeedHub")
        submitter = EvmSubmitter(rpc, journal, key, FeePolicy(**(values | policy)), errors)
        yield Bench(chain, submitter, path)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def test_sends_of_several_tasks_are_mined_in_turn(tmp_path: Path, key: SubmitterKey) -> None:
    async with _bench(tmp_path, key) as bench:
        async with asyncio.TaskGroup() as tasks:
            sends = [tasks.create_task(bench.submitter.send(CALL)) for _ in range(4)]
        blocks = [send.result().block for send in sends]
        assert blocks == sorted(set(blocks))
        assert bench.states() == {"mined": 4}


async def test_a_held_back_transaction_is_replaced_and_the_replacement_counts(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with _bench(tmp_path, key, confirm_timeout_s=0.2) as bench:
        await bench.hold(is_held=True)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(bench.submitter.send(CALL))
            await _until(lambda: bench.submitter.stats.bumped >= 2)
            await bench.chain.call("evm_mine")
        assert sending.result().is_success
        assert bench.states() == {"mined": 1}


async def test_a_stuck_report_gives_its_nonce_to_a_newer_one(
    tmp_path: Path, key: SubmitterKey
) -> None:
    older, newer = (Call("submit", TARGET, bytes((n,)) * 4, frozenset({1})) for n in (1, 2))
    async with _bench(tmp_path, key, confirm_timeout_s=0.2) as bench:
        await bench.hold(is_held=True)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(_reason(bench.submitter.send(older)))
            await _until(lambda: bench.submitter.is_stuck)
            second = tasks.create_task(bench.submitter.send(newer))
            await _until(lambda: bench.submitter.stats.superseded == 1)
            await bench.chain.call("evm_mine")
        assert "a newer report for the same feeds took its place" in first.result()
        mined = await bench.chain.call(
            "eth_getTransactionByHash", "0x" + second.result().hash.hex()
        )
        assert (mined["input"], mined["nonce"]) == ("0x02020202", "0x0")
        assert await bench.count(key) == 1


async def test_one_that_the_base_fee_overtook_is_raised_with_the_block_that_allows_it(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """This node forgets what no block can take; the cap is 1,000 gwei."""
    async with _bench(tmp_path, key) as bench:
        await bench.hold(is_held=True)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(bench.submitter.send(CALL))
            await _until(lambda: bench.submitter.stats.sent == 1)
            for base_gwei in (5_000, 500):
                await bench.chain.call("anvil_setNextBlockBaseFeePerGas", hex(base_gwei * GWEI))
                await bench.chain.call("evm_mine")
                await _until(lambda: bench.submitter.is_stuck)
            await _until(lambda: bench.submitter.stats.bumped == 1)
            await bench.hold(is_held=False)
            await bench.chain.call("evm_mine")
        assert sending.result().is_success
        assert await bench.count(key) == 1


async def test_a_chain_without_a_base_fee_is_served_and_its_transactions_are_raised(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with _bench(tmp_path, key, hardfork="berlin", confirm_timeout_s=0.2) as bench:
        assert "baseFeePerGas" not in await bench.chain.call(
            "eth_getBlockByNumber", "latest", False
        )
        assert (await bench.submitter.send(CALL)).is_success
        await bench.hold(is_held=True)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(bench.submitter.send(CALL))
            await _until(lambda: bench.submitter.stats.bumped >= 2)
            await bench.chain.call("evm_mine")
        mined = await bench.chain.call(
            "eth_getTransactionByHash", "0x" + sending.result().hash.hex()
        )
        assert (mined["type"], mined["nonce"]) == ("0x0", "0x1")
        first = await bench.chain.call("eth_gasPrice")
        assert int(mined["gasPrice"], 16) * 100 >= int(first, 16) * 144


async def test_a_configured_relay_gets_what_the_public_node_does_not(
    tmp_path: Path, key: SubmitterKey
) -> None:
    """The relay keeps it to itself until it is in a block of the chain that all see."""
    async with (
        asyncio.timeout(40),
        anvil() as chain,
        geth_node(chain) as node,
        rpc_proxy(node, seed=1) as relay,
        open_journal(tmp_path / "oracle.db") as journal,
    ):
        await chain.call("anvil_setBalance", key.address, hex(10**19))
        contracts = dict.fromkeys(("registry", "signer_set", "hub"), TARGET.lower())
        urls = {"rpc_urls": [chain.url], "relay_url": relay.url}
        sections = {"chain": {"network": "anvil"} | contracts | urls}
        config = build_config(sections | {"enclave": {"silicon": "/s"}}, base=tmp_path)
        errors = load_abi("FeedHub")
        async with (
            open_config_rpc(config) as rpc,
            open_submitter(config, rpc, journal, key, errors) as submitter,
            asyncio.TaskGroup() as tasks,
        ):
            sending = tasks.create_task(submitter.send(CALL))
            await relay.until(lambda: relay.count("eth_sendRawTransaction") == 1)
            status = await chain.call("txpool_status")
            assert (status["pending"], status["queued"]) == ("0x0", "0x0")
            await node.mine()
        assert sending.result().is_success
        assert relay.count("eth_getTransactionReceipt") == 0


async def test_a_dropped_transaction_is_sent_again(tmp_path: Path, key: SubmitterKey) -> None:
    async with _bench(tmp_path, key, confirm_timeout_s=0.3) as bench:
        await bench.hold(is_held=True)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(bench.submitter.send(CALL))
            await _until(lambda: bench.submitter.stats.sent == 1)
            await bench.chain.call("anvil_dropAllTransactions")
            await bench.hold(is_held=False)
        assert sending.result().is_success


async def test_a_restart_finishes_the_transaction_that_was_on_its_way(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with _bench(tmp_path, key) as bench:
        await bench.hold(is_held=True)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(bench.submitter.send(CALL))
            await _until(lambda: bench.submitter.stats.sent == 1)
            sending.cancel()
        assert bench.states() == {"pending": 1}
        await bench.hold(is_held=False)
        await bench.submitter.resume()
        assert bench.states() == {"mined": 1}
        assert (await bench.submitter.send(CALL)).is_success


async def test_a_reorganised_transaction_is_sent_again_before_the_next(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with _bench(tmp_path, key) as bench:
        await bench.chain.call("anvil_mine", "0x3")
        await bench.submitter.send(CALL)
        await bench.chain.call("anvil_reorg", 2, [])
        assert (await bench.submitter.send(CALL)).is_success
        assert bench.states() == {"mined": 2}
        count = await bench.chain.call("eth_getTransactionCount", key.address, "latest")
        assert int(count, 16) == 2


@pytest.mark.parametrize("depth", [1, 5, 64])
async def test_what_a_reorganisation_took_is_sent_again_however_deep(
    tmp_path: Path, key: SubmitterKey, depth: int
) -> None:
    """Every depth above 2 goes below what this chain calls finalized."""
    async with _bench(tmp_path, key) as bench:
        await bench.chain.call("anvil_mine", "0x2")
        receipts = [await bench.submitter.send(CALL) for _ in range(min(depth, 3))]
        await bench.chain.call("anvil_mine", hex(max(0, depth - 3)))
        finalized = await bench.chain.call("eth_getBlockByNumber", "finalized", False)
        assert (int(finalized["number"], 16) >= receipts[0].block) is (depth > 3)
        await bench.chain.call("anvil_reorg", depth, [])
        assert await bench.count(key) == 0
        await bench.submitter.resume()
        assert await bench.count(key) == len(receipts)
        assert bench.states() == {"mined": len(receipts)}
        assert bench.submitter.stats.reopened == len(receipts)


async def test_the_gap_that_a_lost_foreign_transaction_leaves_is_filled(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with _bench(tmp_path, key) as bench:
        await bench.chain.call("anvil_mine", "0x3")
        await bench.send_foreign(key, nonce=0)
        await bench.submitter.send(CALL)
        await bench.chain.call("anvil_reorg", 2, [])
        assert (await bench.submitter.send(CALL)).is_success
        assert await bench.count(key) == 3
        assert bench.states() == {"mined": 3}


async def test_a_nonce_that_someone_else_used_is_given_up_and_the_next_is_taken(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with _bench(tmp_path, key) as bench:
        await bench.hold(is_held=True)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_reason(bench.submitter.send(CALL)))
            await _until(lambda: bench.submitter.stats.sent == 1)
            await bench.chain.call("anvil_dropAllTransactions")
            await bench.send_foreign(key, nonce=0)
            await bench.chain.call("evm_mine")
        assert "nonce 0 was used by a transaction of someone else" in sending.result()
        await bench.hold(is_held=False)
        assert (await bench.submitter.send(CALL)).is_success
        assert bench.states() == {"mined": 1, "replaced": 1}


async def _reason(sending: Coroutine[Any, Any, Receipt]) -> str:
    with pytest.raises(ChainError) as caught:
        await sending
    return str(caught.value)


async def test_an_empty_account_sends_nothing_and_heals(tmp_path: Path, key: SubmitterKey) -> None:
    async with _bench(tmp_path, key) as bench:
        await bench.chain.call("anvil_setBalance", key.address, "0x1")
        with pytest.raises(ChainError, match="holds 1 wei"):
            await bench.submitter.send(CALL)
        assert bench.states() == {}
        await bench.chain.call("anvil_setBalance", key.address, hex(10**19))
        assert (await bench.submitter.send(CALL)).is_success


async def test_a_call_that_would_revert_is_not_sent_and_named(
    tmp_path: Path, key: SubmitterKey
) -> None:
    errors = load_abi("FeedHub").errors
    selector = next(s for s, item in errors.items() if item.name == "FeedHub_NotLive")
    async with _bench(tmp_path, key) as bench:
        code = REVERTS.format(int.from_bytes(selector, "big"))
        await bench.chain.call("anvil_setCode", TARGET, code)
        with pytest.raises(CallReverted, match=r"submit refused: FeedHub_NotLive\(\)"):
            await bench.submitter.send(CALL)
        assert bench.states() == {}


async def test_a_base_fee_above_the_cap_waits_for_the_operator_or_the_market(
    tmp_path: Path, key: SubmitterKey
) -> None:
    async with _bench(tmp_path, key, max_fee_wei=2 * GWEI) as bench:
        await bench.chain.call("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
        await bench.chain.call("evm_mine")
        with pytest.raises(ChainError, match=r"gas\.max_fee_gwei allows"):
            await bench.submitter.send(CALL)
        await bench.chain.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        await bench.chain.call("evm_mine")
        assert (await bench.submitter.send(CALL)).is_success
