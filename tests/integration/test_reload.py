"""The configuration changes while a node runs: its feeds follow, and the others miss nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.config import Config, load_config
from oracle.daemon import Daemon, ReportLanded, RoundMade, every_answer
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed, load_catalogue, select
from oracle.feeds.configured import configured_feeds
from tests.integration.node_process import Running, nodes_of
from tests.integration.nodes import Events

_BTC, _SOL, _USDT = (load_catalogue()[name] for name in ("btc-usd", "sol-usd", "usdt-usd"))
_LISTED = select(load_catalogue(), ["btc-usd", "sol-usd"])
_LIMIT_S = 100.0


@asynccontextmanager
async def _world(sources: PriceSources) -> AsyncIterator[World]:
    options = WorldOptions(
        tee=TeeKind.TDX,
        definitions=tuple(feed.canonical for feed in _LISTED),
        settings={"daemon": {"poll_s": 0.5}, "feeds": {"catalogue": ["btc-usd"]}},
        block_time_s=None,
    )
    async with world(options, TlsSources(sources.ca, sources.ports)) as local:
        yield local


async def _until(running: Running, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(_LIMIT_S):
        while not condition(view := await running.ready()):
            await asyncio.sleep(0.05)
    return view


def _feeds(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What it says of each feed, the node and its only chain together."""
    [chain] = view["chains"]
    on_hub = {feed["name"]: feed for feed in chain["feeds"]}
    return {feed["name"]: feed | on_hub[feed["name"]] for feed in view["feeds"]}


def _landed(view: dict[str, Any]) -> int:
    return int(view["chains"][0]["reports_landed"])


async def _command(path: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oracle", "feeds", *arguments, "-c", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_LIMIT_S):
        output = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, output


@pytest.mark.timeout(300)
async def test_the_commands_change_the_file_and_the_running_node(sources: PriceSources) -> None:
    async with _world(sources) as local, nodes_of(local) as nodes:
        path = local.config_file
        [running] = await nodes.start(local.nodes[0])
        await _until(running, lambda view: bool(_feeds(view)["BTC/USD"]["landed_at"]))

        code, output = await _command(path, "add", "sol-usd")
        assert (code, output) == (0, f"{path} is changed, and the running node has taken it\n")
        await _until(running, lambda view: bool(_feeds(view)["SOL/USD"]["landed_at"]))

        assert (await _command(path, "pause", "usdt-usd"))[0] == 0
        paused = _feeds(await running.ready())["USDT/USD"]
        assert paused["paused"]
        before = _landed(await running.ready())
        view = await _until(running, lambda view: _landed(view) >= before + 1)
        # A report that was signed before the pause may have landed after it, and no other.
        first = _feeds(view)["USDT/USD"]["landed_at"]
        view = await _until(running, lambda view: _landed(view) >= before + 3)
        assert _feeds(view)["USDT/USD"]["landed_at"] == first
        assert _feeds(view)["BTC/USD"]["landed_at"] > first
        assert (await _command(path, "resume", "usdt-usd"))[0] == 0
        await _until(running, lambda view: _feeds(view)["USDT/USD"]["landed_at"] > first)

        assert (await _command(path, "remove", "sol-usd"))[0] == 0
        assert set(_feeds(await running.ready())) == {"BTC/USD", "USDT/USD"}
        assert load_config(path).feeds.catalogue == ("btc-usd",)


@pytest.mark.timeout(300)
async def test_a_faulty_file_is_refused_and_what_needs_a_restart_is_named(
    sources: PriceSources,
) -> None:
    async with _world(sources) as local, nodes_of(local) as nodes:
        path = local.config_file
        good = path.read_text()
        [running] = await nodes.start(local.nodes[0])
        started = await _until(running, lambda view: bool(view["ready"]))

        async def reload(text: str) -> dict[str, Any]:
            path.write_text(text)
            before = (await running.ready())["config"]["reloads"]
            os.kill(running.process.process_id, signal.SIGHUP)
            return await _until(running, lambda view: view["config"]["reloads"] > before)

        faulty = good.replace('["btc-usd"]', '["btc-usdd"]').replace("poll_s = 0.5", "pol_s = 0.5")
        for text, said in (
            (faulty, f"{path}:{faulty[: faulty.index('pol_s')].count(chr(10)) + 1}: unknown key"),
            (good.replace('["btc-usd"]', '["btc-usdd"]'), "feed 'btc-usdd' is unknown"),
            ("[chain", "not TOML"),
        ):
            view = await reload(text)
            assert said in view["config"]["fault"]
            assert any(said in notice for notice in view["notices"])
            assert view["config"]["hash"] == started["config"]["hash"]
            assert set(_feeds(view)) == {"BTC/USD", "USDT/USD"}
        landed = _landed(await running.ready())
        await _until(running, lambda view: _landed(view) > landed)

        text = good.replace("poll_s = 0.5", "poll_s = 0.7")
        view = await reload(text.replace('["btc-usd"]', '["btc-usd", "sol-usd"]'))
        assert view["config"]["fault"] == ""
        assert view["config"]["needs_restart"] == ["daemon.poll_s"]
        assert "changed in the file, in force after a restart: daemon.poll_s" in view["notices"]
        await _until(running, lambda view: bool(_feeds(view)["SOL/USD"]["landed_at"]))

        view = await reload(good)
        assert view["config"]["needs_restart"] == []
        assert view["config"]["hash"] == started["config"]["hash"]
        assert view["ready"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_refused", [False, True])
async def test_no_round_of_another_feed_is_missed(sources: PriceSources, is_refused: bool) -> None:
    async with _world(sources) as local:
        changed = list(select(load_catalogue(), ["sol-usd", "btc-usd"]))
        if is_refused:
            # As if host and enclave differed: the enclave computes another id.
            changed[-1] = Feed("sol-usd", _SOL.canonical, bytes(32), _SOL.definition)

        def load() -> tuple[list[Config], tuple[Feed, ...]]:
            return [local.config], tuple(changed)

        events = Events()
        daemon = Daemon(
            [local.config],
            configured_feeds(local.config),
            resolve=local.resolve,
            schedule=every_answer,
            observer=events.observe,
            load=load,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.run())
            await events.next(ReportLanded)
            first = len(events.seen)
            for number in range(1, 4):
                daemon.reload()
                async with asyncio.timeout(_LIMIT_S):
                    while daemon.state.config.reloads < number:
                        await asyncio.sleep(0.01)
                await events.next(RoundMade)
                await events.next(ReportLanded)
            daemon.stop()
        rounds = [event.result for event in events.seen[first:] if isinstance(event, RoundMade)]
        assert len(rounds) >= 3
        for result in rounds:
            asked = {answer.feed_id for answer in result.answers}
            # Two rounds of one second: the second one has nothing to add.
            asked |= {
                failed.failure.feed_id
                for failed in result.failed
                if "has a report already" in failed.failure.message
            }
            assert _BTC.feed_id in asked
        assert (_SOL.feed_id in daemon.state.feeds) == (not is_refused)
        assert bool(daemon.state.config.fault) == is_refused
