"""Transactions: journaled before they are sent, one nonce owner, fees under a cap.

Whatever a send answers, the transaction may have been accepted: only a receipt, or a nonce that
another transaction used, ends it. Sending the same bytes again is always safe. The states and what
leads from one to the other: `oracle.chain.states`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi
from oracle.chain.base import Call, CallReverted, Receipt
from oracle.chain.fees import FeePolicy, Fees, raised
from oracle.chain.forms import Form, Slot, sign_form
from oracle.chain.keys import SubmitterKey
from oracle.chain.lookback import Lookback
from oracle.chain.outbox import Outbox, Wanted
from oracle.chain.pending import SignedForm, TransactionJournal
from oracle.chain.preflight import MAX_GAS, Preflight
from oracle.chain.rpc import Rpc
from oracle.chain.sender import SenderView
from oracle.chain.states import USED, TransactionState, follow

__all__ = ["MAX_GAS", "EvmSubmitter", "FeePolicy", "SubmitterStats"]

log = structlog.get_logger(__name__)

#: How often a nonce must be seen used by no transaction of ours before it counts as taken.
_FOREIGN_SIGHTINGS: Final = 5
#: Gas of a transfer of nothing, which fills a nonce that a reorganisation left free.
_FILLER_GAS: Final = 21_000
_FILLER: Final = "fill_nonce"
_RETRY_S: Final = 1.0


@dataclass(slots=True)
class SubmitterStats:
    """What was sent since the start; read by metrics."""

    sent: int = 0
    mined: int = 0
    reverted: int = 0
    replaced: int = 0
    bumped: int = 0
    dropped: int = 0
    reopened: int = 0
    gas_used: int = 0
    spent_wei: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class _Wait:
    """What was seen while waiting for a transaction's end."""

    deadline: float
    height: int = 0
    sightings: int = 0


class EvmSubmitter:
    """The only sender of one account on one chain; one transaction at a time."""

    def __init__(
        self,
        rpc: Rpc,
        journal: TransactionJournal,
        key: SubmitterKey,
        policy: FeePolicy,
        errors: ContractAbi,
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            rpc: Endpoints of the chain.
            journal: Where transactions are written before they are sent.
            key: Of the account.
            policy: Bounds of what is paid.
            errors: Names of the contracts' errors.
        """
        self.stats = SubmitterStats()
        self._rpc = rpc
        self._journal = journal
        self._key = key
        self._policy = policy
        self._view = SenderView(rpc, key.address)
        self._preflight = Preflight(rpc, self._view, policy, errors, key.address)
        self._lookback = Lookback(self._view, journal, chain_id=rpc.chain_id, submitter=key.address)
        self._outbox = Outbox()
        self._turn = asyncio.Lock()

    @property
    def address(self) -> str:
        """The account, in EIP-55 spelling."""
        return self._key.address

    async def send(self, call: Call) -> Receipt:
        """Send a call and wait until the chain says how it ended.

        Waits without a limit once the transaction is journaled: its nonce is taken until then.
        Cancelling leaves it in the journal, and `resume` goes on with it. What the receipt says
        may be undone by a reorganisation; the transaction is then sent again.

        Raises:
            CallReverted: The chain refuses it; known before anything was sent, or mined as such.
            ChainError: Not sent: no endpoint, fee above the cap, or too little on the account. Or
                its nonce was used by somebody else with this key.
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

    async def resume(self) -> None:
        """Finish what an earlier run left, and send again what the chain has lost since."""
        is_done = await self._work_off()
        while not is_done:
            await asyncio.sleep(_RETRY_S)
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
                    await self._complete(slots)
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
            await self._work()
        except ChainError as error:
            if not wanted.hashes:
                wanted.error = error
                return
            log.debug("work_waits", error=str(error))
            await asyncio.sleep(self._policy.receipt_poll_s)

    async def _work(self) -> None:
        slots, count = await self._open_slots()
        if slots:
            await self._complete(slots)
            return
        wanted = self._outbox.next()
        if wanted is None:
            return
        try:
            slot = await self._begin(wanted, count)
        except ChainError as error:
            wanted.error = error
            return
        await self._complete([slot])

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
        fees = await self._preflight.fees()
        log.warning("nonce_filled", nonce=nonce)
        call = Call(_FILLER, self.address, b"")
        return await self._write(self._sign(call, nonce, _FILLER_GAS, fees), nonce)

    async def _begin(self, wanted: Wanted, nonce: int) -> Slot:
        """Write the intent; nothing is sent yet."""
        wanted.hashes.clear()
        offer = await self._preflight.offer(wanted.call)
        form = self._sign(wanted.call, nonce, offer.gas, offer.fees)
        # Before the journal: whoever is cancelled meanwhile, the form has its owner.
        wanted.hashes.add(form["hash_"])
        return await self._write(form, nonce)

    async def _write(self, form: Form, nonce: int) -> Slot:
        begun = await self._journal.begin(
            chain_id=self._rpc.chain_id, submitter=self.address, nonce=nonce, **form
        )
        return Slot(begun.id, begun.nonce, list(begun.attempts))

    async def _complete(self, slots: Sequence[Slot]) -> None:
        """Send all that is open, and wait for the end of the first."""
        self.stats.in_flight = len(slots)
        try:
            for slot in slots:
                await self._broadcast(slot)
            await self._follow(slots[0])
        finally:
            self.stats.in_flight = 0

    async def _follow(self, slot: Slot) -> None:
        """Send until there is a receipt for any form, or something below it is open again."""
        loop = asyncio.get_running_loop()
        wait = _Wait(loop.time() + self._policy.confirm_timeout_s)
        while True:
            await asyncio.sleep(self._policy.receipt_poll_s)
            try:
                # In this order: a nonce that is used without a receipt is somebody else's.
                receipt = await self._view.receipt(reversed(slot.forms))
                count = await self._view.count()
            except ChainError as error:
                # Nothing is known; the pool has logged the endpoints and rests them.
                log.debug("receipt_unknown", error=str(error))
                continue
            if receipt is not None:
                await self._finish(slot, receipt)
                return
            if count < slot.nonce:
                return
            wait.sightings = wait.sightings + 1 if count > slot.nonce else 0
            if wait.sightings >= _FOREIGN_SIGHTINGS:
                await self._give_up(slot)
                return
            if not wait.sightings:
                await self._nudge(slot, wait)

    async def _nudge(self, slot: Slot, wait: _Wait) -> None:
        """Send again what was dropped, and for more what is stuck."""
        now = asyncio.get_running_loop().time()
        try:
            if now >= wait.deadline:
                wait.deadline = now + self._policy.confirm_timeout_s
                await self._push(slot)
                return
            height = await self._view.height()
            is_news, wait.height = height != wait.height, height
            if is_news and not await self._view.knows(slot.newest):
                self.stats.dropped += 1
                await self._broadcast(slot)
        except ChainError as error:
            log.debug("nudge_failed", error=str(error))

    async def _broadcast(self, slot: Slot) -> None:
        self.stats.sent += 1
        await self._view.broadcast(slot.newest)

    async def _push(self, slot: Slot) -> None:
        """Send again, for a higher fee if cap and funds allow; journaled first."""
        last = slot.newest
        fees = raised(Fees(last.max_fee_wei, last.max_priority_fee_wei), self._policy)
        if fees is None:
            self._stuck(last, "gas.max_fee_gwei reached")
        elif await self._can_pay(last, fees):
            call = Call(last.purpose, last.target, last.data, last.feeds)
            await self._add_form(slot, self._sign(call, slot.nonce, last.gas, fees))
            self.stats.bumped += 1
            log.info("transaction_bumped", purpose=last.purpose, max_fee_wei=fees.max_fee_wei)
        await self._broadcast(slot)

    async def _can_pay(self, form: SignedForm, fees: Fees) -> bool:
        try:
            await self._preflight.check_funds(form.gas, fees)
        except ChainError as error:
            self._stuck(form, str(error))
            return False
        return True

    def _stuck(self, form: SignedForm, reason: str) -> None:
        log.warning("transaction_stuck", purpose=form.purpose, reason=reason)

    async def _add_form(self, slot: Slot, form: Form) -> None:
        self._outbox.inherit(slot.newest.hash, form["hash_"])
        slot.forms.append(await self._journal.add_attempt(slot.id, **form))

    async def _finish(self, slot: Slot, receipt: Receipt) -> None:
        mined = next(form for form in slot.forms if form.hash == receipt.hash)
        state, reason, name = TransactionState.MINED, "", ""
        if not receipt.is_success:
            call = Call(mined.purpose, mined.target, mined.data)
            reason, name = await self._preflight.revert_reason(call, receipt.block)
            state = TransactionState.REVERTED
        await self._journal.finish(
            slot.id,
            follow(TransactionState.PENDING, state),
            hash_=receipt.hash,
            block=receipt.block,
            block_hash=receipt.block_hash,
            gas_used=receipt.gas_used,
            gas_price_wei=receipt.gas_price_wei,
            note=reason,
        )
        self.stats.gas_used += receipt.gas_used
        self.stats.spent_wei += receipt.gas_used * receipt.gas_price_wei
        if receipt.is_success:
            self.stats.mined += 1
            self._outbox.end(slot.hashes, receipt, mined.hash)
            return
        self.stats.reverted += 1
        text = f"{mined.purpose} 0x{receipt.hash.hex()} was mined, but {reason}"
        self._lost(slot, CallReverted(text, name=name), mined)

    async def _give_up(self, slot: Slot) -> None:
        """Somebody else used the nonce."""
        self.stats.replaced += 1
        note = f"nonce {slot.nonce} was used by a transaction of someone else with this key"
        state = follow(TransactionState.PENDING, TransactionState.REPLACED)
        height = await self._height()
        await self._journal.finish(slot.id, state, block=height, note=note)
        self._lost(slot, ChainError(f"{slot.newest.purpose}: {note}"), slot.newest)

    async def _height(self) -> int | None:
        try:
            return await self._view.height()
        except ChainError:
            return None

    def _lost(self, slot: Slot, error: ChainError, form: SignedForm) -> None:
        """Its end is in the journal; say it if nobody waits for it."""
        if not self._outbox.end(slot.hashes, error, form.hash):
            log.warning("transaction_lost", purpose=form.purpose, error=str(error))

    def _sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> Form:
        return sign_form(
            self._key, call, chain_id=self._rpc.chain_id, nonce=nonce, gas=gas, fees=fees
        )
