"""What a reload changes, in which order, and what it leaves alone when it is refused."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from enclave.domain.errors import ChainError, ConfigError, OracleError
from oracle.config import Config, build_config
from oracle.daemon.chain_view import ChainView
from oracle.daemon.problems import Problems
from oracle.daemon.reload import Reloader, Serving
from oracle.daemon.rounds import RoundLoop
from oracle.enclave_link import EnclaveLost
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import configured_feeds
from oracle.feeds.endpoints import targets
from oracle.telemetry.state import ChainState, NodeState
from tests.fakes.fake_chain import FakeChain

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def _config(folder: Path, *names: str, paused: Sequence[str] = (), **sections: Any) -> Config:
    chain = {"network": "anvil", "rpc_urls": ["http://127.0.0.1:1"]}
    at = dict.fromkeys(("registry", "signer_set", "hub"), ADDRESS)
    values = {
        "chain": chain | at,
        "enclave": {"silicon": "s"},
        "feeds": {"catalogue": list(names), "paused": list(paused)},
    }
    return build_config(values | sections, base=folder)


@dataclass
class FakeRounds:
    """Plays the round loop: loads, or fails first."""

    failures: list[OracleError] = field(default_factory=list)
    loaded: list[tuple[list[str], int]] = field(default_factory=list)

    async def change(self, feeds: Sequence[Feed], paused: Iterable[bytes]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.loaded.append(([feed.name for feed in feeds], len(set(paused))))


@dataclass
class FakeRelay:
    allowed: list[int] = field(default_factory=list)

    def allow(self, targets: Any) -> None:
        self.allowed.append(len(targets))


@dataclass
class Bench:
    reloader: Reloader
    state: NodeState
    rounds: FakeRounds
    relay: FakeRelay
    chain: FakeChain
    files: list[Config | ConfigError]
    has_enclave: bool = True

    async def reload(self) -> None:
        before = self.state.config.reloads
        self.reloader.reload()
        while self.state.config.reloads == before:
            await asyncio.sleep(0.001)

    @property
    def names(self) -> list[str]:
        return [feed.name for feed in self.state.feeds.values()]


@asynccontextmanager
async def _bench(first: Config, *files: Config | ConfigError) -> AsyncIterator[Bench]:
    queue = list(files)

    def load() -> tuple[list[Config], tuple[Feed, ...]]:
        found = queue.pop(0)
        if isinstance(found, ConfigError):
            raise found
        return [found], configured_feeds(found)

    here = ChainState("here", is_dry_run=False)
    state = NodeState(started_at=0, chains=(here,))
    problems, rounds, relay, chain = Problems(state), FakeRounds(), FakeRelay(), FakeChain()

    def running() -> RoundLoop | None:
        return cast(RoundLoop, rounds) if bench.has_enclave else None

    reloader = Reloader(
        Serving.of([first], configured_feeds(first)),
        load,
        state=state,
        problems=problems,
        rounds=running,
    )
    bench = Bench(reloader, state, rounds, relay, chain, queue)
    view = ChainView(chain, here, Problems(here), account="", low_balance_wei=0)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running_task = tasks.create_task(reloader.run([view], relay))
        yield bench
        running_task.cancel()


async def test_the_enclave_loads_before_the_relay_forgets_and_state_follows(tmp_path: Path) -> None:
    one, two = _config(tmp_path, "gbp-usd"), _config(tmp_path, "btc-usd", paused=["usdt-usd"])
    many = configured_feeds(one) + configured_feeds(two)
    async with _bench(one, two) as bench:
        assert bench.names == ["USDT/USD", "EUR/USD", "GBP/USD"]
        await bench.reload()
        assert bench.rounds.loaded == [(["usdt-usd", "btc-usd"], 1)]
        assert bench.relay.allowed == [
            len(targets(feed.definition for feed in many)),
            len(targets(feed.definition for feed in configured_feeds(two))),
        ]
        assert bench.names == ["USDT/USD", "BTC/USD"]
        assert [feed.is_paused for feed in bench.state.feeds.values()] == [True, False]
        assert bench.reloader.serving.configs[0].feeds == two.feeds


async def test_a_feed_that_stays_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    one, two = _config(tmp_path, "btc-usd"), _config(tmp_path, "btc-usd", "sol-usd")
    async with _bench(one, two, one) as bench:
        before = dict(bench.state.feeds)
        await bench.reload()
        assert all(bench.state.feeds[feed_id] is feed for feed_id, feed in before.items())
        await bench.reload()
        assert bench.state.feeds == before


async def test_a_faulty_file_changes_nothing_and_is_an_alarm_until_it_is_mended(
    tmp_path: Path,
) -> None:
    one = _config(tmp_path, "btc-usd")
    async with _bench(one, ConfigError("oracle.toml:9: unknown key"), one) as bench:
        digest = bench.state.config.digest
        await bench.reload()
        assert bench.state.config.fault == "oracle.toml:9: unknown key"
        assert "oracle.toml:9: unknown key" in bench.state.notices["config"]
        assert (bench.rounds.loaded, bench.relay.allowed) == ([], [])
        await bench.reload()
        assert bench.state.config.fault == ""
        assert bench.state.notices == {}
        assert bench.state.config.digest == digest


async def test_what_the_enclave_refuses_is_taken_back(tmp_path: Path) -> None:
    one, two = _config(tmp_path, "btc-usd"), _config(tmp_path, "sol-usd")
    async with _bench(one, two) as bench:
        before = dict(bench.state.feeds)
        bench.rounds.failures = [ConfigError("adapter okx/2 is unknown")]
        await bench.reload()
        assert bench.state.feeds == before
        assert bench.relay.allowed[-1] == len(
            targets(feed.definition for feed in configured_feeds(one))
        )
        assert bench.state.config.fault == "adapter okx/2 is unknown"
        assert bench.reloader.serving.configs[0].feeds == one.feeds


async def test_an_enclave_that_ends_meanwhile_is_waited_for(tmp_path: Path) -> None:
    one, two = _config(tmp_path, "btc-usd"), _config(tmp_path, "sol-usd")
    async with _bench(one, two) as bench:
        bench.has_enclave = False
        bench.rounds.failures = [EnclaveLost("killed")]
        bench.reloader.reload()
        await asyncio.sleep(0.01)
        assert bench.state.config.reloads == 0
        bench.has_enclave = True
        while not bench.state.config.reloads:
            await asyncio.sleep(0.001)
        assert bench.rounds.loaded == [(["usdt-usd", "sol-usd"], 0)]


async def test_a_chain_that_does_not_answer_holds_no_reload_up(tmp_path: Path) -> None:
    one, two = _config(tmp_path, "btc-usd"), _config(tmp_path, "sol-usd")
    async with _bench(one, two) as bench:

        async def silent() -> tuple[bytes, ...]:
            raise ChainError("no endpoint")

        bench.chain.feed_ids = silent  # type: ignore[method-assign]  # an endpoint that fails
        await bench.reload()
        assert bench.rounds.loaded
        assert [feed.index for feed in bench.state.chains[0].feeds.values()] == [None, None]


async def test_what_needs_a_restart_is_named_and_the_feeds_are_taken(tmp_path: Path) -> None:
    one = _config(tmp_path, "btc-usd")
    two = _config(tmp_path, "sol-usd", gas={"max_fee_gwei": 7}, daemon={"poll_s": 3})
    async with _bench(one, two) as bench:
        await bench.reload()
        assert bench.state.config.needs_restart == ("daemon.poll_s", "gas.max_fee_wei")
        assert bench.state.notices["config"].endswith("restart: daemon.poll_s, gas.max_fee_wei")
        assert bench.rounds.loaded == [(["usdt-usd", "sol-usd"], 0)]
        assert bench.reloader.serving.configs[0].daemon.poll_s == 1


@dataclass
class FakeView:
    """Answers, or hangs until it is cancelled."""

    name: str
    hangs: bool
    looks: int = 0
    later: int = 0

    async def refresh(self) -> None:
        self.looks += 1
        if self.hangs:
            await asyncio.Event().wait()

    def refresh_soon(self) -> None:
        self.later += 1


async def test_a_chain_that_hangs_holds_up_no_reload(tmp_path: Path) -> None:
    one, two = _config(tmp_path, "btc-usd"), _config(tmp_path, "sol-usd")
    bad, good = FakeView("bad", hangs=True), FakeView("good", hangs=False)
    async with _bench(one, two) as bench:
        bench.reloader._look_s = 0.01
        await bench.reloader._change(
            bench.reloader.serving,
            Serving.of([two], configured_feeds(two)),
            cast(list[ChainView], [bad, good]),
            bench.relay,
        )
        assert bench.rounds.loaded
        assert [(view.looks, view.later) for view in (bad, good)] == [(1, 1), (1, 0)]
