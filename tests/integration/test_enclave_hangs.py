"""The enclave's process stands still: it is replaced, and nothing of it is left."""

import asyncio
import os
import signal

import pytest

from oracle.daemon import EnclaveEnded, ReportLanded, SignerReady
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources
from oracle.feeds.catalogue import Feed
from tests.integration.nodes import running_node
from tests.integration.processes import descendants
from tests.integration.test_enclave_killed import innermost

#: The longest wait for an answer, and the way to the next enclave on a loaded machine.
_LIMIT_S = 100.0


@pytest.mark.timeout(180)
async def test_an_enclave_that_answers_no_more_is_replaced(
    sources: PriceSources, feeds: tuple[Feed, ...]
) -> None:
    async with running_node(feeds, TlsSources(sources.ca, sources.ports)) as node:
        first = await node.events.next(SignerReady)
        before = await node.events.next(ReportLanded)
        outermost = node.daemon.enclave_pid
        hung = innermost(outermost)
        os.kill(hung, signal.SIGSTOP)

        async with asyncio.timeout(_LIMIT_S):
            while not any(isinstance(event, EnclaveEnded) for event in node.events.seen):
                await asyncio.sleep(0.05)
        [ended] = [event for event in node.events.seen if isinstance(event, EnclaveEnded)]
        assert "no answer within" in ended.reason
        second = await node.events.next(SignerReady)
        after = await node.events.next(
            ReportLanded, lambda event: event.report.observed_at > before.report.observed_at
        )
        assert not {outermost, hung} & descendants(os.getpid())
    assert second.address != first.address
    assert after.receipt.is_success
