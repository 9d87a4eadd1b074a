"""A private relay: transactions go there alone, and to everybody once one is overdue."""

import asyncio
from pathlib import Path

import pytest

from oracle.chain.keys import SubmitterKey, submitter_key
from tests.fakes.fake_evm import FakeEvm
from tests.fakes.sending import CALL, make_submitter, open_test_journal, submitting, until


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x01" * 32)


async def test_what_the_relay_gets_nobody_else_sees_and_all_is_asked_of_the_chain(
    tmp_path: Path, key: SubmitterKey
) -> None:
    chain, relay = FakeEvm(), FakeEvm(mines_at_once=False)
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(chain, journal, key, relay=relay)
        sending = tasks.create_task(submitter.send(CALL))
        await until(lambda: bool(relay.pool))
        chain.pool, relay.pool = relay.pool, {}
        chain.mine()
    assert sending.result().is_success
    assert "eth_sendRawTransaction" not in chain.calls
    assert set(relay.calls) == {"eth_sendRawTransaction"}


async def test_a_lost_send_is_sent_to_the_relay_again_with_the_next_block(
    tmp_path: Path, key: SubmitterKey
) -> None:
    chain, relay = FakeEvm(), FakeEvm(mines_at_once=False, fails={"eth_sendRawTransaction": 1})
    async with open_test_journal(tmp_path) as journal, asyncio.TaskGroup() as tasks:
        submitter = make_submitter(chain, journal, key, relay=relay)
        tasks.create_task(submitter.send(CALL))
        await until(lambda: bool(relay.pool))
        chain.pool, relay.pool = relay.pool, {}
        chain.mine()
    assert (chain.raw, submitter.stats.dropped) == ([], 0)


async def test_one_that_is_overdue_goes_to_everybody(tmp_path: Path, key: SubmitterKey) -> None:
    """The relay takes it and does nothing."""
    chain, relay = FakeEvm(), FakeEvm(mines_at_once=False)
    async with submitting(tmp_path, chain, key, relay=relay, confirm_timeout_s=0.02) as submitter:
        assert (await submitter.send(CALL)).is_success
        assert (len(chain.raw), relay.raw[-1]) == (1, chain.raw[-1])
        sent = len(relay.raw)
        relay.nonces[key.address.lower()] = 1
        await submitter.send(CALL)
    assert len(relay.raw) > sent
