"""Says in time that the daily gas budget runs out."""

import asyncio
from typing import Final, Protocol

from oracle.daemon.problems import Problems
from oracle.telemetry.state import ChainState

AREA: Final = "budget"
#: Share of the budget, one in so many, below which an operator should know.
_SHARE: Final = 5


class Spender(Protocol):
    """Whose fees are bounded; see `EvmSubmitter`."""

    async def budget_left_wei(self) -> int | None:
        """What is left of the daily budget; `None` without one."""
        ...


async def watch_budget(
    spender: Spender,
    daily_wei: int | None,
    *,
    state: ChainState,
    problems: Problems,
    look_s: float = 15.0,
) -> None:
    """Write what is left into the state, and raise the alarm while it is little, until cancelled.

    Args:
        spender: Whose fees.
        daily_wei: The budget; without one there is nothing to do.
        state: Written.
        problems: Written.
        look_s: Time between two looks.

    Raises:
        JournalError: The journal cannot be read.
    """
    while daily_wei is not None:
        left = await spender.budget_left_wei()
        state.budget_left_wei = left
        if left is not None and left * _SHARE <= daily_wei:
            problems.alarm(AREA, "less than a fifth of gas.daily_budget_gwei is left for 24 hours")
        else:
            problems.drop_notice(AREA)
        await asyncio.sleep(look_s)
