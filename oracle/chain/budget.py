"""How much an account may spend on gas within 24 hours."""

import time
from collections.abc import Callable
from typing import Final

from enclave.domain.errors import ChainError
from oracle.chain.pending import TransactionJournal

DAY_S: Final = 86_400


class BudgetSpent(ChainError):
    """What a transaction may take is more than what is left of the daily budget."""


class GasBudget:
    """A bound on the fees of everything the account sends; by the journal, so a restart is none.

    What other programs send with the account does not count.
    """

    def __init__(
        self,
        journal: TransactionJournal,
        daily_wei: int | None,
        *,
        chain_id: int,
        submitter: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Set up.

        Args:
            journal: Knows what was spent.
            daily_wei: Most within 24 hours; `None` is no bound.
            chain_id: Whose fees.
            submitter: Whose fees.
            clock: Seconds since the epoch. If it is set back, more counts as spent; never less.
        """
        self._journal = journal
        self._daily_wei = daily_wei
        self._chain_id = chain_id
        self._submitter = submitter
        self._clock = clock

    async def left_wei(self) -> int | None:
        """What is left for the 24 hours that end now; `None` without a bound."""
        if self._daily_wei is None:
            return None
        since = int(self._clock()) - DAY_S
        spent = await self._journal.spent_wei(
            chain_id=self._chain_id, submitter=self._submitter, since=since
        )
        return max(0, self._daily_wei - spent)

    async def check(self, wanted_wei: int) -> None:
        """Check that the worst case of a transaction stays within the bound.

        Raises:
            BudgetSpent: It does not.
        """
        left_wei = await self.left_wei()
        if left_wei is not None and wanted_wei > left_wei:
            raise BudgetSpent(
                f"{left_wei} wei of gas.daily_budget_gwei are left for these 24 hours, this"
                f" transaction may take {wanted_wei} wei"
            )
