"""Keeps an enclave running: restart after a loss, and replacement while reports go on."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from enclave import domain
from enclave.domain.errors import OracleError
from oracle.config import Config
from oracle.daemon.chain_unit import ChainUnit
from oracle.daemon.events import EnclaveEnded, Observer
from oracle.daemon.parts import RELAY_FOLDER, RELAY_NAME
from oracle.daemon.problems import Problems
from oracle.daemon.reload import Serving
from oracle.daemon.rounds import RoundLoop
from oracle.daemon.session import forget_standings, identity_of, load_feeds, note_enclave
from oracle.daemon.sources import SourceWatch
from oracle.daemon.tasks import leading_error, run_together
from oracle.enclave_link import EnclaveLost
from oracle.enclave_process import (
    FOLDERS,
    Enclave,
    EnclaveLaunch,
    default_enclave_python,
    run_enclave,
)
from oracle.registration import Standing
from oracle.store import JournalError
from oracle.telemetry.state import NodeState, SignerState

log = structlog.get_logger(__name__)

_RESTART_S = 0.5
#: An enclave that ran this long has done well: the next failure starts the back-off anew.
_STEADY_S = 60.0
_NOT_SANDBOXED = "the enclave's process is not sandboxed: bubblewrap is switched off or unusable"
_ROTATION = "rotation"

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@dataclass(frozen=True, slots=True)
class Running:
    """An enclave, from its start to its end.

    Attributes:
        enclave: It has said hello.
        folder: Name of the directory of its socket.
        end: Ends its process.
        standings: What chains make of its signer, by name; those that were asked.
        is_successor: It replaces one that runs.
    """

    enclave: Enclave
    folder: str
    end: AsyncExitStack
    standings: Mapping[str, Standing] = field(default_factory=dict)
    is_successor: bool = False


class _HandedOver(OracleError):
    """The successor is ready: this enclave has done its work."""


class Supervisor:
    """Runs one enclave after the other; each has a new key, which is registered anew.

    Attributes:
        rounds: The loop of the enclave that works now; `None` while there is none.
        process_id: Of its outermost process; 0 while there is none.
    """

    def __init__(
        self,
        config: Config,
        units: Sequence[ChainUnit],
        *,
        state: NodeState,
        problems: Problems,
        observer: Observer,
        serving: Callable[[], Serving],
        spawn: Spawn,
    ) -> None:
        """Set up; nothing is started yet.

        Args:
            config: How enclaves are started and kept.
            units: One for each chain; they outlive an enclave.
            state: Written.
            problems: Written.
            observer: Told what happens.
            serving: What an enclave loads when it starts.
            spawn: Starts a task that outlives an enclave.
        """
        self.rounds: RoundLoop | None = None
        self.process_id = 0
        self._config = config
        self._units = tuple(units)
        self._state = state
        self._problems = problems
        self._observer = observer
        self._serving = serving
        self._spawn = spawn
        self._successor: Running | None = None
        self._rotation_wanted = asyncio.Event()

    def rotate(self) -> None:
        """Replace the enclave soon.

        The new one is started, registered and seated beside the old one, which makes the reports
        until then; if that fails, the old one goes on.
        """
        self._rotation_wanted.set()

    async def run(self) -> None:
        """Keep an enclave running until cancelled.

        Raises:
            ConfigError: It cannot be started as it is configured.
            JournalError: The journal cannot be written.
        """
        loop = asyncio.get_running_loop()
        pause_s = _RESTART_S
        while True:
            started, reason = loop.time(), ""
            try:
                await self._live(self._successor or await self._start(FOLDERS[0]))
            except EnclaveLost as error:
                reason = str(error)
            finally:
                for unit in self._units:
                    unit.end()
                if self._successor is None:
                    self.process_id = 0
                    self._state.signer = SignerState()
                    forget_standings(self._state)
            if not reason:
                continue
            if loop.time() - started > _STEADY_S:
                pause_s = _RESTART_S
            self._problems.set("enclave", f"enclave lost: {reason}")
            self._observer(EnclaveEnded(reason, pause_s))
            await asyncio.sleep(pause_s)
            pause_s = min(self._config.daemon.restart_max_s, 2 * pause_s)

    async def _start(self, folder: str) -> Running:
        async with AsyncExitStack() as stack:
            launch = enclave_launch(self._config, folder=folder)
            enclave = await stack.enter_async_context(run_enclave(launch))
            return Running(enclave, folder, stack.pop_all())

    async def _live(self, running: Running) -> None:
        """Work with an enclave until it is lost or has a successor."""
        self._successor = None
        is_replaced = False
        try:
            await run_together(self._session(running), self._rotations(running))
        except (EnclaveLost, _HandedOver):
            # A successor that is ready takes over, whatever became of this one.
            is_replaced = self._successor is not None
            if not is_replaced:
                raise
        finally:
            if is_replaced:
                # The successor need not wait for the end of this one.
                self._spawn(running.end.aclose())
            else:
                await self._discard_successor()
                await running.end.aclose()

    async def _discard_successor(self) -> None:
        successor, self._successor = self._successor, None
        if successor is not None:
            await successor.end.aclose()

    async def _rotations(self, running: Running) -> None:
        """Prepare a successor whenever one is wished for; raises `_HandedOver` when it is ready."""
        while True:
            await self._rotation_wanted.wait()
            self._rotation_wanted.clear()
            rotation = self._state.rotation
            try:
                self._successor = await self._prepare(running)
            except JournalError:
                raise
            except OracleError as error:
                rotation.fault = str(error)
                self._problems.notice(_ROTATION, f"the enclave is not rotated: {error}")
                rotation.attempts += 1
                continue
            rotation.fault = ""
            self._problems.drop_notice(_ROTATION)
            raise _HandedOver

    async def _prepare(self, running: Running) -> Running:
        """A second enclave, ready to work: loaded, registered, seated, in the hub's table.

        Raises:
            OracleError: It cannot be started, or the chain does not take its signer.
        """
        old = identity_of(running.enclave).address
        async with AsyncExitStack() as stack:
            started = await self._start(next(each for each in FOLDERS if each != running.folder))
            stack.push_async_callback(started.end.aclose)
            enclave, serving = started.enclave, self._serving()
            log.info("rotation_begins", old=old, new=identity_of(enclave).address)
            await load_feeds(enclave.client, serving.feeds)
            standings = await self._accepted(enclave, old)
            # Its connections are then open, and the first answers of its jump gates known.
            served = [f.feed_id for f in serving.feeds if f.feed_id not in serving.paused]
            await enclave.client.run_round(served)
            stack.pop_all()
            return Running(enclave, started.folder, started.end, standings, is_successor=True)

    async def _accepted(self, enclave: Enclave, old: str) -> dict[str, Standing]:
        """Have the chains take a new signer, by name.

        A chain that does not take the old one now is not waited for: it takes the new one when it
        can.
        """
        units = [unit for unit in self._units if unit.is_well] or self._units
        # Registered everywhere before any seat changes: what fails mostly fails here.
        await _of_all({unit.name: unit.register(enclave) for unit in units})
        found = await _of_all({unit.name: unit.accept(enclave, old=old) for unit in units})
        return {name: standing for name, standing in found.items() if standing is not None}

    async def _session(self, running: Running) -> None:
        """One life of an enclave."""
        enclave, serving = running.enclave, self._serving()
        self.process_id = enclave.pid
        self._note_start(enclave)
        await load_feeds(enclave.client, serving.feeds)
        for unit in self._units:
            standing, starts = running.standings.get(unit.name), self._state.enclave_starts
            unit.begin(enclave, standing, starts=starts)
        if running.is_successor:
            self._state.rotation.attempts += 1
            log.info("enclave_rotated", signer=self._state.signer.address)
        self.rounds = rounds = self._round_loop(enclave, serving)
        sources = SourceWatch(
            enclave.client,
            lambda: (feed.definition for feed in self._serving().feeds),
            state=self._state,
            problems=self._problems,
        )
        try:
            async with AsyncExitStack() as stack:
                for unit in self._units:
                    if unit.quorum is not None:
                        await stack.enter_async_context(unit.quorum.session(enclave))
                await run_together(
                    rounds.run(self._config.daemon.poll_s),
                    sources.run(),
                    *(work for unit in self._units for work in unit.keep_standing()),
                )
        finally:
            self.rounds = None

    def _round_loop(self, enclave: Enclave, serving: Serving) -> RoundLoop:
        return RoundLoop(
            enclave.client,
            feeds=serving.feeds,
            reporters=[unit.reporter(enclave, self._spawn) for unit in self._units],
            state=self._state,
            problems=self._problems,
            observer=self._observer,
            paused=serving.paused,
        )

    def _note_start(self, enclave: Enclave) -> None:
        note_enclave(self._state, enclave)
        self._problems.clear("enclave")
        if enclave.is_sandboxed:
            self._problems.drop_notice("sandbox")
        else:
            self._problems.notice("sandbox", _NOT_SANDBOXED)


async def _of_all(work: Mapping[str, Coroutine[Any, Any, T]]) -> dict[str, T]:
    """What all give, by name; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as tasks:
            found = {name: tasks.create_task(each) for name, each in work.items()}
    except BaseExceptionGroup as group:
        raise leading_error(group) from group
    return {name: task.result() for name, task in found.items()}


def enclave_launch(config: Config, *, folder: str = FOLDERS[0]) -> EnclaveLaunch:
    """How the configured enclave is started, with its socket in a folder of this name."""
    enclave = config.enclave
    return EnclaveLaunch(
        python=enclave.python or default_enclave_python(),
        source=Path(domain.__file__).resolve().parent.parent,
        listen_dir=enclave.runtime_dir / folder,
        relay=enclave.runtime_dir / RELAY_FOLDER / RELAY_NAME,
        attester=enclave.attester,
        tee=enclave.tee,
        silicon=enclave.silicon,
        extra_ca=enclave.extra_ca,
        sandbox=enclave.sandbox,
    )
