"""The enclave's process is killed: the daemon starts another, whose key is another."""

import os
import signal

from oracle.daemon import EnclaveEnded, ReportLanded, SignerReady
from oracle.devnet.deploy import read_price
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources
from oracle.feeds.catalogue import Feed
from tests.integration.nodes import running_node


async def test_a_killed_enclave_is_replaced_registered_and_goes_on(
    sources: PriceSources, feeds: tuple[Feed, ...]
) -> None:
    async with running_node(feeds, TlsSources(sources.ca, sources.ports)) as node:
        first = await node.events.next(SignerReady)
        before = await node.events.next(ReportLanded)

        os.kill(node.daemon.enclave_pid, signal.SIGKILL)

        await node.events.next(EnclaveEnded)
        second = await node.events.next(SignerReady)
        after = await node.events.next(ReportLanded)
        consumer = node.world.deployment.feeds[-1].consumer
        reading = await read_price(node.world.chain, consumer, block=after.receipt.block)

    assert (first.starts, second.starts) == (1, 2)
    assert first.address != second.address
    assert second.standing.status.is_valid
    assert second.standing.status.image_id == first.standing.status.image_id
    assert after.report.observed_at > before.report.observed_at
    assert reading[2] == after.report.observed_at
