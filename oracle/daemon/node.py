"""Composition root of the host: builds every part once and runs them together."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog

from oracle.config import Config
from oracle.daemon.chain_unit import ChainUnit
from oracle.daemon.clock import NodeClock
from oracle.daemon.events import Event, Observer, RoundMade
from oracle.daemon.parts import Parts, open_parts
from oracle.daemon.presence import claim
from oracle.daemon.problems import Problems
from oracle.daemon.reload import Load, Reloader, Serving
from oracle.daemon.reports import Schedule
from oracle.daemon.rounds import RoundLoop
from oracle.daemon.supervisor import Spawn, Supervisor
from oracle.daemon.tasks import leading_error
from oracle.daemon.threads import make_room
from oracle.feeds.catalogue import Feed
from oracle.telemetry.health import serve_health
from oracle.telemetry.state import ChainState, NodeState

log = structlog.get_logger(__name__)


class Daemon:
    """A node that runs until it is stopped.

    Attributes:
        state: How it is doing; for views, health and metrics.
        http_port: Where health is served; 0 before it is.
        quorum_port: Where peers reach this node; 0 before it listens, and without peers.
    """

    def __init__(
        self,
        configs: Sequence[Config],
        feeds: Sequence[Feed],
        *,
        resolve: Mapping[str, tuple[str, int]] | None = None,
        schedule: Schedule | None = None,
        observer: Observer | None = None,
        load: Load | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Set up; nothing is opened yet.

        Args:
            configs: One for each chain, alike in what chains share; see `oracle.config`.
            feeds: To serve, with all that they convert by.
            resolve: `host:port` -> address that the relay dials instead; for local stand-ins.
            schedule: Which answers are due; by deviation and heartbeat unless given.
            observer: Called with each event, in the event loop; must not block.
            load: Reads the configuration and its feeds anew; `None` if they cannot change.
            wall_clock: The host's clock, seconds since the epoch; may step.
        """
        chains = [
            ChainState(each.chain.name, is_dry_run=each.keys.keystore is None) for each in configs
        ]
        self.state = NodeState(started_at=int(time.time()), chains=tuple(chains))
        self.http_port = 0
        self.quorum_port = 0
        self._configs = tuple(configs)
        #: What all chains share is the same in each.
        self._config = self._configs[0]
        self._resolve = dict(resolve or {})
        self._schedule = schedule
        self._told: Observer = observer or _ignore
        self._problems = Problems(self.state)
        self._clock = NodeClock(self._problems, wall=wall_clock, monotonic=time.monotonic)
        self.state.clock = self._clock.now
        self._supervisor: Supervisor | None = None
        self._reloader = Reloader(
            Serving.of(configs, feeds),
            load,
            state=self.state,
            problems=self._problems,
            rounds=self._running_rounds,
        )
        self._stopping = asyncio.Event()

    @property
    def enclave_pid(self) -> int:
        """Of the enclave's outermost process; 0 while there is none."""
        return 0 if self._supervisor is None else self._supervisor.process_id

    def stop(self) -> None:
        """Have `run` end cleanly.

        No report is begun any more; one that is on its way has `daemon.drain_s` to land, and is
        finished at the next start otherwise.
        """
        self._stopping.set()

    def rotate(self) -> None:
        """Replace the enclave, and so the key; reports go on meanwhile. See `Supervisor`."""
        if self._supervisor is not None:
            self._supervisor.rotate()

    def reload(self) -> None:
        """Read the configuration file again and take over its feeds; see `Reloader`."""
        self._reloader.reload()

    async def run(self) -> None:
        """Run until `stop`, cancellation, or an error that needs the operator.

        Raises:
            ConfigError: The operator must change the configuration, or files that it names.
            JournalError: The journal is locked, corrupt, or cannot be written.
        """
        make_room(asyncio.get_running_loop(), self._configs)
        feeds = self._reloader.serving.feeds
        log.info("daemon_starting", config=self.state.config.digest, feeds=len(feeds))
        async with AsyncExitStack() as stack:
            parts = await open_parts(stack, self._configs, feeds, self._resolve, self.state)
            presence = stack.enter_context(claim(self._config.enclave.runtime_dir))
            self.http_port = await stack.enter_async_context(self._health())
            presence.say(f"http://{self._config.http.host}:{self.http_port}")
            await self._work(parts)
        log.info("daemon_stopped")

    def _health(self) -> Any:
        http, poll_s = self._config.http, self._config.daemon.poll_s
        limit_s = max(30.0, 10 * poll_s)
        return serve_health(self.state, host=http.host, port=http.port, round_limit_s=limit_s)

    async def _work(self, parts: Parts) -> None:
        """Run all tasks until told to stop; the first unexpected error ends them all."""
        units = self._units(parts)
        running: set[asyncio.Task[None]] = set()
        try:
            async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:

                def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
                    task = tasks.create_task(work)
                    running.add(task)
                    task.add_done_callback(running.discard)
                    return task

                for unit in units:
                    await stack.enter_async_context(unit.peers())
                    for work in unit.work():
                        spawn(work)
                self.quorum_port = next((each.quorum.port for each in units if each.quorum), 0)
                spawn(self._reloader.run([unit.view for unit in units], parts.relay))
                self._supervisor = self._supervise(units, spawn)
                spawn(self._supervisor.run())
                await self._stopping.wait()
                log.info("daemon_stopping")
                await self._end(units, running)
        except BaseExceptionGroup as group:
            raise leading_error(group) from group

    async def _end(self, units: Sequence[ChainUnit], running: set[asyncio.Task[None]]) -> None:
        """Cancel everything but the reports that are on their way; these have a bounded time."""
        sending = [unit.submission for unit in units if unit.submission is not None]
        last = {task for submission in sending for task in submission.close()}
        for task in running - last:
            task.cancel()
        if last:
            await self._drain(last)

    def _observer(self, event: Event) -> None:
        """Each round says the time; then whoever watches is told."""
        if isinstance(event, RoundMade):
            self._clock.note(event.result.observed_at)
        self._told(event)

    async def _drain(self, last: set[asyncio.Task[None]]) -> None:
        """Give reports that are on their way a bounded time; the journal has them in any case."""
        _, left = await asyncio.wait(last, timeout=self._config.daemon.drain_s)
        for task in left:
            log.warning("report_left_in_journal", waited_s=self._config.daemon.drain_s)
            task.cancel()

    def _supervise(self, units: Sequence[ChainUnit], spawn: Spawn) -> Supervisor:
        return Supervisor(
            self._config,
            units,
            state=self.state,
            problems=self._problems,
            observer=self._observer,
            serving=lambda: self._reloader.serving,
            spawn=spawn,
        )

    def _running_rounds(self) -> RoundLoop | None:
        return None if self._supervisor is None else self._supervisor.rounds

    def _units(self, parts: Parts) -> list[ChainUnit]:
        return [
            ChainUnit(
                config,
                opened,
                state=state,
                schedule=self._schedule,
                observer=self._observer,
                clock=self._clock.now,
                is_only=len(self._configs) == 1,
            )
            for config, opened, state in zip(
                self._configs, parts.chains, self.state.chains, strict=True
            )
        ]


def _ignore(_: Event) -> None:
    return
