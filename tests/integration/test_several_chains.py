"""One node, one enclave, two chains: what becomes of the one does not concern the other."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings

from enclave.domain.evidence import TeeKind
from oracle.cli.checks import check_all
from oracle.cli.findings import Verdict
from oracle.cli.run import STOP_S
from oracle.config import Config, build_chains
from oracle.daemon import Daemon, ReportLanded, ReportPlanned, every_answer
from oracle.devnet.anvil import Anvil, anvil
from oracle.devnet.deploy import deploy
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import load_catalogue, select
from oracle.telemetry.state import ChainState
from tests.integration.nodes import Events

pytestmark = pytest.mark.faults

_LIMIT_S = 100.0
#: A chain in trouble misses more reports than this, which are left when it goes on: one that
#: waited, and one of the round that is under way.
_LEFT = 2
#: A chain id besides Anvil's own on which emulated hardware is accepted.
_SECOND_ID = 1_337
_LISTED = select(load_catalogue(), ["btc-usd", "sol-usd"])
_SERVED = select(load_catalogue(), ["btc-usd"])


@contextmanager
def _hanging(chain: Anvil) -> Iterator[None]:
    """A chain whose endpoint takes connections and answers nothing."""
    os.kill(chain.process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(chain.process_id, signal.SIGCONT)


@asynccontextmanager
async def _halted(chains: "_TwoChains") -> AsyncIterator[None]:
    """The first chain makes no block."""
    await chains.first.call("evm_setAutomine", False)
    yield
    await chains.first.batch([("evm_setAutomine", [True]), ("evm_mine", [])])


@asynccontextmanager
async def _without_funds(chains: "_TwoChains") -> AsyncIterator[None]:
    """The account that pays is empty on the first chain; it is the same on the second."""
    account = "0x" + chains.local.nodes[0].operator.address.hex()
    await chains.first.call("anvil_setBalance", account, "0x0")
    yield
    await chains.first.call("anvil_setBalance", account, hex(10**18))


@dataclass(frozen=True, slots=True)
class _Node:
    daemon: Daemon
    events: Events

    def chain(self, name: str) -> ChainState:
        [found] = [chain for chain in self.daemon.state.chains if chain.name == name]
        return found

    async def lands(self, name: str) -> None:
        """The next report that lands on a chain."""
        await self.events.next(ReportLanded, lambda each: each.chain == name)

    async def until_it_says(self, name: str, area: str) -> None:
        async with asyncio.timeout(_LIMIT_S):
            while area not in self.chain(name).problems:
                await asyncio.sleep(0.02)

    def planned(self, name: str) -> list[ReportPlanned]:
        found = [each for each in self.events.seen if isinstance(each, ReportPlanned)]
        return [each for each in found if each.chain == name]

    def landed(self, name: str) -> list[ReportLanded]:
        found = [each for each in self.events.seen if isinstance(each, ReportLanded)]
        return [each for each in found if each.chain == name]


@dataclass(frozen=True, slots=True)
class _TwoChains:
    local: World
    second: Anvil
    configs: tuple[Config, ...]

    @property
    def first(self) -> Anvil:
        return self.local.chain


@asynccontextmanager
async def _two_chains(sources: PriceSources) -> AsyncIterator[_TwoChains]:
    options = WorldOptions(
        tee=TeeKind.TDX,
        definitions=tuple(feed.canonical for feed in _LISTED),
        settings={},
        block_time_s=None,
    )
    async with (
        world(options, TlsSources(sources.ca, sources.ports)) as local,
        anvil(chain_id=_SECOND_ID) as second,
    ):
        deployment = await deploy(second, local.plan)
        await second.call("evm_setAutomine", True)
        at = {name: f"0x{address.hex()}" for name, address in deployment.contracts.items()}
        tables = [
            _table("first", local.chain, at) | {"rpc_timeout_s": 2},
            _table("second", second, at) | {"chain_id": _SECOND_ID, "feeds": ["btc-usd"]},
        ]
        yield _TwoChains(local, second, _configs(local, tables))


def _table(name: str, chain: Anvil, at: dict[str, str]) -> dict[str, Any]:
    """One `[[chains]]`; both deployments have the same addresses."""
    return {
        "name": name,
        "network": "anvil",
        "rpc_urls": [chain.url],
        "registry": at["AttestationRegistry"],
        "signer_set": at["SignerSet"],
        "hub": at["FeedHub"],
    }


def _configs(local: World, tables: list[dict[str, Any]]) -> tuple[Config, ...]:
    node = local.nodes[0]
    enclave, collateral = local.config.enclave, local.config.collateral
    values = {
        "chains": tables,
        "keys": node.operator.keys(),
        "enclave": {
            "silicon": str(enclave.silicon),
            "extra_ca": str(enclave.extra_ca),
            "runtime_dir": "run",
        },
        "collateral": {"source": str(collateral.source)},
        "daemon": {"poll_s": 0.5, "drain_s": 1},
        "feeds": {"catalogue": ["btc-usd"]},
        "http": {"port": 0},
    }
    return build_chains(values, base=node.operator.folder)


@asynccontextmanager
async def _running(chains: _TwoChains) -> AsyncIterator[_Node]:
    """A node with both chains, which ends within its bound."""
    events = Events()
    daemon = Daemon(
        chains.configs,
        _SERVED,
        resolve=chains.local.resolve,
        schedule=every_answer,
        observer=events.observe,
        load=lambda: (chains.configs, _LISTED),
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(daemon.run())
        yield _Node(daemon, events)
        daemon.stop()
        async with asyncio.timeout(STOP_S):
            await asyncio.wait([running])


@pytest.mark.timeout(1_200)
async def test_a_chain_that_hangs_delays_neither_the_other_nor_start_reload_and_end(
    sources: PriceSources,
) -> None:
    async with _two_chains(sources) as chains, AsyncExitStack() as at_the_end:
        at_the_end.callback(os.kill, chains.first.process_id, signal.SIGCONT)
        # 1. One that cannot be reached at the start is retried by itself.
        with _hanging(chains.first):
            node = await at_the_end.enter_async_context(_running(chains))
            await node.lands("second")
            await node.until_it_says("first", "chain")
            assert not node.chain("first").is_accepted
            await _rotate(node)
        await node.lands("first")
        await _both_report_one_observation(node)
        # 2. One hangs while it is reported to; feeds change meanwhile.
        with _hanging(chains.first):
            await node.lands("second")
            await _doctor_names_the_one_that_hangs(chains)
            await node.lands("second")
            await _reload(node)
            stopped = len(node.landed("first"))
        await _goes_on_with_a_fresh_report(node, stopped, int(time.time()))
        assert node.daemon.state.enclave_starts == 2
        assert node.chain("second").reports_refused == 0
        assert "SOL/USD" in {feed.name for feed in node.chain("first").feeds.values()}
        assert "SOL/USD" not in {feed.name for feed in node.chain("second").feeds.values()}
        # 3. Other trouble of one chain.
        cycles = 20 if settings.get_current_profile_name() == "nightly" else 1
        for _ in range(cycles):
            for trouble in (_halted, _without_funds):
                stopped = len(node.landed("first"))
                async with trouble(chains):
                    for _ in range(_LEFT + 1):
                        await node.lands("second")
                await _goes_on_with_a_fresh_report(node, stopped, int(time.time()))
        assert node.daemon.state.enclave_starts == 2
        # 4. One hangs while the node is told to end.
        os.kill(chains.first.process_id, signal.SIGSTOP)
        planned = len(node.planned("first"))
        while len(node.planned("first")) == planned:
            await node.lands("second")


async def _rotate(node: _Node) -> None:
    """Another enclave takes over; a chain that took no report of the old one is not waited for."""
    before = node.daemon.state.signer.address
    node.daemon.rotate()
    async with asyncio.timeout(_LIMIT_S):
        while node.daemon.state.rotation.attempts < 1:
            await asyncio.sleep(0.02)
    assert node.daemon.state.rotation.fault == ""
    assert node.chain("second").standing.signer == node.daemon.state.signer.address != before
    await node.lands("second")


async def _doctor_names_the_one_that_hangs(chains: _TwoChains) -> None:
    findings = await check_all(chains.configs, _SERVED)
    found = {each.check: each.verdict for each in findings}
    assert found["first rpc 1"] is found["first image"] is Verdict.FAIL
    for check in ("key", "rpc 1", "contracts", "balance", "seat", "image", "platform"):
        assert found[f"second {check}"] is Verdict.OK, check


async def _both_report_one_observation(node: _Node) -> None:
    """Wait for a round that was reported to both, each with a signature of its own."""
    async with asyncio.timeout(_LIMIT_S):
        while True:
            await node.lands("first")
            first, second = (
                {each.report.observed_at: each for each in node.planned(name)}
                for name in ("first", "second")
            )
            common = first.keys() & second.keys()
            if common:
                one, other = first[max(common)], second[max(common)]
                # The second takes one of the feeds; what it takes is what the first takes.
                assert set(other.report.entries) < set(one.report.entries)
                assert one.encoded[-64:] != other.encoded[-64:]
                return


async def _reload(node: _Node) -> None:
    """Serve another feed, which the second chain does not report."""
    before = node.daemon.state.rounds
    node.daemon.reload()
    async with asyncio.timeout(_LIMIT_S):
        while node.daemon.state.config.reloads < 1:
            await asyncio.sleep(0.02)
    assert node.daemon.state.config.fault == ""
    assert node.daemon.state.rounds > before
    await node.lands("second")


async def _goes_on_with_a_fresh_report(node: _Node, stopped: int, resumed_at: int) -> None:
    """No backlog comes before a report of now."""
    await node.events.next(
        ReportLanded,
        lambda each: each.chain == "first" and each.report.observed_at >= resumed_at,
    )
    since = node.landed("first")[stopped:]
    old = [each for each in since if each.report.observed_at < resumed_at]
    assert len(old) <= _LEFT
    print(f"landed of before the chain went on: {len(old)}")
