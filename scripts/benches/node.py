"""`scripts/bench node`: the enclave, its report path, a round, the boundary, and the whole demo."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from io import StringIO
from pathlib import Path

from fixture import (
    BODY,
    ROOT,
    DirectEgress,
    Servers,
    cpu_s,
    definition,
    price_servers,
    rss_mib,
    scratch,
    separated,
    start_s,
)
from rows import Row, row

from enclave.domain.observation import Answer
from enclave.domain.wire import RoundResult
from enclave.egress import Reply
from enclave.keys import Keys, libsecp256k1
from enclave.log import Log
from enclave.round import Fetcher, Rounds
from enclave.signer import Signer
from enclave.sources import ADAPTERS
from enclave.sources.base import HttpRequest
from oracle.devnet.latency import inclusion_latencies
from oracle.enclave_process import Enclave, default_enclave_python

FEEDS = 100
ROUNDS_A_BLOCK = 30
PAIRS = 9


def run() -> Iterator[Row]:
    """Every figure of the node."""
    yield from _packages()
    yield from _signing()
    yield from _report_path()
    for figures in (_footprint, _rounds_behind_relay, _boundary):
        with scratch() as folder, price_servers(folder) as servers:
            yield from asyncio.run(figures(folder, servers))
    yield from _chain()


def _packages() -> Iterator[Row]:
    """What is in the enclave's environment."""
    code = (
        "import importlib.metadata as m, importlib.util as u, json;"
        "print(json.dumps([len(list(m.distributions())),"
        " sum(u.find_spec(n) is not None for n in ('oracle', 'eth_account'))]))"
    )
    command = [str(default_enclave_python()), "-I", "-c", code]
    output = subprocess.run(command, check=True, capture_output=True, cwd="/").stdout
    distributions, foreign = json.loads(output)
    yield row("distributions in .venv-enclave", distributions, "packages", 16, digits=0)
    yield row("host packages importable there", foreign, "packages", 0, digits=0)


def _best_us(call: Callable[[], object], *, times: int) -> float:
    """Median over 7 batches of the mean time of one call, microseconds."""
    batches = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(times):
            call()
        batches.append((time.perf_counter() - start) / times * 1e6)
    return statistics.median(batches)


def _signing() -> Iterator[Row]:
    """Encode, digest, sign and verify one's own signature."""
    for feeds, target in ((1, 60), (100, 90)):
        feed_list = tuple(number.to_bytes(32, "big") for number in range(1, feeds + 1))
        answers = [Answer(one, 340245000000, 8, 12, 5, 5) for one in feed_list]
        signer, moments = Signer(Keys(os.urandom, libsecp256k1())), iter(range(1, 10**6))

        def sign(
            signer: Signer = signer,
            moments: Iterator[int] = moments,
            answers: list[Answer] = answers,
            feed_list: tuple[bytes, ...] = feed_list,
        ) -> None:
            signer.sign(
                answers,
                observed_at=next(moments),
                chain_id=31337,
                hub=bytes(20),
                feed_list=feed_list,
            )

        name = f"encode, digest, sign, verify: {feeds} feed{'s' * (feeds > 1)}"
        yield row(name, _best_us(sign, times=2_000 if feeds == 1 else 500), "µs", target, digits=1)


class _Canned:
    """Replies at once, without a network; the date moves on from round to round."""

    def __init__(self) -> None:
        self._second = 0

    def next_round(self) -> None:
        self._second += 1

    async def fetch(self, request: HttpRequest, *, deadline_s: float) -> Reply:
        minute, second = divmod(self._second % 3_600, 60)
        date = f"Sat, 14 Nov 2026 {self._second // 3_600 % 24:02}:{minute:02}:{second:02} GMT"
        return Reply(200, BODY, (date,), ())


def _report_path() -> Iterator[Row]:
    """From bodies to a signed report inside the enclave, without a network."""
    canned, signer = _Canned(), Signer(Keys(os.urandom, libsecp256k1()))
    rounds = _rounds(canned)
    ids = rounds.load([definition(number) for number in range(FEEDS)])

    async def one() -> None:
        canned.next_round()
        result = await rounds.run(ids)
        _check(result)
        closed = rounds.closed(result.round_id)
        signer.sign(
            closed.answers,
            observed_at=closed.observed_at,
            chain_id=31337,
            hub=bytes(20),
            feed_list=ids,
        )

    times = asyncio.run(_timed(one, 40))[5:]
    per_feed_us = statistics.median(times) / FEEDS * 1e6
    yield row("report path without network, a feed of 5 sources", per_feed_us, "µs", 150, digits=1)


async def _timed(call: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Seconds of each call."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - start)
    return seconds


def _rounds(fetcher: Fetcher) -> Rounds:
    log = Log(StringIO(), time.monotonic)
    return Rounds(fetcher=fetcher, adapters=ADAPTERS, monotonic=time.monotonic, log=log)


def _check(result: RoundResult) -> None:
    """A bench of rounds that fail would measure nothing."""
    if len(result.answers) != FEEDS or any(view.sources_used != 5 for view in result.answers):
        raise RuntimeError(f"{len(result.answers)} answers, wanted {FEEDS}: {result.failed[:1]}")


async def _footprint(folder: Path, servers: Servers) -> list[Row]:
    """Start time and memory, unsandboxed: the process measured is the enclave's own."""
    starts = [start_s(folder / f"start-{attempt}", servers.pki.ca) for attempt in range(7)]
    async with separated(folder, servers, sandbox="off") as enclave:
        few = await _loaded_rss(enclave, 12)
        many = await _loaded_rss(enclave, FEEDS)
    return [
        row("enclave start, process to listening", statistics.median(starts), "s", 0.7),
        row("enclave RSS with 12 feeds", few, "MiB", 64, digits=1),
        row("enclave RSS with 100 feeds", many, "MiB", 80, digits=1),
    ]


async def _loaded_rss(enclave: Enclave, feeds: int) -> float:
    ids = await enclave.client.load([definition(number) for number in range(feeds)])
    for _ in range(20):
        result = await enclave.client.run_round(ids)
        if len(result.answers) != feeds:
            raise RuntimeError(f"{len(result.answers)} answers, wanted {feeds}")
    return rss_mib(enclave.pid)


async def _rounds_behind_relay(folder: Path, servers: Servers) -> list[Row]:
    """One round of 100 feeds of 5 sources, enclave in the sandbox behind the relay."""
    firsts, warm = [], []
    for attempt in range(3):
        async with separated(folder / str(attempt), servers, sandbox="require") as enclave:
            ids = await enclave.client.load([definition(number) for number in range(FEEDS)])
            times = await _timed(partial(_one, enclave, ids), 21)
            firsts.append(times[0])
            warm += times[1:]
    return [
        row("first round of 100 feeds x 5 sources", statistics.median(firsts), "s", 0.4, digits=3),
        row("warm round of 100 feeds x 5 sources", statistics.median(warm), "s", 0.15, digits=3),
    ]


async def _one(enclave: Enclave, ids: tuple[bytes, ...]) -> None:
    _check(await enclave.client.run_round(ids))


async def _boundary(folder: Path, servers: Servers) -> list[Row]:
    """Separate sandboxed process behind the relay, against everything in one process."""
    definitions = [definition(number) for number in range(FEEDS)]
    async with AsyncExitStack() as stack:
        rounds = _rounds(await stack.enter_async_context(DirectEgress(servers)))
        rounds.load(definitions)
        enclave = await stack.enter_async_context(separated(folder, servers, sandbox="require"))
        ids = await enclave.client.load(definitions)

        async def inside() -> None:
            _check(await rounds.run(ids))

        async def outside() -> None:
            await _one(enclave, ids)

        for call in (inside, outside):
            await _timed(call, ROUNDS_A_BLOCK)
        times, cpu = [], []
        for _ in range(PAIRS):
            # The two alternate round by round, so that both see the same machine.
            one, other = 0.0, 0.0
            cpu_one, cpu_other = 0.0, 0.0
            for _ in range(ROUNDS_A_BLOCK):
                seconds, used = await _cost(inside, enclave.pid)
                one, cpu_one = one + seconds, cpu_one + used
                seconds, used = await _cost(outside, enclave.pid)
                other, cpu_other = other + seconds, cpu_other + used
            times.append(other / one)
            cpu.append(cpu_other / cpu_one)
    return [
        row("boundary: round time, separate / one process", statistics.median(times), "x", 1.10),
        row("boundary: CPU with relay, separate / one process", statistics.median(cpu), "x", 1.35),
    ]


async def _cost(call: Callable[[], Awaitable[None]], enclave_pid: int) -> tuple[float, float]:
    """Wall time and CPU time (this process and the enclave's) of one call, seconds."""
    used, start = time.process_time() + cpu_s(enclave_pid), time.perf_counter()
    await call()
    seconds = time.perf_counter() - start
    return seconds, time.process_time() + cpu_s(enclave_pid) - used


def _chain() -> Iterator[Row]:
    """What ends on the chain."""
    steps = asyncio.run(inclusion_latencies(9, block_time_s=1, poll_s=1.0))
    yield row("price step at the sources to inclusion, median", statistics.median(steps), "s", 2.0)
    start = time.perf_counter()
    command = [str(ROOT / "scripts" / "demo"), "--rounds", "3", "--output", "json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    elapsed_s = time.perf_counter() - start
    yield row("scripts/demo --rounds 3 --output json", elapsed_s, "s", 30, digits=1)
