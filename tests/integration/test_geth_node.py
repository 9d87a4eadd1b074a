"""The node that tests send transactions to keeps geth's pool rules, which Anvil does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.devnet.anvil import CHAIN_ID, anvil
from tests.fakes.geth_node import ACCOUNT_QUEUE, GethNode, PooledTransaction, Refused, geth_node

GWEI = 10**9
TARGET = "0x00000000000000000000000000000000000000A1"


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x05" * 32)


@asynccontextmanager
async def _node(key: SubmitterKey, **options: Any) -> AsyncIterator[GethNode]:
    async with anvil(**options) as chain, geth_node(chain) as node:
        await chain.call("anvil_setBalance", key.address, hex(10**19))
        yield node


def _sign(key: SubmitterKey, nonce: int, **fields: Any) -> bytes:
    values = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": TARGET,
        "value": 0,
        "data": b"",
        "gas": 30_000,
        "maxFeePerGas": 10 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }
    return key.sign(values | fields)[0]


def _sign_legacy(key: SubmitterKey, nonce: int, price_wei: int) -> bytes:
    fields = {"chainId": CHAIN_ID, "nonce": nonce, "to": TARGET, "value": 0, "data": b""}
    return key.sign({**fields, "gas": 30_000, "gasPrice": price_wei})[0]


async def test_nothing_is_mined_before_the_test_says_so(key: SubmitterKey) -> None:
    async with _node(key) as node:
        hash_ = await node.send(_sign(key, 0))
        assert (await node.answer("eth_getTransactionReceipt", [hash_]))["result"] is None
        pooled = (await node.answer("eth_getTransactionByHash", [hash_]))["result"]
        assert (pooled["hash"], pooled["blockNumber"]) == (hash_, None)
        assert await node.mine() == 1
        receipt = (await node.answer("eth_getTransactionReceipt", [hash_]))["result"]
        assert (receipt["status"], receipt["blockNumber"]) == ("0x1", "0x1")
        assert [each.hash for each in node.included(key.address)] == [hash_]
        assert node.pool[key.address.lower()] == {}


async def test_both_kinds_of_transactions_are_read_as_they_were_signed(key: SubmitterKey) -> None:
    new = PooledTransaction.decode(_sign(key, 7, value=3, data=b"\1\2"))
    assert (new.kind, new.chain_id, new.nonce, new.gas) == (2, CHAIN_ID, 7, 30_000)
    assert (new.fee_wei, new.tip_wei, new.value_wei) == (10 * GWEI, GWEI, 3)
    assert (new.data, new.sender) == (b"\1\2", key.address.lower())
    assert new.cost_wei == 30_000 * 10 * GWEI + 3
    old = PooledTransaction.decode(_sign_legacy(key, 8, 5 * GWEI))
    assert (old.kind, old.chain_id, old.nonce) == (0, CHAIN_ID, 8)
    assert (old.fee_wei, old.tip_wei, old.sender) == (5 * GWEI, 5 * GWEI, key.address.lower())


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", b"\xc0", b"\x05\xc0", b"\xff" * 40])
async def test_what_is_no_transaction_is_refused(key: SubmitterKey, raw: bytes) -> None:
    with pytest.raises(Refused):
        PooledTransaction.decode(raw)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gas": 20_999}, "intrinsic gas too low: gas 20999, minimum needed 21000"),
        ({"data": b"\1" * 100, "gas": 22_700}, "insufficient gas for floor data gas cost"),
        ({"gas": 2**24 + 1}, "transaction gas limit too high"),
        ({"maxFeePerGas": GWEI - 1}, "max priority fee per gas higher than max fee per gas"),
        ({"chainId": 1}, "invalid chain id for signer: have 1 want 31337"),
        ({"maxPriorityFeePerGas": 0}, "transaction underpriced: gas tip cap 0"),
        ({"value": 10**20}, "insufficient funds for gas \\* price \\+ value: balance 10000"),
        ({"data": b"\0" * 2**17}, "oversized data"),
    ],
)
async def test_a_transaction_that_cannot_be_is_refused_in_geths_words(
    key: SubmitterKey, fields: dict[str, Any], said: str
) -> None:
    async with _node(key) as node:
        with pytest.raises(Refused, match=said):
            await node.send(_sign(key, 0, **fields))
        assert node.pooled("0x") is None


async def test_the_same_bytes_twice_are_known_and_a_used_nonce_is_too_low(
    key: SubmitterKey,
) -> None:
    async with _node(key) as node:
        await node.send(_sign(key, 0))
        with pytest.raises(Refused, match=r"^already known$"):
            await node.send(_sign(key, 0))
        await node.mine()
        with pytest.raises(Refused, match=r"^nonce too low: next nonce 1, tx nonce 0$"):
            await node.send(_sign(key, 0))
        sent = "0x" + _sign(key, 0).hex()
        error = (await node.answer("eth_sendRawTransaction", [sent]))["error"]
        assert (error["code"], error["message"][:13]) == (-32000, "nonce too low")
        assert node.refusals == ["nonce too low: next nonce 1, tx nonce 0"]


@pytest.mark.parametrize(
    ("fee", "tip", "is_taken"),
    [
        (11 * GWEI, GWEI * 11 // 10, True),
        (11 * GWEI - 1, GWEI * 11 // 10, False),
        (11 * GWEI, GWEI * 11 // 10 - 1, False),
        (20 * GWEI, GWEI, False),
        (10 * GWEI, 2 * GWEI, False),
    ],
)
async def test_a_replacement_raises_both_fees_by_a_tenth(
    key: SubmitterKey, fee: int, tip: int, is_taken: bool
) -> None:
    async with _node(key) as node:
        first = await node.send(_sign(key, 0))
        second = _sign(key, 0, maxFeePerGas=fee, maxPriorityFeePerGas=tip)
        if is_taken:
            await node.send(second)
            assert node.pooled(first) is None
        else:
            with pytest.raises(Refused, match=r"^replacement transaction underpriced$"):
                await node.send(second)
            assert node.pooled(first) is not None


async def test_the_underpriced_waits_in_the_pool_until_the_price_allows(key: SubmitterKey) -> None:
    async with _node(key) as node:
        await node.mine(base_fee_wei=500 * GWEI)
        hash_ = await node.send(_sign(key, 0))
        await node.mine(3)
        assert node.pooled(hash_) is not None
        await node.mine(base_fee_wei=10 * GWEI)
        assert [each.hash for each in node.included(key.address)] == [hash_]


async def test_a_gap_waits_and_beyond_64_the_last_are_gone(key: SubmitterKey) -> None:
    async with _node(key) as node:
        await node.chain.call("anvil_setBalance", key.address, hex(10**21))
        hashes = [await node.send(_sign(key, nonce)) for nonce in range(1, ACCOUNT_QUEUE + 3)]
        assert len(node.pool[key.address.lower()]) == ACCOUNT_QUEUE
        assert node.pooled(hashes[-1]) is None
        await node.mine()
        assert node.included(key.address) == []
        pending = [key.address, "pending"]
        assert (await node.answer("eth_getTransactionCount", pending))["result"] == "0x0"
        await node.send(_sign(key, 0))
        seen = (await node.answer("eth_getTransactionCount", pending))["result"]
        assert seen == hex(ACCOUNT_QUEUE + 1)
        await node.mine()
        assert [each.nonce for each in node.included(key.address)] == [*range(ACCOUNT_QUEUE + 1)]


async def test_what_is_pooled_must_be_paid_for_together(key: SubmitterKey) -> None:
    cost = 30_000 * 10 * GWEI
    async with _node(key) as node:
        await node.chain.call("anvil_setBalance", key.address, hex(cost * 3 // 2))
        hash_ = await node.send(_sign(key, 0))
        with pytest.raises(Refused, match=f"queued cost {cost}, tx cost {cost}"):
            await node.send(_sign(key, 1))
        await node.chain.call("anvil_setBalance", key.address, "0x1")
        node.censors.add(key.address.lower())
        await node.mine()
        assert node.pooled(hash_) is None


async def test_the_censored_is_kept_and_the_dropped_is_gone(key: SubmitterKey) -> None:
    async with _node(key) as node:
        hash_ = await node.send(_sign(key, 0))
        node.censors.add(key.address.lower())
        await node.mine(50)
        assert node.pooled(hash_) is not None
        node.censors.clear()
        assert node.drop() == 1
        await node.mine()
        assert node.included(key.address) == []
        assert await node.height() == 51


@pytest.mark.parametrize("is_reinjected", [True, False])
async def test_a_reorganisation_takes_transactions_and_gives_them_back_if_wanted(
    key: SubmitterKey, is_reinjected: bool
) -> None:
    async with _node(key) as node:
        await node.mine()
        hash_ = await node.send(_sign(key, 0))
        await node.mine(3)
        lost = await node.reorg(3, is_reinjected=is_reinjected)
        assert [each.hash for each in lost] == [hash_]
        assert (await node.answer("eth_getTransactionReceipt", [hash_]))["result"] is None
        assert (node.pooled(hash_) is not None) is is_reinjected
        assert await node.height() == 4
        await node.mine()
        assert len(node.included(key.address)) == is_reinjected


async def test_a_foreign_transaction_takes_the_nonce_in_a_reorganisation(key: SubmitterKey) -> None:
    async with _node(key) as node:
        await node.mine()
        await node.send(_sign(key, 0))
        await node.mine()
        foreign = _sign(key, 0, value=1)
        await node.reorg(1, is_reinjected=True, foreign=[foreign])
        assert [each.raw for each in node.included(key.address)] == [foreign]
        assert node.pool[key.address.lower()] == {}


async def test_a_chain_without_base_fee_takes_legacy_transactions_only(key: SubmitterKey) -> None:
    async with _node(key, hardfork="berlin") as node:
        with pytest.raises(Refused, match="type 2 rejected, pool not yet in London"):
            await node.send(_sign(key, 0))
        hash_ = await node.send(_sign_legacy(key, 0, 5 * GWEI))
        await node.mine()
        receipt = (await node.answer("eth_getTransactionReceipt", [hash_]))["result"]
        assert receipt["effectiveGasPrice"] == hex(5 * GWEI)
