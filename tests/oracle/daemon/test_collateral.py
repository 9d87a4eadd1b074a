"""Keeping collateral fresh beside the rounds: retries, alarms, and what is shown of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from enclave.domain.errors import ChainError, MalformedEvidence
from oracle.attestation.endorsements.documents import Document, DocumentKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.collateral.keeper import CollateralKeeper, Stock
from oracle.daemon.collateral import CollateralWatch
from oracle.daemon.problems import Problems
from oracle.devnet.silicon.vendor import SiliconVendor
from oracle.telemetry.state import ChainState
from tests.fakes.pcs import AT, NOW
from tests.oracle.collateral.test_plan import chain_of, documents_of

DAY_S = 86_400
VENDOR = SiliconVendor(now=NOW)


@dataclass
class FakeKeeper:
    """Plays `CollateralKeeper`: gives or raises one outcome after the other, the last one again."""

    outcomes: list[Stock | Exception]
    stock: Stock | None = None
    has_platform: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[float] = field(default_factory=list)

    async def wait_for_platform(self) -> None:
        await self.has_platform.wait()

    async def refresh(self, *, max_age_s: float = 0.0) -> Stock:
        self.asked.append(max_age_s)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        self.stock = outcome
        return outcome


@dataclass
class Bench:
    keeper: FakeKeeper
    state: ChainState
    watch: CollateralWatch
    time: list[float]

    async def until(self, condition: Callable[[], bool]) -> None:
        self.keeper.has_platform.set()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self.watch.keep())
            while not condition():
                await asyncio.sleep(0.001)
            keeping.cancel()


def _bench(*outcomes: Stock | Exception, now: float = AT) -> Bench:
    state = ChainState("here", is_dry_run=False)
    keeper, time = FakeKeeper(list(outcomes)), [now]
    watch = CollateralWatch(
        cast(CollateralKeeper, keeper),
        state=state,
        problems=Problems(state),
        refresh_s=0.002,
        warn_before_s=5 * DAY_S,
        clock=lambda: time[0],
        retry_s=0.001,
    )
    return Bench(keeper, state, watch, time)


@pytest.fixture
async def documents() -> tuple[Document, ...]:
    return await documents_of(VENDOR)


def _stock(documents: tuple[Document, ...], **changes: Any) -> Stock:
    return Stock(documents, chain_of(documents, **changes))


async def test_the_days_of_each_document_are_told(documents: tuple[Document, ...]) -> None:
    bench = _bench(_stock(documents))
    await bench.until(lambda: bool(bench.state.collateral))
    assert bench.state.collateral["TCB info TDX e0e000000000, number 17"] == AT + 30 * DAY_S
    assert len(bench.state.collateral) == len(documents)
    assert bench.state.notices == {}
    assert bench.state.problems == {}


async def test_nothing_is_asked_before_a_quote_has_named_the_machine(
    documents: tuple[Document, ...],
) -> None:
    bench = _bench(_stock(documents))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await bench.watch.keep()
    assert bench.keeper.asked == []


async def test_it_is_asked_again_and_again(documents: tuple[Document, ...]) -> None:
    bench = _bench(_stock(documents))
    await bench.until(lambda: len(bench.keeper.asked) >= 3)
    assert set(bench.keeper.asked) == {0.001}


@pytest.mark.parametrize(
    "error",
    [CollateralUnavailable("no answer"), ChainError("no endpoint"), MalformedEvidence("junk")],
)
async def test_a_failure_is_a_notice_until_it_heals(
    documents: tuple[Document, ...], error: Exception
) -> None:
    bench = _bench(error, error, _stock(documents))
    await bench.until(lambda: bool(bench.state.notices))
    assert bench.state.notices == {"collateral source": f"collateral is not refreshed: {error}"}
    assert bench.state.problems == {}
    await bench.until(lambda: bool(bench.state.collateral))
    assert bench.state.notices == {}


async def test_the_alarm_is_raised_before_it_ends_and_with_a_source_that_fails(
    documents: tuple[Document, ...],
) -> None:
    bench = _bench(_stock(documents), CollateralUnavailable("no answer"))
    await bench.until(lambda: len(bench.keeper.asked) >= 2)
    assert "collateral" not in bench.state.notices
    bench.time[0] = AT + 25.1 * DAY_S
    await bench.until(lambda: "collateral" in bench.state.notices)
    alarm = bench.state.notices["collateral"]
    assert "TCB info TDX e0e000000000, number 17: ends in 4.9 days" in alarm
    assert "root CRL" not in alarm


async def test_what_cannot_be_used_is_an_alarm_and_has_no_days(
    documents: tuple[Document, ...],
) -> None:
    ended = _stock(documents, days=31)
    bench = _bench(ended, ended, _stock(documents))
    await bench.until(lambda: "collateral" in bench.state.notices)
    assert "PCK CRL: ended" in bench.state.notices["collateral"]
    crl = next(each for each in documents if each.kind is DocumentKind.PCK_CRL)
    assert bench.state.collateral[crl.title] == 0
    await bench.until(lambda: "collateral" not in bench.state.notices)
