"""Composition root of the host: builds every part once and runs them together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import structlog

from enclave import domain
from oracle.collateral.keeper import CollateralKeeper
from oracle.config import Config
from oracle.daemon.chain_view import REFRESH_S, ChainView
from oracle.daemon.collateral import CollateralWatch
from oracle.daemon.events import EnclaveEnded, Event, Observer
from oracle.daemon.parts import RELAY_FOLDER, RELAY_NAME, Parts, open_parts
from oracle.daemon.presence import claim
from oracle.daemon.problems import Problems
from oracle.daemon.quorum import QuorumNode, open_quorum
from oracle.daemon.reload import Load, Reloader, Serving
from oracle.daemon.rounds import RoundLoop, Schedule
from oracle.daemon.session import Standings, load_feeds, note_enclave
from oracle.daemon.sources import SourceWatch
from oracle.daemon.submission import Submission, Target
from oracle.daemon.tasks import leading_error, run_together
from oracle.enclave_link import EnclaveLost
from oracle.enclave_process import Enclave, EnclaveLaunch, default_enclave_python, run_enclave
from oracle.feeds.catalogue import Feed
from oracle.registration import Registrar
from oracle.scheduler import find_due
from oracle.telemetry.health import serve_health
from oracle.telemetry.state import NodeState, SignerState

log = structlog.get_logger(__name__)

_RESTART_S = 0.5
#: An enclave that ran this long has done well: the next failure starts the back-off anew.
_STEADY_S = 60.0
_NOT_SANDBOXED = "the enclave's process is not sandboxed: bubblewrap is switched off or unusable"

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Daemon:
    """A node that runs until it is stopped.

    Attributes:
        state: How it is doing; for views, health and metrics.
        http_port: Where health is served; 0 before it is.
        quorum_port: Where peers reach this node; 0 before it listens, and without peers.
        enclave_pid: Of the enclave's outermost process; 0 while there is none.
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
    ) -> None:
        """Set up; nothing is opened yet.

        Args:
            config: See `oracle.config`.
            feeds: To serve, with all that they convert by.
            resolve: `host:port` -> address that the relay dials instead; for local stand-ins.
            schedule: Which answers are due; by deviation and heartbeat unless given.
            observer: Called with each event, in the event loop; must not block.
            load: Reads the configuration and its feeds anew; `None` if they cannot change.
        """
        is_dry_run = config.keys.keystore is None
        self.state = NodeState(started_at=int(time.time()), is_dry_run=is_dry_run)
        self.http_port = 0
        self.quorum_port = 0
        self.enclave_pid = 0
        self._config = config
        self._resolve = dict(resolve or {})
        lead_s = 2 * config.chain.block_s + config.daemon.poll_s
        self._schedule: Schedule = schedule or (lambda found: find_due(found, lead_s=lead_s))
        self._observer: Observer = observer or _ignore
        self._problems = Problems(self.state)
        self._rounds: RoundLoop | None = None
        self._reloader = Reloader(
            Serving.of(config, feeds),
            load,
            state=self.state,
            problems=self._problems,
            rounds=lambda: self._rounds,
        )
        self._target = Target(config.chain.chain_id, config.chain.hub)
        self._stopping = asyncio.Event()
        self._recheck: Callable[[], None] = _nothing

    def stop(self) -> None:
        """Have `run` end cleanly; a transaction on its way stays in the journal."""
        self._stopping.set()

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
                if parts.keeper is not None:
                    spawn(self._watch(parts.keeper).keep())
                spawn(self._supervise(parts, view, quorum, spawn))
                await self._stopping.wait()
                log.info("daemon_stopping")
                for task in tuple(running):
                    task.cancel()
        except BaseExceptionGroup as group:
            raise leading_error(group) from group

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
        )

    def _watch(self, keeper: CollateralKeeper) -> CollateralWatch:
        collateral = self._config.collateral
        return CollateralWatch(
            keeper,
            state=self.state,
            problems=self._problems,
            refresh_s=collateral.refresh_s,
            warn_before_s=collateral.warn_before_s,
            clock=time.time,
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
        ) as quorum:
            self.quorum_port = quorum.port
            yield quorum

    async def _supervise(
        self, parts: Parts, view: ChainView, quorum: QuorumNode | None, spawn: Spawn
    ) -> None:
        """Keep an enclave running; each has a new key, which is registered anew."""
        submission = self._submission(parts, view)
        loop = asyncio.get_running_loop()
        pause_s = _RESTART_S
        while True:
            started = loop.time()
            try:
                async with run_enclave(enclave_launch(self._config)) as enclave:
                    self.enclave_pid = enclave.pid
                    self._note_start(enclave)
                    await self._session(parts, view, enclave, submission, quorum, spawn)
            except EnclaveLost as error:
                reason = str(error)
            else:
                reason = "its session ended"
            finally:
                self.enclave_pid = 0
                self.state.signer = SignerState()
                self.state.is_accepted = False
            if loop.time() - started > _STEADY_S:
                pause_s = _RESTART_S
            self._problems.set("enclave", f"enclave lost: {reason}")
            self._observer(EnclaveEnded(reason, pause_s))
            await asyncio.sleep(pause_s)
            pause_s = min(self._config.daemon.restart_max_s, 2 * pause_s)

    def _note_start(self, enclave: Enclave) -> None:
        note_enclave(self.state, enclave)
        self._problems.clear("enclave")
        if enclave.is_sandboxed:
            self._problems.drop_notice("sandbox")
        else:
            self._problems.notice("sandbox", _NOT_SANDBOXED)

    async def _session(
        self,
        parts: Parts,
        view: ChainView,
        enclave: Enclave,
        submission: Submission | None,
        quorum: QuorumNode | None,
        spawn: Spawn,
    ) -> None:
        """One life of an enclave."""
        serving = self._reloader.serving
        await load_feeds(enclave.client, serving.feeds)
        standings = self._standings(parts, view, enclave)
        rounds = RoundLoop(
            enclave.client,
            feeds=serving.feeds,
            view=view,
            state=self.state,
            problems=self._problems,
            target=self._target,
            schedule=self._schedule,
            observer=self._observer,
            submission=submission,
            standing=lambda: standings.now if standings else None,
            spawn=spawn,
            quorum=quorum,
            paused=serving.paused,
            report_feeds=self._config.daemon.report_feeds,
        )
        work = [rounds.run(self._config.daemon.poll_s), self._source_watch(enclave).run()]
        if standings is not None:
            self._recheck = standings.recheck
            work.append(standings.keep())
        self._rounds = rounds
        try:
            async with quorum.session(enclave) if quorum is not None else nullcontext():
                await run_together(*work)
        finally:
            self._rounds = None

    def _source_watch(self, enclave: Enclave) -> SourceWatch:
        return SourceWatch(
            enclave.client,
            lambda: (feed.definition for feed in self._reloader.serving.feeds),
            state=self.state,
            problems=self._problems,
        )

    def _standings(self, parts: Parts, view: ChainView, enclave: Enclave) -> Standings | None:
        if parts.submitter is None or parts.journal is None or parts.keeper is None:
            return None
        chain = self._config.chain
        registrar = Registrar(
            parts.chain,
            parts.submitter,
            parts.journal,
            parts.keeper,
            chain_id=chain.chain_id,
            registry=chain.registry,
        )
        return Standings(
            enclave,
            registrar,
            view=view,
            state=self.state,
            problems=self._problems,
            observer=self._observer,
            renew_before_s=self._config.daemon.renew_before_s,
            clock=time.time,
        )

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
        )

    def _look_again(self) -> None:
        """Whichever enclave runs now, look at its standing."""
        self._recheck()


def enclave_launch(config: Config) -> EnclaveLaunch:
    """How the configured enclave is started."""
    enclave = config.enclave
    return EnclaveLaunch(
        python=enclave.python or default_enclave_python(),
        source=Path(domain.__file__).resolve().parent.parent,
        listen_dir=enclave.runtime_dir / "enclave",
        relay=enclave.runtime_dir / RELAY_FOLDER / RELAY_NAME,
        attester=enclave.attester,
        tee=enclave.tee,
        silicon=enclave.silicon,
        extra_ca=enclave.extra_ca,
        sandbox=enclave.sandbox,
    )


def _ignore(_: Event) -> None:
    return


def _nothing() -> None:
    return
