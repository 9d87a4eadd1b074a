"""A submitter on a chain in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call
from oracle.chain.keys import SubmitterKey
from oracle.chain.rpc import Rpc
from oracle.chain.transactions import EvmSubmitter, FeePolicy
from oracle.store import Journal, open_journal
from tests.fakes.fake_evm import FakeEvm, transaction_fields

GWEI = 10**9
TARGET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
CALL = Call("submit", TARGET, b"\x01\x02\x03\x04")


def make_submitter(
    evm: FakeEvm,
    journal: Journal,
    key: SubmitterKey,
    *,
    relay: FakeEvm | None = None,
    **policy: Any,
) -> EvmSubmitter:
    """A submitter that asks often and waits long, unless told otherwise."""
    values: dict[str, Any] = {
        "max_fee_wei": 100 * GWEI,
        "max_priority_fee_wei": GWEI,
        "bump_percent": 20,
        "confirm_timeout_s": 60.0,
        "receipt_poll_s": 0.001,
    }
    errors = load_abi("FeedHub")
    bounds = FeePolicy(**(values | policy))
    private = None if relay is None else cast(Rpc, relay)
    return EvmSubmitter(cast(Rpc, evm), journal, key, bounds, errors, relay=private)


@asynccontextmanager
async def open_test_journal(folder: Path) -> AsyncIterator[Journal]:
    """A journal, for half a minute at most."""
    async with asyncio.timeout(30), open_journal(folder / "oracle.db") as journal:
        yield journal


@asynccontextmanager
async def submitting(
    folder: Path, evm: FakeEvm, key: SubmitterKey, **options: Any
) -> AsyncIterator[EvmSubmitter]:
    """A submitter with a journal of its own, for half a minute at most."""
    async with open_test_journal(folder) as journal:
        yield make_submitter(evm, journal, key, **options)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def nonces(evm: FakeEvm) -> list[int]:
    """Of everything that was sent, in that order."""
    return [int.from_bytes(transaction_fields(raw)[1], "big") for raw in evm.raw]
