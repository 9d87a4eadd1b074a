"""How long a move of the price at the sources takes to be stored on the chain."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from enclave.domain.errors import ChainError
from enclave.domain.evidence import TeeKind
from oracle.daemon import Daemon, Event, ReportLanded
from oracle.daemon.tasks import leading_error
from oracle.devnet.price_sources import PriceSources, price_sources
from oracle.devnet.world import TlsSources, WorldOptions, world
from oracle.feeds.catalogue import load_catalogue, select

_FEED = "eth-usd"
_ASSET = "ETH"
#: Above the feed's deviation threshold and below its jump gate, basis points.
_STEP_BPS = 100
_LIMIT_S = 30.0
#: Fractional part of the golden ratio: moves fall evenly over the phases of poll and block.
_GOLDEN = 0.618034


class Landings:
    """Waits for reports that store a feed. `observe` is the daemon's observer."""

    def __init__(self, feed_id: bytes) -> None:
        self._feed_id = feed_id
        self._landed: asyncio.Queue[ReportLanded] = asyncio.Queue()

    def observe(self, event: Event) -> None:
        """Take notice of a report that stored the feed."""
        if isinstance(event, ReportLanded) and self._feed_id in event.feed_ids:
            self._landed.put_nowait(event)

    async def next(self) -> ReportLanded:
        """The next report that stored it.

        Raises:
            ChainError: None within the limit.
        """
        try:
            async with asyncio.timeout(_LIMIT_S):
                return await self._landed.get()
        except TimeoutError as error:
            raise ChainError(f"no report landed within {_LIMIT_S:.0f} s") from error


async def inclusion_latencies(steps: int, *, block_time_s: int, poll_s: float) -> Sequence[float]:
    """Seconds from each of so many moves at the sources until the daemon sees it stored.

    A whole devnet with the enclave as a separate process; the schedule is the real one, so each
    move lies above the feed's deviation threshold.

    Raises:
        ConfigError: The devnet cannot be started.
        ChainError: A move was not stored within 30 s.
    """
    feeds = select(load_catalogue(), [_FEED])
    settings = {"daemon": {"poll_s": poll_s}}
    definitions = tuple(feed.canonical for feed in feeds)
    options = WorldOptions(TeeKind.TDX, definitions, settings, block_time_s=block_time_s)
    with tempfile.TemporaryDirectory(prefix="oracle-pki-") as folder:
        async with (
            price_sources(Path(folder), seed=1) as sources,
            world(options, TlsSources(sources.ca, sources.ports)) as local,
        ):
            landings = Landings(feeds[-1].feed_id)
            daemon = Daemon([local.config], feeds, resolve=local.resolve, observer=landings.observe)
            return await _measure(daemon, landings, sources, steps)


async def _measure(
    daemon: Daemon, landings: Landings, sources: PriceSources, steps: int
) -> list[float]:
    loop = asyncio.get_running_loop()
    found = []
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.run())
            await landings.next()
            for number in range(steps):
                await asyncio.sleep(1 + number * _GOLDEN % 1)
                started = loop.time()
                await sources.step(_ASSET, _STEP_BPS if number % 2 else -_STEP_BPS)
                await landings.next()
                found.append(loop.time() - started)
            daemon.stop()
    except BaseExceptionGroup as group:
        raise leading_error(group) from group
    return found
