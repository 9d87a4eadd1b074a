"""Composition root of the host: builds every part once and runs them together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from oracle.collateral.keeper import CollateralKeeper
from oracle.config import Config
from oracle.daemon.chain_view import REFRESH_S, ChainView
from oracle.daemon.clock import BlockWatch, NodeClock
from oracle.daemon.collateral import CollateralWatch
from oracle.daemon.events import Event, Observer, RoundMade
from oracle.daemon.gas import Spender, watch_budget
from oracle.daemon.parts import Parts, open_parts
from oracle.daemon.presence import claim
from oracle.daemon.problems import Problems
from oracle.daemon.quorum import QuorumNode, open_quorum
from oracle.daemon.reload import Load, Reloader, Serving
from oracle.daemon.rounds import RoundLoop, Schedule
from oracle.daemon.submission import Submission, Target
from oracle.daemon.supervisor import Spawn, Supervisor
from oracle.daemon.tasks import leading_error
from oracle.feeds.catalogue import Feed
from oracle.scheduler import find_due
from oracle.telemetry.health import serve_health
from oracle.telemetry.state import NodeState

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
        config: Config,
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
            config: See `oracle.config`.
            feeds: To serve, with all that they convert by.
            resolve: `host:port` -> address that the relay dials instead; for local stand-ins.
            schedule: Which answers are due; by deviation and heartbeat unless given.
            observer: Called with each event, in the event loop; must not block.
            load: Reads the configuration and its feeds anew; `None` if they cannot change.
            wall_clock: The host's clock, seconds since the epoch; may step.
        """
        is_dry_run = config.keys.keystore is None
        self.state = NodeState(started_at=int(time.time()), is_dry_run=is_dry_run)
        self.http_port = 0
        self.quorum_port = 0
        self._config = config
        self._resolve = dict(resolve or {})
        lead_s = 2 * config.chain.block_s + config.daemon.poll_s
        self._schedule: Schedule = schedule or (lambda found: find_due(found, lead_s=lead_s))
        self._told: Observer = observer or _ignore
        self._problems = Problems(self.state)
        self._clock = NodeClock(self._problems, wall=wall_clock, monotonic=time.monotonic)
        self.state.clock = self._clock.now
        self._blocks = BlockWatch(
            self._problems,
            halt_s=config.chain.halt_s,
            block_s=config.chain.block_s,
            clock=self._clock.now,
            monotonic=time.monotonic,
        )
        self._supervisor: Supervisor | None = None
        self._reloader = Reloader(
            Serving.of(config, feeds),
            load,
            state=self.state,
            problems=self._problems,
            rounds=self._running_rounds,
        )
        self._target = Target(config.chain.chain_id, config.chain.hub)
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
        feeds = self._reloader.serving.feeds
        log.info("daemon_starting", config=self.state.config.digest, feeds=len(feeds))
        async with AsyncExitStack() as stack:
            parts = await open_parts(stack, self._config, feeds, self._resolve, self.state)
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
        view = self._view(parts)
        running: set[asyncio.Task[None]] = set()
        try:
            async with self._peers(parts, view) as quorum, asyncio.TaskGroup() as tasks:

                def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
                    task = tasks.create_task(work)
                    running.add(task)
                    task.add_done_callback(running.discard)
                    return task

                spawn(view.keep_fresh())
                spawn(self._reloader.run(view, parts.relay))
                if parts.submitter is not None:
                    spawn(parts.submitter.keep(self._config.chain.block_s))
                    spawn(self._watch_budget(parts.submitter))
                if parts.keeper is not None:
                    spawn(self._watch(parts.keeper).keep())
                submission = self._submission(parts, view)
                self._supervisor = self._supervise(parts, view, quorum, submission, spawn)
                spawn(self._supervisor.run())
                await self._stopping.wait()
                log.info("daemon_stopping")
                last = set() if submission is None else submission.close()
                for task in running - last:
                    task.cancel()
                if last:
                    await self._drain(last)
        except BaseExceptionGroup as group:
            raise leading_error(group) from group

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

    def _supervise(
        self,
        parts: Parts,
        view: ChainView,
        quorum: QuorumNode | None,
        submission: Submission | None,
        spawn: Spawn,
    ) -> Supervisor:
        return Supervisor(
            self._config,
            parts,
            view=view,
            state=self.state,
            problems=self._problems,
            observer=self._observer,
            serving=lambda: self._reloader.serving,
            schedule=self._schedule,
            target=self._target,
            submission=submission,
            quorum=quorum,
            spawn=spawn,
        )

    def _look_again(self) -> None:
        """Whichever enclave runs now, look at its standing."""
        if self._supervisor is not None:
            self._supervisor.recheck()

    def _running_rounds(self) -> RoundLoop | None:
        return None if self._supervisor is None else self._supervisor.rounds

    def _view(self, parts: Parts) -> ChainView:
        has_peers = parts.membership is not None
        return ChainView(
            parts.chain,
            self.state,
            self._problems,
            account=parts.account,
            low_balance_wei=self._config.gas.low_balance_wei,
            # Where others submit, too, each block may hold a report.
            refresh_s=min(REFRESH_S, self._config.chain.block_s) if has_peers else REFRESH_S,
            has_peers=has_peers,
            blocks=self._blocks,
        )

    def _watch_budget(self, submitter: Spender) -> Coroutine[Any, Any, None]:
        daily_wei = self._config.gas.daily_budget_wei
        return watch_budget(submitter, daily_wei, state=self.state, problems=self._problems)

    def _watch(self, keeper: CollateralKeeper) -> CollateralWatch:
        collateral = self._config.collateral
        return CollateralWatch(
            keeper,
            state=self.state,
            problems=self._problems,
            refresh_s=collateral.refresh_s,
            warn_before_s=collateral.warn_before_s,
            clock=self._clock.now,
        )

    @asynccontextmanager
    async def _peers(self, parts: Parts, view: ChainView) -> AsyncIterator[QuorumNode | None]:
        """Be reachable for peers, if there are any."""
        if parts.membership is None:
            yield None
            return
        async with open_quorum(
            parts.membership,
            view=view,
            state=self.state,
            problems=self._problems,
            target=self._target,
            observer=self._observer,
            landing_s=self._config.chain.block_s / 2,
            wall_clock=self._clock.now,
        ) as quorum:
            self.quorum_port = quorum.port
            yield quorum

    def _submission(self, parts: Parts, view: ChainView) -> Submission | None:
        submitter = parts.submitter
        if submitter is None or parts.journal is None:
            return None
        return Submission(
            parts.chain,
            submitter,
            parts.journal,
            view=view,
            state=self.state,
            problems=self._problems,
            target=self._target,
            observer=self._observer,
            recheck=self._look_again,
            # What another node sent just before is in the block to come, or the one after.
            settle_s=0.0 if parts.membership is None else 2 * self._config.chain.block_s,
            is_stuck=lambda: submitter.is_stuck,
            renew_s=self._config.chain.block_s,
            blocks=self._blocks,
        )


def _ignore(_: Event) -> None:
    return
