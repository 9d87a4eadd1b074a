"""Transactions: journaled before they are sent, one nonce owner, fees under a cap.

Whatever a send answers, the transaction may have been accepted: only a receipt, or a nonce that
another transaction used, ends it. Sending the same bytes again is always safe. The states and what
leads from one to the other: `oracle.chain.states`.
"""

import asyncio
from typing import Any, Final

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi
from oracle.chain.base import Call, Receipt
from oracle.chain.budget import GasBudget
from oracle.chain.delivery import Delivery, SubmitterStats
from oracle.chain.fees import FeePolicy
from oracle.chain.forms import Form, Slot
from oracle.chain.keys import SubmitterKey
from oracle.chain.lookback import Lookback
from oracle.chain.outbox import Outbox, Wanted
from oracle.chain.pending import TransactionJournal
from oracle.chain.preflight import MAX_GAS, Preflight
from oracle.chain.rpc import Rpc
from oracle.chain.sender import SenderView
from oracle.chain.states import USED, TransactionState

__all__ = ["MAX_GAS", "EvmSubmitter", "FeePolicy", "SubmitterStats"]

log = structlog.get_logger(__name__)

#: Gas of a transfer of nothing, which fills a nonce that a reorganisation left free.
_FILLER_GAS: Final = 21_000
_FILLER: Final = "fill_nonce"


class EvmSubmitter:
    """The only sender of one account on one chain; one transaction at a time."""

    def __init__(
        self,
        rpc: Rpc,
        journal: TransactionJournal,
        key: SubmitterKey,
        policy: FeePolicy,
        errors: ContractAbi,
        *,
        relay: Rpc | None = None,
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            rpc: Endpoints of the chain.
            journal: Where transactions are written before they are sent.
            key: Of the account.
            policy: Bounds of what is paid.
            errors: Names of the contracts' errors.
            relay: Where transactions are sent, and nowhere else, until one is overdue.
        """
        self._rpc = rpc
        self._journal = journal
        self._key = key
        self._policy = policy
        self._view = SenderView(rpc, key.address)
        self._budget = GasBudget(
            journal, policy.daily_budget_wei, chain_id=rpc.chain_id, submitter=key.address
        )
        self._preflight = Preflight(
            rpc, policy, errors, key.address, view=self._view, budget=self._budget
        )
        self._lookback = Lookback(self._view, journal, chain_id=rpc.chain_id, submitter=key.address)
        self._outbox = Outbox()
        self._turn = asyncio.Lock()
        self._delivery = Delivery(
            rpc.chain_id,
            journal,
            key,
            policy,
            view=self._view,
            preflight=self._preflight,
            outbox=self._outbox,
            relay=None if relay is None else SenderView(relay, key.address),
        )
        self.stats = self._delivery.stats

    @property
    def is_stuck(self) -> bool:
        """Whether a transaction is overdue: a newer report may take its place."""
        return self._delivery.is_late

    @property
    def address(self) -> str:
        """The account, in EIP-55 spelling."""
        return self._key.address

    async def budget_left_wei(self) -> int | None:
        """What is left of the daily budget; `None` without one."""
        return await self._budget.left_wei()

    async def send(self, call: Call) -> Receipt:
        """Send a call and wait until the chain says how it ended.

        Waits without a limit once the transaction is journaled: its nonce is taken until then.
        Cancelling leaves it in the journal, and `resume` goes on with it. What the receipt says
        may be undone by a reorganisation; the transaction is then sent again.

        A newer call supersedes an older one of the same kind that answers no feed more: one that
        was not sent is dropped, one that is stuck is replaced under its nonce.

        Raises:
            CallReverted: The chain refuses it; known before anything was sent, or mined as such.
            Superseded: A newer call was sent, or mined, instead.
            ChainError: Not sent: no endpoint, fee above the cap, too little on the account or left
                of the daily budget. Or its nonce was used by somebody else with this key.
        """
        wanted = self._outbox.add(call)
        try:
            while not wanted.is_done:
                async with self._turn:
                    if not wanted.is_done:
                        await self._work_for(wanted)
        finally:
            self._outbox.remove(wanted)
        return wanted.result()

    async def resume(self, *, retry_s: float = 1.0) -> None:
        """Finish what an earlier run left, and send again what the chain has lost since.

        Args:
            retry_s: Pause while no endpoint answers.
        """
        is_done = await self._work_off()
        while not is_done:
            await asyncio.sleep(retry_s)
            is_done = await self._work_off()

    async def keep(self, pause_s: float) -> None:
        """Do as `resume` again and again, until cancelled.

        Args:
            pause_s: Time between two looks at the chain.
        """
        while True:
            await self.resume()
            await asyncio.sleep(pause_s)

    async def _work_off(self) -> bool:
        """Work until nothing is open; false if the chain does not answer."""
        try:
            while True:
                async with self._turn:
                    if not await self._has_history():
                        return True
                    slots, _ = await self._open_slots()
                    if not slots:
                        return True
                    log.info("transaction_resumed", nonce=slots[0].nonce)
                    await self._delivery.complete(slots)
        except ChainError as error:
            log.warning("resume_waits", error=str(error))
            return False

    async def _has_history(self) -> bool:
        """Whether the journal holds anything that the chain may have lost."""
        return (
            await self._journal.next_nonce(
                chain_id=self._rpc.chain_id, submitter=self.address, states=tuple(TransactionState)
            )
            > 0
        )

    async def _work_for(self, wanted: Wanted) -> None:
        """Do the next piece of work, whosever it is; a failure is this caller's if nothing went."""
        try:
            await self._work(wanted)
        except ChainError as error:
            if not wanted.hashes:
                wanted.error = error
                return
            log.debug("work_waits", error=str(error))
            await asyncio.sleep(self._policy.receipt_poll_s)

    async def _work(self, own: Wanted) -> None:
        slots, count = await self._open_slots()
        if slots:
            await self._delivery.complete(slots)
            return
        wanted = self._outbox.next() or own
        try:
            slot = await self._begin(wanted, count)
        except ChainError as error:
            wanted.error = error
            return
        await self._delivery.complete([slot])

    async def _open_slots(self) -> tuple[list[Slot], int]:
        """What is open, by nonce and without gaps; and the account's next nonce."""
        count = await self._view.count()
        await self._lookback.look(count)
        self.stats.reopened = self._lookback.reopened
        who: Any = {"chain_id": self._rpc.chain_id, "submitter": self.address}
        found = await self._journal.find(**who, states=(TransactionState.PENDING,))
        slots = [Slot(each.id, each.nonce, list(each.attempts)) for each in found]
        if slots:
            gap = range(count, slots[0].nonce)
            return [*[await self._fill(nonce) for nonce in gap], *slots], count
        known = await self._journal.next_nonce(**who, states=USED)
        if count < known:
            raise ChainError(f"nonce {count} is behind the journal's {known}; the endpoint lags")
        return [], count

    async def _fill(self, nonce: int) -> Slot:
        """A transfer of nothing, where somebody else's transaction was before a reorganisation."""
        fees = await self._preflight.fees(await self._view.head())
        log.warning("nonce_filled", nonce=nonce)
        call = Call(_FILLER, self.address, b"")
        return await self._write(self._delivery.sign(call, nonce, _FILLER_GAS, fees), nonce)

    async def _begin(self, wanted: Wanted, nonce: int) -> Slot:
        """Write the intent; nothing is sent yet."""
        wanted.hashes.clear()
        offer = await self._preflight.offer(wanted.call)
        if wanted.error is not None:
            raise wanted.error
        form = self._delivery.sign(wanted.call, nonce, offer.gas, offer.fees)
        # Before the journal: whoever is cancelled meanwhile, the form has its owner.
        wanted.hashes.add(form["hash_"])
        return await self._write(form, nonce)

    async def _write(self, form: Form, nonce: int) -> Slot:
        begun = await self._journal.begin(
            chain_id=self._rpc.chain_id, submitter=self.address, nonce=nonce, **form
        )
        return Slot(begun.id, begun.nonce, list(begun.attempts))
