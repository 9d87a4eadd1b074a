"""What a start asks before it sends anything new: the journal, the chain and the registry."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.chain.abi_codec import load_abi
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import load_catalogue, select
from tests.fakes.geth_node import GethNode, PooledTransaction
from tests.fakes.rpc_proxy import rpc_proxy
from tests.integration.crash_bench import LIMIT_S, read_journal, running
from tests.integration.test_lying_endpoints import Mining

_FEED = "usdt-usd"
_SEND = "eth_sendRawTransaction"


class Recording(Mining):
    """The chain, with every request that it got, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Sequence[Any]]] = []

    async def answer(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        self.asked.append((method, params))
        return await super().answer(method, params)


@asynccontextmanager
async def _recorded(sources: PriceSources) -> AsyncIterator[tuple[World, Recording]]:
    recording = Recording()
    async with rpc_proxy(cast(GethNode, recording), seed=1) as proxy:
        options = WorldOptions(
            tee=TeeKind.TDX,
            definitions=tuple(feed.canonical for feed in select(load_catalogue(), [_FEED])),
            settings={
                "chain": {"rpc_urls": [proxy.url]},
                "daemon": {"poll_s": 0.2},
                "feeds": {"catalogue": [_FEED]},
            },
            block_time_s=None,
        )
        async with world(options, TlsSources(sources.ca, sources.ports)) as local:
            recording.open(local.chain)
            yield local, recording


def _called(asked: Sequence[tuple[str, Sequence[Any]]], contract: str) -> set[bytes]:
    """Selectors of what was called of a contract, 4 bytes each."""
    calls = [params[0] for method, params in asked if method == "eth_call"]
    return {
        bytes.fromhex(call["data"][2:10])
        for call in calls
        if call["to"].lower() == contract.lower()
    }


def _selector(contract: str, function: str, *arguments: object) -> bytes:
    return load_abi(contract).encode_call(function, *arguments)[:4]


def _raw(params: Sequence[Any]) -> bytes:
    return bytes.fromhex(params[0][2:])


@pytest.mark.timeout(180)
async def test_a_start_asks_for_journal_chain_and_registry_before_it_sends_anything_new(
    sources: PriceSources, short_tmp: Path
) -> None:
    async with _recorded(sources) as (local, recording), asyncio.TaskGroup() as tasks:
        async with running(local, tasks) as node:
            await node.logged("report_landed")
            await local.chain.call("evm_setAutomine", False)
            async with asyncio.timeout(LIMIT_S):
                while not int((await local.chain.call("txpool_status"))["pending"], 16):
                    await asyncio.sleep(0.02)
        journal = read_journal(local.config.store.path)
        assert journal is not None
        assert journal.open == 1
        # It is mined while nobody runs, so the next start cannot know without asking.
        await local.chain.call("evm_mine")
        await local.chain.call("evm_setAutomine", True)
        sent_before = [_raw(params) for method, params in recording.asked if method == _SEND]
        recording.asked.clear()
        async with running(local, tasks) as node:
            await node.logged("report_landed")

    asked = recording.asked
    new = [
        (number, PooledTransaction.decode(_raw(params)).data[:4])
        for number, (method, params) in enumerate(asked)
        if method == _SEND and _raw(params) not in sent_before
    ]
    before, account = asked[: new[0][0]], local.nodes[0].operator.address.hex()
    # The journal: its open transaction was looked for.
    opened = "0x" + keccak256(sent_before[-1]).hex()
    assert ("eth_getTransactionReceipt", [opened]) in before
    # The chain: its id, and the account's nonce.
    assert "eth_chainId" in {method for method, _ in before}
    nonces = [params for method, params in before if method == "eth_getTransactionCount"]
    assert account in {params[0][2:].lower() for params in nonces}
    # The registry: what it says of the new signer.
    registry = _selector("AttestationRegistry", "signerInfo", "0x" + 40 * "0")
    assert registry in _called(before, local.config.chain.registry)
    # The hub, before the first report: its list of feeds and their rounds.
    submit = _selector("FeedHub", "submit", b"")
    before = asked[: next(number for number, selector in new if selector == submit)]
    hub = {_selector("FeedHub", "feedIds"), _selector("FeedHub", "read", 0)}
    assert hub <= _called(before, local.config.chain.hub)
