"""From a price step at the sources to the report's inclusion in a block."""

import asyncio
import tempfile
import time
from pathlib import Path

from enclave.domain.evidence import TeeKind
from oracle.daemon import Daemon, Event
from oracle.daemon.events import ReportLanded
from oracle.devnet.price_sources import PriceSources, price_sources
from oracle.devnet.world import TlsSources, WorldOptions, world
from oracle.feeds.catalogue import load_catalogue, select

#: Twice the deviation threshold of the feed (50 bps), a fifth of its jump gate (500 bps).
STEP_BPS = 100
ASSET, FEED = "ETH", "eth-usd"
BLOCK_S = 1
LIMIT_S = 30.0


def step_to_inclusion_s(*, times: int) -> list[float]:
    """Seconds until the daemon has seen the receipt, with 1 s blocks and 1 s polling."""
    return asyncio.run(_measure(times))


async def _measure(times: int) -> list[float]:
    feeds = select(load_catalogue(), [FEED])
    wanted = next(feed.feed_id for feed in feeds if feed.definition.base == ASSET)
    landed: asyncio.Queue[float] = asyncio.Queue()

    def observe(event: Event) -> None:
        if isinstance(event, ReportLanded) and wanted in event.feed_ids:
            landed.put_nowait(time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder:
        async with price_sources(Path(folder), seed=7) as sources:
            options = WorldOptions(
                tee=TeeKind.TDX,
                definitions=tuple(feed.canonical for feed in feeds),
                settings={"daemon": {"poll_s": 1.0}},
                block_time_s=BLOCK_S,
            )
            async with world(options, TlsSources(sources.ca, sources.ports)) as local:
                daemon = Daemon(local.config, feeds, resolve=local.resolve, observer=observe)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(daemon.run())
                    await _next(landed)
                    seconds = [await _step(sources, landed, number) for number in range(times)]
                    daemon.stop()
    return seconds


async def _step(sources: PriceSources, landed: "asyncio.Queue[float]", number: int) -> float:
    """One step, at another moment of the block and of the poll each time."""
    await asyncio.sleep(2.0 + 0.37 * number)
    while not landed.empty():
        landed.get_nowait()
    start = time.perf_counter()
    await sources.step(ASSET, STEP_BPS if number % 2 == 0 else -STEP_BPS)
    return await _next(landed) - start


async def _next(landed: "asyncio.Queue[float]") -> float:
    async with asyncio.timeout(LIMIT_S):
        return await landed.get()
