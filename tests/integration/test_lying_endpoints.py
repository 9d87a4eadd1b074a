"""A whole node while two of its three endpoints lie, lag or fail: its feed goes on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest

from oracle.chain.rpc import RpcRefused
from oracle.daemon import ReportLanded
from oracle.devnet.anvil import Anvil
from oracle.devnet.deploy import read_price
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources
from oracle.feeds.catalogue import Feed
from tests.fakes.geth_node import GethNode
from tests.fakes.rpc_faults import Fault
from tests.fakes.rpc_proxy import RpcProxy, rpc_proxy
from tests.integration.nodes import Node, running_node

WAIT_S = 40.0
_ROUNDS = 2


class Mining:
    """Answers as the chain does, which mines each transaction at once; first it must be there."""

    def __init__(self) -> None:
        self._chain: Anvil | None = None
        self._is_there = asyncio.Event()

    def open(self, chain: Anvil) -> None:
        self._chain = chain
        self._is_there.set()

    async def answer(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        await self._is_there.wait()
        assert self._chain is not None
        (found,) = await self._chain.answers([(method, params)])
        if isinstance(found, RpcRefused):
            return {
                "error": {
                    "code": found.code,
                    "message": "refused",
                    "data": "0x" + found.data.hex(),
                }
            }
        return {"result": found}

    async def height(self) -> int:
        return int((await self.answer("eth_blockNumber", []))["result"], 16)


@asynccontextmanager
async def _endpoints(count: int) -> AsyncIterator[tuple[Mining, list[RpcProxy]]]:
    mining = Mining()
    async with AsyncExitStack() as stack:
        opened = [rpc_proxy(cast(GethNode, mining), seed=seed) for seed in range(count)]
        yield mining, [await stack.enter_async_context(proxy) for proxy in opened]


async def _observed_at(node: Node) -> int:
    """Of the round on the chain, as the chain itself says."""
    height = int(await node.world.chain.call("eth_blockNumber"), 16)
    consumer = node.world.deployment.feeds[-1].consumer
    return (await read_price(node.world.chain, consumer, block=height))[2]


@pytest.mark.parametrize(
    "faults",
    [
        (Fault.LYING_CALL, Fault.LYING_CALL),
        (Fault.NO_BALANCE, Fault.HIGH_NONCE),
    ],
    ids=lambda faults: " and ".join(fault.name for fault in faults),
)
async def test_reports_land_while_two_of_three_endpoints_are_bad(
    sources: PriceSources, feeds: tuple[Feed, ...], faults: tuple[Fault, Fault]
) -> None:
    async with _endpoints(3) as (mining, proxies):
        settings = {"chain": {"rpc_urls": [proxy.url for proxy in proxies], "rpc_timeout_s": 5}}
        tls = TlsSources(sources.ca, sources.ports)
        async with running_node(feeds, tls, settings=settings) as node:
            mining.open(node.world.chain)
            await node.events.next(ReportLanded)
            for proxy, fault in zip(proxies, faults, strict=False):
                await proxy.arm(fault)
            observed_at = [await _observed_at(node)]
            async with asyncio.timeout(WAIT_S):
                while len(observed_at) <= _ROUNDS:
                    await asyncio.sleep(0.1)
                    if (seen := await _observed_at(node)) != observed_at[-1]:
                        observed_at.append(seen)
            assert observed_at == sorted(observed_at)
            # No lie made it give up its signer or register again.
            assert node.daemon.state.enclave_starts == 1
            assert node.daemon.state.is_accepted
