"""The pool on a real chain behind three endpoints, of which one at least is honest."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]  # it ships no types

from enclave.domain.errors import ChainError
from enclave.domain.report import keccak256
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, Receipt
from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.chain.rpc import Health, Rpc, RpcDisagreement, RpcMalformed, open_rpc
from oracle.chain.rpc.proofs import Account, is_header, prove_account
from oracle.chain.transactions import EvmSubmitter, FeePolicy
from oracle.devnet.anvil import CHAIN_ID, anvil
from oracle.store import open_journal
from tests.fakes.geth_node import GethNode, geth_node
from tests.fakes.rpc_faults import Fault
from tests.fakes.rpc_proxy import RpcProxy, rpc_proxy

GWEI = 10**9
TARGET = "0x00000000000000000000000000000000000000A1"
#: The identity contract, which returns what it is given.
ECHO = {"to": "0x" + "00" * 19 + "04", "data": "0x1234"}
COUNT = "eth_getTransactionCount"


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x07" * 32)


@dataclass
class Bench:
    node: GethNode
    proxies: Sequence[RpcProxy]
    rpc: Rpc
    account: str

    async def agreed(self, method: str, *params: Any) -> Any:
        return await self.rpc.request_agreed(method, params)

    @property
    def health(self) -> list[Health]:
        return [each.health for each in self.rpc.endpoints]


@asynccontextmanager
async def _bench(key: SubmitterKey, *, timeout_s: float = 20.0) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(50))
        chain = await stack.enter_async_context(anvil())
        await chain.call("anvil_setBalance", key.address, hex(10**19))
        node = await stack.enter_async_context(geth_node(chain))
        await node.mine(5)
        proxies = [await stack.enter_async_context(rpc_proxy(node, seed=seed)) for seed in range(3)]
        urls = [proxy.url for proxy in proxies]
        opened = open_rpc(urls, chain_id=CHAIN_ID, timeout_s=timeout_s)
        yield Bench(node, proxies, await stack.enter_async_context(opened), key.address)


async def test_honest_endpoints_agree_on_everything(key: SubmitterKey) -> None:
    async with _bench(key) as bench:
        block = await bench.rpc.agreed_block()
        assert block.is_proved
        assert block.head.number == await bench.node.height()
        assert await bench.agreed("eth_call", ECHO, "latest") == "0x1234"
        assert await bench.agreed(COUNT, bench.account, "latest") == "0x0"
        assert int(await bench.agreed("eth_getBalance", bench.account, "latest"), 16) == 10**19
        assert bench.health == [Health.ALIVE] * 3


@pytest.mark.parametrize(
    ("fault", "method", "wanted"),
    [
        (Fault.HIGH_NONCE, COUNT, 0),
        (Fault.NO_BALANCE, "eth_getBalance", 10**19),
    ],
)
async def test_one_honest_of_three_proves_what_two_liars_deny(
    key: SubmitterKey, fault: Fault, method: str, wanted: int
) -> None:
    async with _bench(key) as bench:
        for liar in bench.proxies[:2]:
            await liar.arm(fault)
        assert int(await bench.agreed(method, bench.account, "latest"), 16) == wanted
        assert bench.health == [Health.LYING, Health.LYING, Health.ALIVE]
        assert int(await bench.agreed(method, bench.account, "latest"), 16) == wanted


async def test_without_a_proof_a_nonce_that_is_denied_is_not_known(key: SubmitterKey) -> None:
    async with _bench(key) as bench:
        await bench.proxies[0].arm(Fault.NULL_RESULT, methods={"eth_getProof"})
        await bench.proxies[1].arm(Fault.NO_METHOD, methods={"eth_getProof"})
        await bench.proxies[1].arm(Fault.HIGH_NONCE)
        await bench.proxies[2].arm(Fault.NO_METHOD, methods={"eth_getProof"})
        with pytest.raises(RpcDisagreement, match=COUNT):
            await bench.agreed(COUNT, bench.account, "latest")
        assert bench.health == [Health.ALIVE] * 3


async def test_a_base_fee_that_its_block_does_not_have_is_not_believed(key: SubmitterKey) -> None:
    async with _bench(key) as bench:
        honest = await bench.node.answer("eth_getBlockByNumber", ["latest", False])
        await bench.proxies[0].arm(Fault.HIGH_BASE_FEE)
        await bench.proxies[1].arm(Fault.LOW_BASE_FEE)
        told = await bench.agreed("eth_getBlockByNumber", "latest", False)
        assert told["baseFeePerGas"] == honest["result"]["baseFeePerGas"]


async def test_a_call_that_is_denied_is_not_acted_upon_whoever_lies(key: SubmitterKey) -> None:
    for liars in (1, 2):
        async with _bench(key) as bench:
            for liar in bench.proxies[:liars]:
                await liar.arm(Fault.LYING_CALL)
            with pytest.raises(RpcDisagreement, match="eth_call"):
                await bench.agreed("eth_call", ECHO, "latest")
            for liar in bench.proxies:
                liar.clear()
            assert await bench.agreed("eth_call", ECHO, "latest") == "0x1234"


@pytest.mark.parametrize(
    "faults",
    [
        (Fault.RESET, Fault.BAD_GATEWAY),
        (Fault.HANGING, Fault.RETRY_AFTER),
        (Fault.FOREIGN_RESULT, Fault.DUPLICATED),
        (Fault.OTHER_CHAIN, Fault.FAR_HEAD),
        (Fault.SWALLOWED, Fault.LYING_ESTIMATE),
        (Fault.NO_BALANCE, Fault.NO_BALANCE),
        (Fault.HIGH_NONCE, Fault.LOW_NONCE),
        (Fault.HIGH_BASE_FEE, Fault.LOW_BASE_FEE),
        (Fault.LYING_RECEIPT, Fault.OTHER_RECEIPT),
        (Fault.NO_RECEIPT, Fault.FAILED_RECEIPT),
        (Fault.GZIP_BOMB, Fault.DEEP_JSON),
        (Fault.SYNCING, Fault.FROZEN),
    ],
    ids=lambda faults: " and ".join(fault.name for fault in faults),
)
async def test_transactions_land_once_each_while_two_of_three_are_bad(
    tmp_path: Path, key: SubmitterKey, faults: tuple[Fault, Fault]
) -> None:
    async with _bench(key, timeout_s=1.0) as bench, open_journal(tmp_path / "oracle.db") as journal:
        policy = FeePolicy(100 * GWEI, GWEI, 20, 30.0, 0.01)
        submitter = EvmSubmitter(bench.rpc, journal, key, policy, load_abi("FeedHub"))
        await _send(bench, submitter)
        for proxy, fault in zip(bench.proxies, faults, strict=False):
            await proxy.arm(fault)
        for _ in range(2):
            await _send(bench, submitter)
        for proxy in bench.proxies:
            proxy.clear()
        included = bench.node.included(key.address)
        assert [each.nonce for each in included] == [0, 1, 2]
        assert bench.node.pool.get(key.address.lower(), {}) == {}


async def _send(bench: Bench, submitter: EvmSubmitter) -> None:
    """Send, and mine blocks until it has landed; once, though a failed try is repeated."""
    before = len(bench.node.included(bench.account))
    sending = asyncio.ensure_future(_deliver(submitter))
    while not sending.done():
        await bench.node.mine()
        await asyncio.wait({sending}, timeout=0.1)
    assert sending.result().is_success
    assert len(bench.node.included(bench.account)) == before + 1


async def _deliver(submitter: EvmSubmitter) -> Receipt:
    while True:
        try:
            return await submitter.send(Call("submit", TARGET, b""))
        except ChainError:
            # On a busy machine even an honest endpoint may be silent for its second.
            await asyncio.sleep(0.02)


async def test_a_proof_stands_and_falls_with_every_byte(key: SubmitterKey) -> None:
    async with _bench(key) as bench:
        block = (await bench.rpc.agreed_block()).fields
        root = bytes.fromhex(block["stateRoot"][2:])
        assert is_header(block)
        for name, value in block.items():
            if isinstance(value, str) and name not in ("totalDifficulty", "size"):
                assert not is_header(
                    {**block, name: value[:-1] + ("0" if value[-1] != "0" else "1")}
                )
        assert not is_header({**block, "number": None})
        proof = await bench.rpc.request("eth_getProof", [bench.account, [], "latest"])
        address = bytes.fromhex(bench.account[2:])
        assert prove_account(proof, address=address, state_root=root) == Account(0, 10**19)
        nobody = await bench.rpc.request("eth_getProof", ["0x" + "77" * 20, [], "latest"])
        assert prove_account(nobody, address=b"\x77" * 20, state_root=root) == Account(0, 0)
        nodes = proof["accountProof"]
        broken: list[Any] = [
            [],
            nodes[:-1],
            nodes[1:],
            [*nodes, nodes[-1]] if len(nodes) > 64 else nodes * 65,
            [*nodes[:-1], nodes[-1][:-2] + ("00" if nodes[-1][-2:] != "00" else "01")],
        ]
        for some in broken:
            with pytest.raises(RpcMalformed):
                prove_account({"accountProof": some}, address=address, state_root=root)


def test_no_field_of_a_header_stands_in_the_place_of_an_earlier_one() -> None:
    fields: dict[str, Any] = {
        **dict.fromkeys(("parentHash", "sha3Uncles", "stateRoot"), "0x" + "11" * 32),
        **dict.fromkeys(("transactionsRoot", "receiptsRoot", "mixHash"), "0x" + "22" * 32),
        **dict.fromkeys(("difficulty", "number", "gasLimit", "gasUsed", "timestamp"), "0x5"),
        "miner": "0x" + "33" * 20,
        "logsBloom": "0x" + "00" * 256,
        "extraData": "0x",
        "nonce": "0x" + "00" * 8,
        "baseFeePerGas": "0x7",
        "withdrawalsRoot": "0x" + "44" * 32,
    }
    order = [
        *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
        *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
        *("mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot"),
    ]
    items = [fields[name][2:] for name in order]
    raw = rlp.encode([bytes.fromhex(item if len(item) % 2 == 0 else "0" + item) for item in items])
    block = {**fields, "hash": "0x" + keccak256(raw).hex()}
    assert is_header(block)
    # The same bytes under the names of later forks, so that there is no base fee.
    moved = {"withdrawalsRoot": "0x07", "blobGasUsed": fields["withdrawalsRoot"]}
    assert not is_header({**block, "baseFeePerGas": None, **moved})


#: Path of the account of address zero, after the mark of a leaf that has an even number of nibbles.
_PATH = b"\x20" + keccak256(bytes(20))


@pytest.mark.parametrize(
    "node",
    [
        b"\x80",
        b"\xc0",
        b"\xff",
        rlp.encode([b"", b""]),
        rlp.encode([[b""], b""]),
        rlp.encode([_PATH, [b""]]),
        rlp.encode([_PATH, b""]),
        rlp.encode([_PATH, b"\x01"]),
        rlp.encode([_PATH, rlp.encode([b"\x01", b"\x02", b""])]),
        rlp.encode([_PATH, rlp.encode([b"\x01", [b""], b"", b""])]),
        rlp.encode([b"\x00" + _PATH[1:], b"\x01"]),
        rlp.encode([b"\x00" + _PATH[1:], [b""]]),
    ],
)
def test_a_node_of_no_kind_proves_nothing(node: bytes) -> None:
    proof = {"accountProof": ["0x" + node.hex()]}
    with pytest.raises(RpcMalformed):
        prove_account(proof, address=bytes(20), state_root=keccak256(node))


def test_a_branch_below_the_end_of_the_path_proves_nothing() -> None:
    branch = rlp.encode([b""] * 17)
    root = rlp.encode([b"\x00" + _PATH[1:], keccak256(branch)])
    proof = {"accountProof": ["0x" + root.hex(), "0x" + branch.hex()]}
    with pytest.raises(RpcMalformed, match="another kind"):
        prove_account(proof, address=bytes(20), state_root=keccak256(root))


@pytest.mark.parametrize(
    "node", [rlp.encode([b""] * 17), rlp.encode([b"\x20" + bytes(32), b"\x01"])]
)
def test_a_tree_without_the_path_shows_an_account_that_was_never_used(node: bytes) -> None:
    proof = {"accountProof": ["0x" + node.hex()]}
    found = prove_account(proof, address=bytes(20), state_root=keccak256(node))
    assert found == Account(0, 0)
