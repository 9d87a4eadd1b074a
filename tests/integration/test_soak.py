"""A whole node through thousands of rounds, as fast as they go: nothing of it grows."""

import asyncio
import json
import os
import sqlite3
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import settings

from enclave.domain.evidence import TeeKind
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.process import Child, child
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import load_catalogue, select
from tests.integration.processes import descendants, parents

pytestmark = pytest.mark.soak

_MEGABYTE = 1_000_000
_PER = 10_000
#: Rounds in the everyday run and in the nightly one; the first thousand warm up.
_ROUNDS, _NIGHTLY = 2_000, 100_000
_WARM = 1_000
_SAMPLES = 60
#: Growth that a run may have in all, however short: what the collector has not looked at yet, and
#: windows of time that fill once. Only the nightly run is long enough for the slope to bind.
_STEP = 1_000_000
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment; sizes in bytes."""

    round: int
    host: int
    enclave: int
    fds: int
    threads: int
    tasks: int


@asynccontextmanager
async def _node(local: World) -> AsyncIterator[tuple[Child, str]]:
    command = [sys.executable, "-m", "tests.integration.canary_node"]
    command += [str(local.config_file), json.dumps(local.resolve)]
    async with child(command, name="node") as process:
        port = int(await process.line(within_s=_START_S))
        yield process, f"http://127.0.0.1:{port}/ready"


def _resident(process_id: int) -> int:
    pages = Path(f"/proc/{process_id}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _enclave(node: int) -> int:
    """The innermost of the enclave's processes."""
    below = descendants(node)
    with_children = {parent for parent, _ in parents().values()}
    return max(below - with_children)


async def _sample(node: Child, enclave: int, round_: int) -> Sample:
    node.stdin.write(b'"tasks"\n')
    kernel = Path(f"/proc/{node.process_id}")
    return Sample(
        round=round_,
        host=_resident(node.process_id),
        enclave=_resident(enclave),
        fds=len(list((kernel / "fd").iterdir())),
        threads=len(list((kernel / "task").iterdir())),
        tasks=int(await node.line(within_s=_START_S)),
    )


def slope(points: Sequence[tuple[int, int]]) -> float:
    """Growth for each 10,000 rounds: the median of the slopes between all pairs (Theil and Sen)."""
    pairs = combinations(points, 2)
    return _PER * statistics.median((b - a) / (y - x) for (x, a), (y, b) in pairs if y > x)


async def _soak(node: Child, health: str, rounds: int) -> tuple[list[Sample], int]:
    """Samples after the warm-up, evenly spread; and how many reports landed."""
    samples: list[Sample] = []
    async with aiohttp.ClientSession() as session:

        async def ready() -> dict[str, Any]:
            async with session.get(health) as response:
                return dict(await response.json())

        async with asyncio.timeout(_START_S):
            while not (view := await ready())["ready"]:
                await asyncio.sleep(0.2)
        enclave, begun = _enclave(node.process_id), view["rounds"]
        following = _WARM
        while (done := (view := await ready())["rounds"] - begun) < rounds:
            if done >= following:
                samples.append(await _sample(node, enclave, done))
                following = max(following + (rounds - _WARM) // _SAMPLES, done)
            await asyncio.sleep(0.1)
        assert view["enclave_starts"] == 1
        return samples, view["chains"][0]["reports_landed"]


def _rows(journal: Path) -> int:
    with sqlite3.connect(journal) as database:
        return sum(
            int(database.execute(query).fetchone()[0])
            for query in ("SELECT COUNT(*) FROM transactions", "SELECT COUNT(*) FROM reports")
        )


def assert_level(samples: Sequence[Sample], rounds: int) -> None:
    """No process grows, and nothing that is counted does."""
    for name in ("host", "enclave"):
        points = [(sample.round, getattr(sample, name)) for sample in samples]
        grown = slope(points) * rounds / _PER
        allowed = max(_STEP, _MEGABYTE * rounds / _PER)
        assert grown <= allowed, f"{name}: {slope(points):.0f} bytes for each 10,000 rounds"
    half = len(samples) // 2
    for name, slack in (("fds", 4), ("threads", 2), ("tasks", 6)):
        before = max(getattr(sample, name) for sample in samples[:half])
        after = max(getattr(sample, name) for sample in samples[half:])
        assert after <= before + slack, name


def test_what_grows_is_seen() -> None:
    def grown(**each: int) -> list[Sample]:
        plain = {"host": 0, "enclave": 0, "fds": 0, "threads": 0, "tasks": 0}
        return [
            Sample(number, **{name: number * each.get(name, 0) for name in plain})
            for number in range(500, 2_000, 25)
        ]

    assert slope([(number, 7 * number) for number in range(0, 1_000, 10)]) == 7 * _PER
    assert_level(grown(), 2_000)
    for name, each in (("host", 700), ("enclave", 700), ("fds", 1), ("threads", 1), ("tasks", 1)):
        with pytest.raises(AssertionError, match=name):
            assert_level(grown(**{name: each}), 2_000)
    for name in ("host", "enclave"):
        with pytest.raises(AssertionError, match=name):
            assert_level(grown(**{name: 110}), 100_000)


@pytest.mark.timeout(4 * 3_600)
async def test_a_node_does_not_grow_however_many_rounds_it_makes(
    short_tmp: Path, sources: PriceSources
) -> None:
    rounds = _NIGHTLY if settings.get_current_profile_name() == "nightly" else _ROUNDS
    feeds = select(load_catalogue(), ["usdt-usd"])
    options = WorldOptions(
        tee=TeeKind.TDX,
        definitions=tuple(feed.canonical for feed in feeds),
        settings={
            "daemon": {"poll_s": 0.001},
            "feeds": {"catalogue": ["usdt-usd"]},
            "log": {"level": "error"},
        },
        block_time_s=None,
    )
    async with world(options, TlsSources(sources.ca, sources.ports)) as local:
        async with _node(local) as (node, health):
            samples, landed = await _soak(node, health, rounds)
        rows = _rows(local.config.store.path)
    for name in ("host", "enclave"):
        points = [(sample.round, getattr(sample, name)) for sample in samples]
        print(f"\nsoak: {rounds} rounds, {landed} reports, {name} {slope(points):.0f} B/10,000")
    print(f"soak: first {samples[0]}, last {samples[-1]}, rows {rows}")
    assert_level(samples, rounds)
    assert rows <= 2 * (20_000 + 64)
    assert landed > 0
