"""Taking over a changed configuration file while the node runs: the feeds, and nothing else."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from enclave.domain.errors import ChainError, ConfigError, OracleError
from oracle.config import Config, changed_keys, config_hash
from oracle.daemon.chain_view import ChainView
from oracle.daemon.problems import Problems
from oracle.daemon.rounds import RoundLoop
from oracle.egress_proxy import Target
from oracle.enclave_link import EnclaveLost
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import paused_feeds
from oracle.feeds.endpoints import targets
from oracle.telemetry.state import FeedState, NodeState

log = structlog.get_logger(__name__)

#: Area of the notices.
AREA = "config"
_SECTION = "feeds."
_NO_ENCLAVE_S = 0.1

#: Reads and checks the file anew; raises `ConfigError`.
Load = Callable[[], tuple[Config, tuple[Feed, ...]]]


class Relay(Protocol):
    """The enclave's way out, as far as feeds are concerned."""

    def allow(self, targets: frozenset[Target]) -> None:
        """Replace the allow list."""
        ...


@dataclass(frozen=True, slots=True)
class Serving:
    """What is in force.

    Attributes:
        config: As it was at the start, but for the feeds.
        feeds: What enclaves load.
        paused: Ids of those that are not asked for.
    """

    config: Config
    feeds: tuple[Feed, ...]
    paused: frozenset[bytes]

    @classmethod
    def of(cls, config: Config, feeds: Sequence[Feed]) -> "Serving":
        """What a configuration asks for."""
        return cls(config, tuple(feeds), paused_feeds(config, feeds))


class Reloader:
    """Reads the file when asked to, one time after the other.

    Attributes:
        serving: What is in force; an enclave that starts loads this.
    """

    def __init__(
        self,
        serving: Serving,
        load: Load | None,
        *,
        state: NodeState,
        problems: Problems,
        rounds: Callable[[], RoundLoop | None],
    ) -> None:
        """Set up.

        Args:
            serving: At the start.
            load: Reads the file; `None` where there is none.
            state: Written.
            problems: Written.
            rounds: The loop of the enclave that runs now; `None` while there is none.
        """
        self.serving = serving
        self._load = load
        self._state = state
        self._problems = problems
        self._rounds = rounds
        self._wanted = asyncio.Event()
        state.config.digest = config_hash(serving.config)
        state.feeds = {feed.feed_id: _state_of(feed, serving) for feed in serving.feeds}

    def reload(self) -> None:
        """Read the file again soon."""
        self._wanted.set()

    async def run(self, view: ChainView, relay: Relay) -> None:
        """Reload whenever asked to, until cancelled; a file that is refused changes nothing."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            config = self._state.config
            try:
                await self._reload(view, relay)
            except OracleError as error:
                config.fault = str(error) or type(error).__name__
                self._problems.alarm(AREA, f"the changed configuration is refused: {config.fault}")
            else:
                config.fault = ""
            config.reloads += 1

    async def _reload(self, view: ChainView, relay: Relay) -> None:
        """Raises `ConfigError` for a faulty file, `OracleError` for what the enclave refuses."""
        if self._load is None:
            raise ConfigError("this node was not started from a file")
        found, feeds = await asyncio.to_thread(self._load)
        before = self.serving
        keys = [k for k in changed_keys(before.config, found) if not k.startswith(_SECTION)]
        config = before.config.model_copy(update={"feeds": found.feeds})
        wanted = Serving.of(config, feeds)
        if (wanted.feeds, wanted.paused) != (before.feeds, before.paused):
            await self._change(before, wanted, view, relay)
        self.serving = wanted
        self._state.config.digest = config_hash(config)
        self._note(tuple(keys))
        log.info("config_reloaded", config=self._state.config.digest, feeds=len(feeds))

    async def _change(
        self, before: Serving, wanted: Serving, view: ChainView, relay: Relay
    ) -> None:
        old = dict(self._state.feeds)
        definitions = [feed.definition for feed in (*before.feeds, *wanted.feeds)]
        relay.allow(targets(definitions))
        self._state.feeds = {
            feed.feed_id: old.get(feed.feed_id) or _state_of(feed, wanted)
            for feed in (*before.feeds, *wanted.feeds)
        }
        kept = before
        try:
            # What the hub holds of a new feed decides whether it is due.
            await _look(view)
            await self._load_in_enclave(wanted)
            kept = wanted
        finally:
            known = self._state.feeds
            self._state.feeds = {feed.feed_id: known[feed.feed_id] for feed in kept.feeds}
            for feed in self._state.feeds.values():
                _pause(feed, is_paused=feed.feed_id in kept.paused)
            relay.allow(targets(feed.definition for feed in kept.feeds))

    async def _load_in_enclave(self, wanted: Serving) -> None:
        """Wait for an enclave that has taken the feeds; one that ends meanwhile has not."""
        while True:
            rounds = self._rounds()
            try:
                if rounds is not None:
                    return await rounds.change(wanted.feeds, wanted.paused)
            except EnclaveLost:
                log.info("config_waits_for_enclave")
            await asyncio.sleep(_NO_ENCLAVE_S)

    def _note(self, keys: tuple[str, ...]) -> None:
        self._state.config.needs_restart = keys
        if keys:
            text = f"changed in the file, in force after a restart: {', '.join(keys)}"
            self._problems.notice(AREA, text)
        else:
            self._problems.drop_notice(AREA)


async def _look(view: ChainView) -> None:
    try:
        await view.refresh()
    except ChainError:
        # New feeds are then not due before the chain was asked.
        view.refresh_soon()


def _state_of(feed: Feed, serving: Serving) -> FeedState:
    is_paused = feed.feed_id in serving.paused
    name, decimals = feed.definition.name, feed.definition.decimals
    return FeedState(name, feed.feed_id, decimals, is_paused=is_paused)


def _pause(feed: FeedState, *, is_paused: bool) -> None:
    feed.is_paused = is_paused
    if is_paused:
        feed.answer, feed.failure, feed.source_failures = None, "", {}
