"""Keeps the chain's collateral fresh in the background, and raises the alarm before it ends."""

import asyncio
from collections.abc import Callable

import structlog

from enclave.domain.errors import AttestationError, ChainError
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.collateral.keeper import CollateralKeeper, Stock
from oracle.daemon.problems import Problems
from oracle.telemetry.state import ChainState

log = structlog.get_logger(__name__)

_DAY_S = 86_400
_RETRY_S = 5.0
_RETRY_MAX_S = 300.0
#: Areas of notices.
_SOURCE, _ENDS = "collateral source", "collateral"


class CollateralWatch:
    """Refreshes, and says how long what the chain keeps will last; rounds do not wait for it."""

    def __init__(
        self,
        keeper: CollateralKeeper,
        *,
        state: ChainState,
        problems: Problems,
        refresh_s: float,
        warn_before_s: float,
        clock: Callable[[], float],
        retry_s: float = _RETRY_S,
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            keeper: Brings what the chain lacks.
            state: Written.
            problems: Written.
            refresh_s: How often the source is asked.
            warn_before_s: How long before the end of a document the alarm is raised.
            clock: Seconds since the epoch.
            retry_s: First pause after a failure; doubles up to five minutes, or `refresh_s`.
        """
        self._keeper = keeper
        self._state = state
        self._problems = problems
        self._refresh_s = refresh_s
        self._warn_before_s = warn_before_s
        self._clock = clock
        self._retry_s = retry_s

    async def keep(self) -> None:
        """Refresh until cancelled, from the first quote on."""
        await self._keeper.wait_for_platform()
        pause_s = self._retry_s
        while True:
            try:
                # A registration has just done it; what it brought need not be asked for again.
                await self._keeper.refresh(max_age_s=self._refresh_s / 2)
            except (ChainError, AttestationError, CollateralUnavailable) as error:
                self._problems.notice(_SOURCE, f"collateral is not refreshed: {error}")
                self._note()
                await asyncio.sleep(min(pause_s, self._refresh_s))
                pause_s = min(_RETRY_MAX_S, 2 * pause_s)
                continue
            pause_s = self._retry_s
            self._problems.drop_notice(_SOURCE)
            self._note()
            await asyncio.sleep(self._refresh_s)

    def _note(self) -> None:
        """Say until when each document can be used."""
        stock = self._keeper.stock
        if stock is None:
            return
        self._state.collateral = {
            each.title: 0 if stock.fault(each) else stock.state.of(each).valid_until
            for each in stock.documents
        }
        lines = self._faults(stock)
        if lines:
            self._problems.alarm(_ENDS, f"collateral on the chain: {'; '.join(lines)}")
        else:
            self._problems.drop_notice(_ENDS)

    def _faults(self, stock: Stock) -> list[str]:
        # A chain's clock may be ahead of this host's.
        now, lines = max(self._clock(), stock.state.now), []
        for document in stock.documents:
            fault, left_s = stock.fault(document), stock.state.of(document).valid_until - now
            if fault or left_s < self._warn_before_s:
                days = f"ends in {max(0.0, left_s) / _DAY_S:.1f} days"
                lines.append(f"{document.title}: {fault or days}")
        return lines
