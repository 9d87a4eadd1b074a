"""A block's roots prove what became of a transaction: by a real chain, and against liars."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from enclave.domain.errors import ChainError
from oracle.chain.rpc import Health, Rpc, RpcDisagreement, RpcMalformed, open_rpc
from oracle.chain.rpc.receipts import find_transaction, ordered_root, price_wei, prove_receipt
from oracle.devnet.anvil import CHAIN_ID, Anvil, anvil
from tests.fakes.geth_node import geth_node
from tests.fakes.rpc_faults import Fault
from tests.fakes.rpc_proxy import RpcProxy, rpc_proxy

RECEIPT = "eth_getTransactionReceipt"
WHOLE = {"eth_getBlockByHash", "eth_getBlockReceipts"}
GWEI = 10**9
#: Of the block; indexes beyond 127 are longer paths.
_COUNT = 150
#: Logs its first word under two topics, or reverts without one.
_LOGGER = bytes.fromhex("3615600e57602060006000376001600260206000a2005b60006000fd")
_ROUNDS = 120


@dataclass(frozen=True)
class Mined:
    """A block as its node tells it.

    Attributes:
        fields: With whole transactions.
        receipts: All of them.
    """

    fields: Mapping[str, Any]
    receipts: Sequence[Mapping[str, Any]]

    def root(self, name: str) -> bytes:
        return bytes.fromhex(self.fields[f"{name}Root"][2:])


def _unsigned(number: int, account: LocalAccount, to: bytes) -> dict[str, Any]:
    """A transaction of one type after the other; each seventh makes a contract or fails."""
    fields: dict[str, Any] = {"nonce": 0, "gas": 200_000, "value": 0, "data": bytes(number % 40)}
    fields |= {"data": b"\xfe"} if number % 7 == 6 else {"to": to}
    slots = ["0x" + "00" * 31 + "01", "0x" + "00" * 32]
    access = [{"address": "0x" + to.hex(), "storageKeys": keys} for keys in (slots, [])]
    dynamic = {"maxFeePerGas": 9 * GWEI, "maxPriorityFeePerGas": GWEI, "chainId": CHAIN_ID}
    match number % 5:
        case 0:
            return fields | {"gasPrice": 8 * GWEI, "chainId": CHAIN_ID}
        case 1:
            return fields | {"gasPrice": 8 * GWEI}
        case 2:
            more = {"type": 1, "gasPrice": 8 * GWEI, "chainId": CHAIN_ID}
            return fields | more | {"accessList": access}
        case 3 if "to" in fields:
            grant = {"chainId": 0, "address": to, "nonce": 1}
            grants = [account.sign_authorization(grant)] * 2
            return fields | dynamic | {"type": 4, "authorizationList": grants}
        case _:
            return fields | dynamic | {"type": 2, "accessList": access}


async def _mine_all_types(chain: Anvil) -> Mined:
    await chain.call("evm_setAutomine", False)
    target = bytes.fromhex("c0" * 20)
    await chain.call("anvil_setCode", "0x" + target.hex(), "0x" + _LOGGER.hex())
    for number in range(_COUNT):
        account = Account.from_key((number + 1).to_bytes(32, "big"))
        await chain.call("anvil_setBalance", account.address, hex(10**19))
        signed = account.sign_transaction(_unsigned(number, account, target))
        await chain.call("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())
    await chain.call("evm_mine")
    fields = await chain.call("eth_getBlockByNumber", "latest", True)
    return Mined(fields, await chain.call("eth_getBlockReceipts", fields["number"]))


@pytest.fixture(scope="module")
def mined() -> Mined:
    async def mine() -> Mined:
        async with anvil() as chain:
            return await _mine_all_types(chain)

    return asyncio.run(mine())


def test_every_transaction_of_a_real_block_is_found_and_its_receipt_proved(mined: Mined) -> None:
    told = mined.fields["transactions"]
    assert len(told) == _COUNT
    assert {each["type"] for each in told} == {"0x0", "0x1", "0x2", "0x4"}
    assert {(each["status"], bool(each["logs"])) for each in mined.receipts} == {
        ("0x0", False),
        ("0x1", True),
    }
    base_fee_wei = int(mined.fields["baseFeePerGas"], 16)
    for index in [*range(20), 127, 128, _COUNT - 1]:
        wanted = bytes.fromhex(told[index]["hash"][2:])
        found = find_transaction(wanted, told, root=mined.root("transactions"))
        assert found == (index, told[index])
        receipt = prove_receipt(index, mined.receipts, root=mined.root("receipts"))
        true = mined.receipts[index]
        assert (receipt["status"], receipt["gasUsed"]) == (true["status"], true["gasUsed"])
        assert [log["data"] for log in receipt["logs"]] == [log["data"] for log in true["logs"]]
        assert price_wei(found[1], base_fee_wei) == int(true["effectiveGasPrice"], 16)
    assert find_transaction(bytes(32), told, root=mined.root("transactions")) is None
    with pytest.raises(RpcMalformed, match="not those of the block"):
        prove_receipt(_COUNT, mined.receipts, root=mined.root("receipts"))


def test_no_list_that_was_altered_in_one_place_proves_anything_else(mined: Mined) -> None:
    rng = random.Random(1)
    told, refused = mined.fields["transactions"], 0
    wanted = bytes.fromhex(told[7]["hash"][2:])
    true = prove_receipt(7, mined.receipts, root=mined.root("receipts"))
    for _ in range(_ROUNDS):
        try:
            found = find_transaction(wanted, _alter(told, rng), root=mined.root("transactions"))
            assert found is not None
            assert found[0] == 7
            assert (
                prove_receipt(7, _alter(mined.receipts, rng), root=mined.root("receipts")) == true
            )
        except ChainError:
            refused += 1
    print(f"{refused} of {_ROUNDS} refused; the others have what no root is of")
    assert refused > _ROUNDS // 4


def _alter(value: Any, rng: random.Random) -> Any:
    """The value with something else in one place of its tree."""
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        return {**value, key: _alter(value[key], rng)}
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        rest = value[at + 1 :]
        return [*value[:at], *([] if rng.random() < 0.1 else [_alter(value[at], rng)]), *rest]
    return rng.choice((None, 1, "", "0x", "0x0", "0x1", "0x" + "f" * 64, [], {}, [None], [{}]))


def test_a_type_that_is_not_known_proves_nothing(mined: Mined) -> None:
    other = {**mined.fields["transactions"][0], "type": "0x7d"}
    with pytest.raises(RpcMalformed, match="type 125, which is not known"):
        find_transaction(bytes(32), [other], root=bytes(32))
    with pytest.raises(RpcMalformed, match="type 256"):
        prove_receipt(0, [{**mined.receipts[0], "type": "0x100"}], root=bytes(32))


def test_blobs_are_encoded_as_their_signer_does() -> None:
    fields = {
        "type": 3,
        "chainId": 1,
        "nonce": 5,
        "maxPriorityFeePerGas": 1,
        "maxFeePerGas": 300,
        "gas": 21_000,
        "to": bytes(19) + b"\x01",
        "value": 0,
        "data": b"",
        "accessList": [],
        "maxFeePerBlobGas": 7,
        "blobVersionedHashes": [b"\x01" + bytes(31)],
    }
    signed = Account.from_key(bytes(31) + b"\x01").sign_transaction(fields)
    told = {
        "type": "0x3",
        "chainId": "0x1",
        "nonce": "0x5",
        "maxPriorityFeePerGas": "0x1",
        "maxFeePerGas": "0x12c",
        "gas": "0x5208",
        "to": "0x" + "00" * 19 + "01",
        "value": "0x0",
        "input": "0x",
        "accessList": [],
        "maxFeePerBlobGas": "0x7",
        "blobVersionedHashes": ["0x01" + "00" * 31],
        "v": hex(signed.v),
        "r": hex(signed.r),
        "s": hex(signed.s),
    }
    root = ordered_root([bytes(signed.raw_transaction)])
    assert find_transaction(bytes(signed.hash), [told], root=root) == (0, told)


def test_deposits_of_the_op_stack_are_encoded_as_in_a_block_of_it() -> None:
    """A block of a test network with nothing but its deposit, hash 0xfc70e073…8029ef5."""
    words = [
        *("015d8eb9", f"{0x1267F33:064x}", f"{0x65DA6073:064x}", f"{0x75D3F8610:064x}"),
        "97c24796a4f639846a6a3ea3a59c11de8d89e11f551bae8feca9271a78926d42",
        *(f"{4:064x}", "00" * 12 + "415c8893d514f9bc5211d36eeda4183226b84aa7"),
        *(f"{0xBC:064x}", f"{0xA6FE0:064x}"),
    ]
    deposit = {
        "type": "0x7e",
        "sourceHash": "0x5a1b66228a26547e2ce6fe1aa734d2c34e062e42ccd5710463e6987890f1ad5d",
        "from": "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001",
        "to": "0x4200000000000000000000000000000000000015",
        "mint": "0x0",
        "value": "0x0",
        "gas": "0xf4240",
        "input": "0x" + "".join(words),
    }
    receipt = {
        "type": "0x7e",
        "status": "0x1",
        "cumulativeGasUsed": "0xb76d",
        "logs": [],
        "logsBloom": "0x" + "00" * 256,
        "depositNonce": "0x111",
        "depositReceiptVersion": "0x1",
    }
    hash_ = "13a644af4f64ce801dcd57faa823e8952f2290b810fdd31995dda62977ed3df1"
    transactions = "b01a2ad2c1ceb76f2edcdc02f2e0453c52e24c421fb04132cdfc0da5b70a593e"
    receipts = "8c303881b3e408cc739f55ef3e5133075d552cbec9ee987aff6b71f58cf291ee"
    wanted, root = bytes.fromhex(hash_), bytes.fromhex(transactions)
    for told in (deposit, {**deposit, "mint": None, "isSystemTx": False}):
        assert find_transaction(wanted, [told], root=root) == (0, told)
    with pytest.raises(RpcMalformed):
        find_transaction(wanted, [{**deposit, "isSystemTx": True}], root=root)
    proved = prove_receipt(0, [receipt], root=bytes.fromhex(receipts))
    assert (proved["status"], proved["gasUsed"]) == ("0x1", "0xb76d")


def test_the_root_of_nothing_is_that_of_an_empty_tree() -> None:
    empty = "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert ordered_root([]).hex() == empty


@dataclass
class Bench:
    """Three endpoints of a chain with one transaction.

    Attributes:
        mined: Hash of the transaction, which is in the block before the latest.
    """

    proxies: Sequence[RpcProxy]
    rpc: Rpc
    mined: str

    async def receipt(self) -> Any:
        return await self.rpc.request_agreed(RECEIPT, [self.mined])

    @property
    def health(self) -> list[Health]:
        return [each.health for each in self.rpc.endpoints]


@asynccontextmanager
async def _bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(50))
        chain = await stack.enter_async_context(anvil())
        node = await stack.enter_async_context(geth_node(chain))
        account = Account.from_key(b"\x07" * 32)
        await chain.call("anvil_setBalance", account.address, hex(10**19))
        fields = {"nonce": 0, "gas": 30_000, "to": bytes(19) + b"\xa1", "value": 0}
        signed = account.sign_transaction({**fields, "gasPrice": 8 * GWEI, "chainId": CHAIN_ID})
        hash_ = await node.send(bytes(signed.raw_transaction))
        await node.mine(2)
        proxies = [await stack.enter_async_context(rpc_proxy(node, seed=seed)) for seed in range(3)]
        opened = open_rpc([proxy.url for proxy in proxies], chain_id=CHAIN_ID, timeout_s=20.0)
        yield Bench(proxies, await stack.enter_async_context(opened), hash_)


@pytest.mark.parametrize("liars", [1, 2])
@pytest.mark.parametrize(
    ("fault", "is_lie"),
    [(Fault.NO_RECEIPT, False), (Fault.FAILED_RECEIPT, True), (Fault.OTHER_RECEIPT, None)],
)
async def test_one_honest_of_three_proves_the_receipt_that_liars_deny(
    fault: Fault, is_lie: bool | None, liars: int
) -> None:
    async with _bench() as bench:
        for proxy in bench.proxies[:liars]:
            await proxy.arm(fault)
        for _ in range(2):
            found = await bench.receipt()
            assert (found["status"], found["transactionHash"]) == ("0x1", bench.mined)
        of_liars = {False: Health.ALIVE, True: Health.LYING, None: Health.UNREACHABLE}[is_lie]
        assert bench.health == [of_liars] * liars + [Health.ALIVE] * (3 - liars)


async def test_a_receipt_of_no_block_is_none_whoever_tells_it() -> None:
    async with _bench() as bench:
        bench.mined = "0x" + "77" * 32
        for proxy in bench.proxies[:2]:
            await proxy.arm(Fault.LYING_RECEIPT)
        assert await bench.receipt() is None
        assert bench.health == [Health.ALIVE] * 3


async def test_a_receipt_of_a_block_that_has_it_not_is_a_lie() -> None:
    async with _bench() as bench:
        true = (await bench.receipt()) | {"transactionHash": "0x" + "77" * 32}
        bench.mined = true["transactionHash"]
        lie = bench.rpc.endpoints[0].transport.ask

        async def tell(method: str, params: Sequence[Any]) -> Any:
            return true if method == RECEIPT else await lie(method, params)

        bench.rpc.endpoints[0].transport = _Transport(tell)
        assert await bench.receipt() is None
        assert bench.health == [Health.LYING, Health.ALIVE, Health.ALIVE]


class _Transport:
    """Asks an endpoint, with something else said in between."""

    def __init__(self, ask: Any) -> None:
        self.ask = ask


async def test_without_a_proof_a_receipt_that_is_denied_is_not_known() -> None:
    async with _bench() as bench:
        await bench.proxies[0].arm(Fault.NULL_RESULT, methods=WHOLE)
        await bench.proxies[1].arm(Fault.NO_METHOD, methods=WHOLE)
        await bench.proxies[2].arm(Fault.NO_METHOD, methods={"eth_getBlockReceipts"})
        await bench.proxies[2].arm(Fault.NO_RECEIPT)
        with pytest.raises(RpcDisagreement, match=r"no proof: endpoint 1: .*; endpoint 3: "):
            await bench.receipt()
        assert bench.health == [Health.ALIVE] * 3


async def test_a_header_of_another_form_proves_nothing_and_its_new_fields_are_named() -> None:
    async with _bench() as bench:
        await bench.proxies[0].arm(Fault.NO_RECEIPT)
        for endpoint in bench.rpc.endpoints:
            endpoint.transport = _Transport(_of_a_later_fork(endpoint.transport.ask))
        with pytest.raises(RpcDisagreement, match=r"no proof: the hash of block 1 .* slotNumber$"):
            await bench.receipt()


def _of_a_later_fork(ask: Any) -> Any:
    """The same chain with a field in its headers, and other hashes."""

    async def tell(method: str, params: Sequence[Any]) -> Any:
        found = await ask(method, params)
        if method == "eth_getBlockByNumber" and found is not None:
            return {**found, "hash": "0x" + "aa" * 32, "slotNumber": "0x1"}
        return {**found, "blockHash": "0x" + "aa" * 32} if method == RECEIPT and found else found

    return tell
