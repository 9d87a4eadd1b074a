"""How each host of sources is doing, asked of the enclave from time to time."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from enclave.domain.feed import FeedDefinition
from enclave.domain.wire import HealthResult, SourceHealth
from oracle.daemon.problems import Problems
from oracle.feeds.endpoints import HTTPS_PORT, targets
from oracle.telemetry.state import NodeState

log = structlog.get_logger(__name__)

AREA = "sources"
EVERY_S = 5.0
_CLOSED = "closed"


class EnclaveHealth(Protocol):
    """What is needed of the enclave's client."""

    async def health(self) -> HealthResult:
        """Its counters; raises `EnclaveLost`."""
        ...


class SourceWatch:
    """Writes what one enclave says of its sources into the state; a notice names those in trouble.

    Args:
        enclave: Asked.
        definitions: Of the feeds that are in force; a host that none of them names is left out.
        state: Written.
        problems: Written.
        every_s: Between two questions, seconds.
    """

    def __init__(
        self,
        enclave: EnclaveHealth,
        definitions: Callable[[], Iterable[FeedDefinition]],
        *,
        state: NodeState,
        problems: Problems,
        every_s: float = EVERY_S,
    ) -> None:
        self._enclave = enclave
        self._definitions = definitions
        self._state = state
        self._problems = problems
        self._every_s = every_s
        self._failing: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Ask until cancelled; what an enclave said ends with it.

        Raises:
            EnclaveLost: It does not answer.
        """
        try:
            while True:
                await asyncio.sleep(self._every_s)
                self.note((await self._enclave.health()).sources)
        finally:
            self.note(())

    def note(self, sources: Iterable[SourceHealth]) -> None:
        """Take over what the enclave says now."""
        wanted = {
            host if port == HTTPS_PORT else f"{host}:{port}"
            for host, port in targets(self._definitions())
        }
        self._state.sources = tuple(source for source in sources if source.host in wanted)
        failing = [source.host for source in self._state.sources if source.state != _CLOSED]
        for host in sorted(self._failing - set(failing)):
            log.info("source_not_left_alone_any_more", host=host)
        self._failing = frozenset(failing)
        if failing:
            line = f"sources fail, are left alone and probed now and then: {', '.join(failing)}"
            self._problems.notice(AREA, line)
        else:
            self._problems.drop_notice(AREA)
