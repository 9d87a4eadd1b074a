"""One chain of the node: what is known of it, the signer's standing there, and what is sent."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from structlog.contextvars import bound_contextvars

from enclave.domain.errors import ChainError
from oracle.collateral.keeper import CollateralKeeper
from oracle.config import Config
from oracle.daemon.chain_view import REFRESH_S, ChainView
from oracle.daemon.clock import BlockTime, BlockWatch
from oracle.daemon.collateral import CollateralWatch
from oracle.daemon.events import Observer
from oracle.daemon.gas import watch_budget
from oracle.daemon.parts import ChainParts
from oracle.daemon.problems import Problems
from oracle.daemon.quorum import QuorumNode, Spawn, open_quorum
from oracle.daemon.reports import Reporter, Schedule
from oracle.daemon.session import Standings, identity_of
from oracle.daemon.submission import Submission, Target
from oracle.enclave_process import Enclave
from oracle.registration import Registrar, Standing
from oracle.scheduler import find_due
from oracle.telemetry.state import ChainState

T = TypeVar("T")

#: Longest wait for the chain to register the signer of an enclave that is to replace another one,
#: and for its hub to take it.
_ACCEPT_S = 600.0


class ChainUnit:
    """Everything that the node does for one chain; nothing of it waits for another chain.

    Attributes:
        state: How it is doing.
        view: What the chain holds.
        submission: Sends reports; `None` in a dry run.
        quorum: This node among its peers; `None` without them, and before `peers`.
    """

    def __init__(
        self,
        config: Config,
        parts: ChainParts,
        *,
        state: ChainState,
        schedule: Schedule | None,
        observer: Observer,
        clock: Callable[[], float],
        is_only: bool,
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            config: Of this chain.
            parts: Open as long as it is used.
            state: Written.
            schedule: Which answers are due; by deviation and heartbeat unless given.
            observer: Told what happens.
            clock: Seconds since the epoch.
            is_only: Whether the node has no other chain.
        """
        lead_s = 2 * config.chain.block_s + config.daemon.poll_s
        self.state = state
        self.quorum: QuorumNode | None = None
        self._config = config
        self._parts = parts
        self._schedule: Schedule = schedule or (lambda found: find_due(found, lead_s=lead_s))
        self._observer = observer
        self._clock = clock
        self._is_only = is_only
        self._problems = Problems(state)
        self._target = Target(config.chain.chain_id, config.chain.hub)
        self._standings: Standings | None = None
        self._blocks = BlockWatch(
            self._problems,
            halt_s=config.chain.halt_s,
            block_s=config.chain.block_s,
            clock=clock,
            monotonic=time.monotonic,
        )
        self.view = self._view()
        self.submission = self._submission()

    @property
    def name(self) -> str:
        """Of the configuration."""
        return self.state.name

    @property
    def is_well(self) -> bool:
        """Whether the chain answers, makes blocks, and takes the signer's reports."""
        is_known = self.view.hub is not None and "chain" not in self.state.problems
        return is_known and self.state.is_accepted and self._blocks.now is BlockTime.FINE

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on as long as the node runs, whichever enclave works."""
        work = [self.view.keep_fresh()]
        if self._parts.submitter is not None:
            daily_wei = self._config.gas.daily_budget_wei
            work.append(self._parts.submitter.keep(self._config.chain.block_s))
            work.append(
                watch_budget(
                    self._parts.submitter, daily_wei, state=self.state, problems=self._problems
                )
            )
        if self._parts.keeper is not None:
            work.append(self._collateral(self._parts.keeper).keep())
        return [self._named(each) for each in work]

    def begin(self, enclave: Enclave, standing: Standing | None, *, starts: int) -> None:
        """Work with another enclave from now on.

        Args:
            enclave: It has loaded the feeds.
            standing: What the chain made of its signer already.
            starts: How often this daemon started an enclave.
        """
        registrar = self._registrar()
        self._standings = None
        if registrar is None:
            return
        self._standings = Standings(
            enclave,
            registrar,
            view=self.view,
            state=self.state,
            problems=self._problems,
            observer=self._observer,
            starts=starts,
            is_only_chain=self._is_only,
            renew_before_s=self._config.daemon.renew_before_s,
            clock=self._clock,
        )
        if standing is not None:
            with bound_contextvars(chain=self.name):
                self._standings.adopt(standing)

    def end(self) -> None:
        """The enclave is gone."""
        self._standings = None

    def keep_standing(self) -> list[Coroutine[Any, Any, None]]:
        """What keeps the enclave's signer accepted; nothing in a dry run."""
        return [] if self._standings is None else [self._named(self._standings.keep())]

    def recheck(self) -> None:
        """Look at the signer's standing without waiting for the next turn."""
        if self._standings is not None:
            self._standings.recheck()

    async def register(self, enclave: Enclave) -> None:
        """Register the signer of an enclave that is to replace another one; nothing in a dry run.

        Raises:
            OracleError: The chain does not register it.
        """
        registrar = self._registrar()
        if registrar is not None:
            identity = identity_of(enclave)
            await self._bounded(registrar.register(identity, enclave.client))

    async def accept(self, enclave: Enclave, *, old: str) -> Standing | None:
        """Have the hub take the signer of an enclave that is to replace another one.

        Args:
            enclave: The new one.
            old: Address of the signer of the one that works, which goes on until then.

        Returns:
            Its standing; `None` in a dry run.

        Raises:
            OracleError: The chain does not take it.
        """
        registrar = self._registrar()
        if registrar is None:
            return None
        identity = identity_of(enclave)
        return await self._bounded(registrar.ensure(identity, enclave.client, living=(old,)))

    async def _bounded(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(_ACCEPT_S):
                with bound_contextvars(chain=self.name):
                    return await work
        except TimeoutError as error:
            raise ChainError(
                f"{self.name} has not taken the new signer within {_ACCEPT_S:g} s"
            ) from error

    def reporter(self, enclave: Enclave, spawn: Spawn) -> Reporter:
        """What reports the rounds of this enclave; see `begin`.

        Args:
            enclave: Signs.
            spawn: Starts a task that outlives it.
        """
        return Reporter(
            enclave.client,
            view=self.view,
            state=self.state,
            problems=self._problems,
            target=self._target,
            schedule=self._schedule,
            observer=self._observer,
            submission=self.submission,
            standing=lambda: self._standings.now if self._standings else None,
            spawn=spawn,
            quorum=self.quorum,
            report_feeds=self._config.daemon.report_feeds,
        )

    @asynccontextmanager
    async def peers(self) -> AsyncIterator[None]:
        """Be reachable for peers until the end of the block, if there are any.

        Raises:
            ConfigError: It cannot listen, or a certificate cannot be used for TLS.
        """
        if self._parts.membership is None:
            yield
            return
        async with open_quorum(
            self._parts.membership,
            view=self.view,
            state=self.state,
            problems=self._problems,
            target=self._target,
            observer=self._observer,
            landing_s=self._config.chain.block_s / 2,
            wall_clock=self._clock,
        ) as self.quorum:
            yield

    async def _named(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work whose log lines say for which chain it is."""
        with bound_contextvars(chain=self.name):
            await work

    def _view(self) -> ChainView:
        has_peers = self._parts.membership is not None
        return ChainView(
            self._parts.chain,
            self.state,
            self._problems,
            account=self._parts.account,
            low_balance_wei=self._config.gas.low_balance_wei,
            # Where others submit, too, each block may hold a report.
            refresh_s=min(REFRESH_S, self._config.chain.block_s) if has_peers else REFRESH_S,
            has_peers=has_peers,
            blocks=self._blocks,
        )

    def _submission(self) -> Submission | None:
        parts, block_s = self._parts, self._config.chain.block_s
        submitter = parts.submitter
        if submitter is None or parts.journal is None:
            return None
        return Submission(
            parts.chain,
            submitter,
            parts.journal,
            view=self.view,
            state=self.state,
            problems=self._problems,
            target=self._target,
            observer=self._observer,
            recheck=self.recheck,
            # What another node sent just before is in the block to come, or the one after.
            settle_s=0.0 if parts.membership is None else 2 * block_s,
            is_stuck=lambda: submitter.is_stuck,
            renew_s=block_s,
            blocks=self._blocks,
        )

    def _registrar(self) -> Registrar | None:
        parts, chain = self._parts, self._config.chain
        if parts.submitter is None or parts.journal is None or parts.keeper is None:
            return None
        return Registrar(
            parts.chain,
            parts.submitter,
            parts.journal,
            parts.keeper,
            chain_id=chain.chain_id,
            registry=chain.registry,
        )

    def _collateral(self, keeper: CollateralKeeper) -> CollateralWatch:
        collateral = self._config.collateral
        return CollateralWatch(
            keeper,
            state=self.state,
            problems=self._problems,
            refresh_s=collateral.refresh_s,
            warn_before_s=collateral.warn_before_s,
            clock=self._clock,
        )
