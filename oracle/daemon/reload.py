"""Taking over a changed configuration file while the node runs: the feeds, and nothing else."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from enclave.domain.errors import ChainError, ConfigError, OracleError
from oracle.config import Config, changed_keys, config_hash
from oracle.daemon.chain_view import ChainView
from oracle.daemon.problems import Problems
from oracle.daemon.rounds import RoundLoop
from oracle.egress_proxy import Target
from oracle.enclave_link import EnclaveLost
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import chain_feeds, paused_feeds
from oracle.feeds.endpoints import targets
from oracle.telemetry.state import FeedState, HubFeed, NodeState

log = structlog.get_logger(__name__)

#: Area of the notices.
AREA = "config"
_SECTION = "feeds."
_NO_ENCLAVE_S = 0.1

#: Reads and checks the file anew; raises `ConfigError`.
Load = Callable[[], tuple[Sequence[Config], tuple[Feed, ...]]]


class Relay(Protocol):
    """The enclave's way out, as far as feeds are concerned."""

    def allow(self, targets: frozenset[Target]) -> None:
        """Replace the allow list."""
        ...


@dataclass(frozen=True, slots=True)
class Serving:
    """What is in force.

    Attributes:
        configs: One for each chain; as they were at the start, but for the section `feeds`.
        feeds: What enclaves load.
        paused: Ids of those that are not asked for.
    """

    configs: tuple[Config, ...]
    feeds: tuple[Feed, ...]
    paused: frozenset[bytes]

    @classmethod
    def of(cls, configs: Sequence[Config], feeds: Sequence[Feed]) -> "Serving":
        """What a configuration asks for."""
        return cls(tuple(configs), tuple(feeds), paused_feeds(configs[0], feeds))


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
        look_s: float = 5.0,
    ) -> None:
        """Set up.

        Args:
            serving: At the start.
            load: Reads the file; `None` where there is none.
            state: Written.
            problems: Written.
            rounds: The loop of the enclave that runs now; `None` while there is none.
            look_s: How long a chain may take to say what it holds of new feeds, before they are
                loaded all the same.
        """
        self.serving = serving
        self._load = load
        self._state = state
        self._problems = problems
        self._rounds = rounds
        self._look_s = look_s
        self._wanted = asyncio.Event()
        state.config.digest = config_hash(serving.configs)
        state.feeds = {feed.feed_id: _state_of(feed, serving) for feed in serving.feeds}
        self._note_chains(serving, serving.feeds)

    def reload(self) -> None:
        """Read the file again soon."""
        self._wanted.set()

    async def run(self, views: Sequence[ChainView], relay: Relay) -> None:
        """Reload whenever asked to, until cancelled; a file that is refused changes nothing."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            config = self._state.config
            try:
                await self._reload(views, relay)
            except OracleError as error:
                config.fault = str(error) or type(error).__name__
                self._problems.alarm(AREA, f"the changed configuration is refused: {config.fault}")
            else:
                config.fault = ""
            config.reloads += 1

    async def _reload(self, views: Sequence[ChainView], relay: Relay) -> None:
        """Raises `ConfigError` for a faulty file, `OracleError` for what the enclave refuses."""
        if self._load is None:
            raise ConfigError("this node was not started from a file")
        found, feeds = await asyncio.to_thread(self._load)
        before = self.serving
        keys = [k for k in changed_keys(before.configs, found) if not k.startswith(_SECTION)]
        changed = {"feeds": found[0].feeds}
        wanted = Serving.of([each.model_copy(update=changed) for each in before.configs], feeds)
        if (wanted.feeds, wanted.paused) != (before.feeds, before.paused):
            await self._change(before, wanted, views, relay)
        self.serving = wanted
        self._state.config.digest = config_hash(wanted.configs)
        self._note(tuple(keys))
        log.info("config_reloaded", config=self._state.config.digest, feeds=len(feeds))

    async def _change(
        self, before: Serving, wanted: Serving, views: Sequence[ChainView], relay: Relay
    ) -> None:
        old = dict(self._state.feeds)
        definitions = [feed.definition for feed in (*before.feeds, *wanted.feeds)]
        relay.allow(targets(definitions))
        self._state.feeds = {
            feed.feed_id: old.get(feed.feed_id) or _state_of(feed, wanted)
            for feed in (*before.feeds, *wanted.feeds)
        }
        self._note_chains(wanted, (*before.feeds, *wanted.feeds))
        kept = before
        try:
            # What the hub holds of a new feed decides whether it is due.
            await self._look(views)
            await self._load_in_enclave(wanted)
            kept = wanted
        finally:
            known = self._state.feeds
            self._state.feeds = {feed.feed_id: known[feed.feed_id] for feed in kept.feeds}
            for feed in self._state.feeds.values():
                _pause(feed, is_paused=feed.feed_id in kept.paused)
            self._note_chains(kept, kept.feeds)
            relay.allow(targets(feed.definition for feed in kept.feeds))

    def _note_chains(self, serving: Serving, feeds: Sequence[Feed]) -> None:
        """Each chain knows its feeds, and keeps what it knows of them."""
        for config, chain in zip(serving.configs, self._state.chains, strict=True):
            chain.feeds = {
                feed.feed_id: chain.feeds.get(feed.feed_id)
                or HubFeed(feed.definition.name, feed.feed_id)
                for feed in chain_feeds(config, feeds)
            }

    async def _look(self, views: Sequence[ChainView]) -> None:
        """Look at all chains at once; one that takes long is not waited for."""
        async with asyncio.TaskGroup() as tasks:
            for view in views:
                tasks.create_task(self._look_at(view))

    async def _look_at(self, view: ChainView) -> None:
        with bound_contextvars(chain=view.name):
            try:
                async with asyncio.timeout(self._look_s):
                    await view.refresh()
            except (ChainError, TimeoutError):
                # New feeds are then not due there before the chain was asked.
                view.refresh_soon()

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


def _state_of(feed: Feed, serving: Serving) -> FeedState:
    is_paused = feed.feed_id in serving.paused
    name, decimals = feed.definition.name, feed.definition.decimals
    return FeedState(name, feed.feed_id, decimals, is_paused=is_paused)


def _pause(feed: FeedState, *, is_paused: bool) -> None:
    feed.is_paused = is_paused
    if is_paused:
        feed.answer, feed.failure, feed.source_failures = None, "", {}
