"""What goes wrong around a node: one clear line each, nothing half-sent, and it heals."""

import os
import re
import signal
from pathlib import Path

import pytest

from enclave.domain.evidence import TeeKind
from enclave.domain.observation import SourceFailure
from oracle.daemon import ReportLanded, ReportPlanned, RoundMade
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.servers import Failure
from oracle.devnet.world import ENCLAVE, TlsSources, WorldOptions, world
from oracle.egress_proxy import EgressProxy
from oracle.enclave_process import EnclaveLaunch, default_enclave_python, run_enclave
from oracle.feeds.catalogue import Feed, load_catalogue, select
from tests.integration.nodes import Node, running_node

KRAKEN = "api.kraken.com"
ETH_SOURCES = 7


@pytest.fixture
def tls(sources: PriceSources) -> TlsSources:
    return TlsSources(sources.ca, sources.ports)


def assert_clear(line: str, wanted: str) -> None:
    """One line, no traceback, no internals of Python, that matches."""
    assert "\n" not in line
    assert "Traceback" not in line
    assert re.search(wanted, line), line


async def sent(node: Node) -> int:
    """Transactions that the operator's account ever sent or has waiting."""
    operator = "0x" + node.world.deployment.operators[0].hex()
    return int(await node.world.chain.call("eth_getTransactionCount", operator, "pending"), 16)


def failures(made: RoundMade) -> list[SourceFailure]:
    answered = [failure for view in made.result.answers for failure in view.failures]
    return answered + [failure for view in made.result.failed for failure in view.failures]


async def test_a_source_that_is_down_is_left_out_and_named(
    sources: PriceSources, tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    await sources.fail(KRAKEN, Failure.UNAVAILABLE)
    async with running_node(feeds, tls) as node:
        made = await node.events.next(RoundMade)
        landed = await node.events.next(ReportLanded)
    assert {(failure.source, failure.error) for failure in failures(made)} == {
        ("kraken", "SourceUnavailable")
    }
    for failure in failures(made):
        assert_clear(failure.message, "HTTP 503")
    assert [entry.sources for entry in landed.report.entries] == [3, ETH_SOURCES - 1]


async def test_below_quorum_nothing_is_signed_for_the_feed(
    sources: PriceSources, tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    for host in (KRAKEN, "api.gemini.com", "www.bitstamp.net", "www.okx.com"):
        await sources.fail(host, Failure.UNAVAILABLE)
    async with running_node(feeds, tls) as node:
        made = await node.events.next(RoundMade)
        await node.events.next(RoundMade)
        await node.events.next(RoundMade)
        assert not [event for event in node.events.seen if isinstance(event, ReportPlanned)]
        for host in (KRAKEN, "api.gemini.com", "www.bitstamp.net", "www.okx.com"):
            await sources.mend(host)
        landed = await node.events.next(ReportLanded)
    lines = {view.failure.message for view in made.result.failed}
    assert len(made.result.failed) == 2
    for line in lines:
        assert_clear(line, "^1 fresh sources, wanted [34]$")
    assert len(landed.feed_ids) == 2


async def test_a_stale_source_is_left_out_and_named(
    sources: PriceSources, tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    await sources.fail("www.bitstamp.net", Failure.STALE)
    async with running_node(feeds, tls) as node:
        made = await node.events.next(RoundMade)
    assert {failure.source for failure in failures(made)} == {"bitstamp"}
    for failure in failures(made):
        assert_clear(failure.message, "^price is 36[0-9][0-9] s old, wanted at most [0-9]+$")


async def test_what_the_relay_does_not_allow_is_named(
    tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    definitions = tuple(feed.canonical for feed in feeds)
    async with world(WorldOptions(TeeKind.TDX, definitions, {}), tls) as local:
        config = local.config.enclave
        relay = config.runtime_dir / "relay" / "relay.sock"
        make_folder(relay.parent)
        launch = EnclaveLaunch(
            python=default_enclave_python(),
            source=ENCLAVE,
            listen_dir=config.runtime_dir / "enclave",
            relay=relay,
            attester="simulated",
            tee="tdx",
            silicon=config.silicon,
            extra_ca=config.extra_ca,
            sandbox="auto",
        )
        async with EgressProxy(relay, set()), run_enclave(launch) as enclave:
            ids = await enclave.client.load(definitions)
            result = await enclave.client.run_round(ids)
    assert not result.answers
    assert result.observed_at == 0
    for view in result.failed:
        for failure in view.failures:
            assert_clear(failure.message, "not on the allow list")


async def test_a_hub_without_the_feed_gets_only_what_it_lists(
    tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    extra = select(load_catalogue(), ["eth-usd", "sol-usd"])
    async with running_node(extra, tls, listed=feeds) as node:
        landed = await node.events.next(ReportLanded)
        assert_clear(node.chain.notices["unlisted"], "not listed in the hub: SOL/USD")
    assert landed.feed_ids == tuple(feed.feed_id for feed in feeds)


async def test_a_quote_of_an_image_that_is_not_approved_is_refused_by_name(
    tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    async with running_node(feeds, tls, approve_image=False) as node:
        line = await node.problem("registration")
        image = node.world.image_id.hex()
        before = await sent(node)
        assert not [event for event in node.events.seen if isinstance(event, ReportPlanned)]
    assert_clear(line, f"ImagePolicy_NotLive.*{image}")
    # The collateral was brought before; the registration itself was not sent.
    assert before == 7


async def test_an_endpoint_of_another_chain_is_refused(
    tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    async with running_node(feeds, tls, settings={"chain": {"chain_id": 5}}) as node:
        assert_clear(await node.problem("chain"), "chain id 31337, wanted 5")
        assert await sent(node) == 0


async def test_an_empty_gas_account_is_named_and_heals(
    tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    async with running_node(feeds, tls, operator_wei=0) as node:
        operator = "0x" + node.world.deployment.operators[0].hex()
        assert_clear(await node.problem("registration"), "send funds to it")
        assert await sent(node) == 0
        await node.world.chain.call("anvil_setBalance", operator, hex(10**18))
        await node.events.next(ReportLanded)


async def test_a_chain_that_does_not_answer_is_named_and_heals(
    tls: TlsSources, feeds: tuple[Feed, ...]
) -> None:
    settings = {"chain": {"rpc_timeout_s": 0.5}}
    async with running_node(feeds, tls, settings=settings) as node:
        await node.events.next(ReportLanded)
        os.kill(node.world.chain.process_id, signal.SIGSTOP)
        try:
            line = await node.problem("submit")
        finally:
            os.kill(node.world.chain.process_id, signal.SIGCONT)
        assert_clear(
            line, r"endpoint 1 of 1: (no answer within 0.5 s|not reachable \(TimeoutError\))$"
        )
        await node.events.next(ReportLanded)
        assert "submit" not in node.chain.problems


def make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True)
