"""From a journaled transaction to its end: sent, sent again, raised, replaced, until it is over."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.base import Block, Call, CallReverted, Receipt
from oracle.chain.fees import FeeAboveCap, FeePolicy, Fees, is_priced_out, raised
from oracle.chain.forms import Form, Slot, sign_form
from oracle.chain.keys import SubmitterKey
from oracle.chain.outbox import Outbox, Wanted
from oracle.chain.pending import SignedForm, TransactionJournal
from oracle.chain.preflight import Preflight
from oracle.chain.rpc import RpcDisagreement
from oracle.chain.sender import SenderView
from oracle.chain.states import TransactionState, follow

log = structlog.get_logger(__name__)

#: How often a nonce must be seen used by no transaction of ours before it counts as taken.
_FOREIGN_SIGHTINGS: Final = 5
#: As often, while endpoints contradict each other about a receipt: whoever denies one for good
#: may cost a caller its answer, but must not stop what is sent next.
_DISPUTED_SIGHTINGS: Final = 50


@dataclass(slots=True)
class SubmitterStats:
    """What was sent since the start; read by metrics."""

    sent: int = 0
    mined: int = 0
    reverted: int = 0
    replaced: int = 0
    bumped: int = 0
    superseded: int = 0
    dropped: int = 0
    reopened: int = 0
    gas_used: int = 0
    spent_wei: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class _Wait:
    """What was seen while waiting for a transaction's end."""

    deadline: float
    height: int = -1
    sightings: int = 0
    disputes: int = 0

    def is_foreign(self, *, is_used: bool, is_disputed: bool) -> bool:
        """Whether the nonce was seen used without a receipt so often that it counts as taken."""
        self.sightings = self.sightings + (not is_disputed) if is_used else 0
        self.disputes = self.disputes + is_disputed if is_used else 0
        return self.sightings >= _FOREIGN_SIGHTINGS or self.disputes >= _DISPUTED_SIGHTINGS


class Delivery:
    """Brings open transactions of one account to their ends.

    Attributes:
        stats: What was sent.
        is_late: Whether the transaction in hand is overdue.
    """

    def __init__(
        self,
        chain_id: int,
        journal: TransactionJournal,
        key: SubmitterKey,
        policy: FeePolicy,
        *,
        view: SenderView,
        preflight: Preflight,
        outbox: Outbox,
        relay: SenderView | None,
    ) -> None:
        """Set up.

        Args:
            chain_id: EIP-155 chain id.
            journal: Where every form is written before it is sent.
            key: Of the account.
            policy: Bounds of what is paid.
            view: What the account asks and sends.
            preflight: Whether a newer call may be sent.
            outbox: Who waits for what.
            relay: Where transactions go first; `None` without one.
        """
        self.stats = SubmitterStats()
        self.is_late = False
        self._chain_id = chain_id
        self._journal = journal
        self._key = key
        self._policy = policy
        self._view = view
        self._preflight = preflight
        self._outbox = outbox
        self._relay = relay
        self._obstacle = ""

    def sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> Form:
        """Sign a call for this account and chain; nothing is written or sent."""
        return sign_form(self._key, call, chain_id=self._chain_id, nonce=nonce, gas=gas, fees=fees)

    async def complete(self, slots: Sequence[Slot]) -> None:
        """Send all that is open, and wait for the end of the first."""
        self.stats.in_flight = len(slots)
        try:
            for slot in slots:
                await self._broadcast(slot)
            await self._follow(slots[0])
        finally:
            self.stats.in_flight = 0
            self.is_late, self._obstacle = False, ""

    async def _follow(self, slot: Slot) -> None:
        """Send until there is a receipt for any form, or something below it is open again."""
        loop = asyncio.get_running_loop()
        wait = _Wait(loop.time() + self._policy.confirm_timeout_s)
        while True:
            await asyncio.sleep(self._policy.receipt_poll_s)
            try:
                # In this order: a nonce that is used without a receipt is somebody else's.
                receipt, is_disputed = await self._receipt(slot)
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
            is_used = count > slot.nonce
            if wait.is_foreign(is_used=is_used, is_disputed=is_disputed):
                await self._give_up(slot)
                return
            if not is_used:
                await self._nudge(slot, wait)

    async def _receipt(self, slot: Slot) -> tuple[Receipt | None, bool]:
        """Its receipt, and whether endpoints contradict each other about one.

        A disputed one says little of who used the nonce, and does not keep the transaction from
        being sent again.
        """
        try:
            return await self._view.receipt(reversed(slot.forms)), False
        except RpcDisagreement:
            return None, True

    async def _nudge(self, slot: Slot, wait: _Wait) -> None:
        """Send again what was dropped, and for more what is stuck."""
        now = asyncio.get_running_loop().time()
        try:
            head = await self._view.head()
            is_news = head.number != wait.height
            is_due = now >= wait.deadline or self._has_heir(slot)
            is_out = is_priced_out(slot.newest.max_fee_wei, head)
            self.is_late = self.is_late or is_due or is_out
            if is_due or (is_news and is_out):
                wait.deadline = now + self._policy.confirm_timeout_s
                await self._push(slot, head)
            elif is_news and not await self._is_known(slot):
                await self._broadcast(slot)
            wait.height = head.number
        except ChainError as error:
            log.debug("nudge_failed", error=str(error))

    def _has_heir(self, slot: Slot) -> bool:
        """Whether nobody waits for it, as after a restart, and a newer call supersedes it."""
        is_orphan = not self._outbox.is_awaited(slot.newest.hash)
        return is_orphan and self._outbox.successor(slot.call) is not None

    async def _is_known(self, slot: Slot) -> bool:
        """Whether a pool has it; of one that only the relay has, nobody else can know."""
        if self._relay is not None and not self.is_late:
            return False
        is_known = await self._view.knows(slot.newest)
        self.stats.dropped += not is_known
        return is_known

    async def _broadcast(self, slot: Slot) -> None:
        """To the private relay alone while there is one and it is in time; then to everybody."""
        self.stats.sent += 1
        if self._relay is not None:
            await self._relay.broadcast(slot.newest)
        if self._relay is None or self.is_late:
            await self._view.broadcast(slot.newest)

    async def _push(self, slot: Slot, head: Block) -> None:
        """Send again, for a higher fee or as the newer call, if cap and funds allow."""
        last, heir = slot.newest, self._outbox.successor(slot.call)
        fees = await self._raised(last, head)
        if fees is None:
            self._stuck(last.purpose, "gas.max_fee_gwei reached")
        elif heir is None or not await self._supersede(slot, heir, fees):
            await self._bump(slot, fees)
        await self._broadcast(slot)

    async def _raised(self, last: SignedForm, head: Block) -> Fees | None:
        try:
            fresh = await self._preflight.fees(head)
        except FeeAboveCap:
            return None
        return raised(Fees(last.max_fee_wei, last.max_priority_fee_wei), fresh, self._policy)

    async def _bump(self, slot: Slot, fees: Fees) -> None:
        last = slot.newest
        gas = await self._preflight.gas_again(slot.call, last.gas)
        if not await self._can_pay(last.purpose, gas, fees):
            return
        form = self.sign(slot.call, slot.nonce, gas, fees)
        self._outbox.inherit(last.hash, form["hash_"])
        await self._add_form(slot, form)
        self.stats.bumped += 1
        log.info("transaction_bumped", purpose=last.purpose, max_fee_wei=fees.max_fee_wei)

    async def _supersede(self, slot: Slot, heir: Wanted, fees: Fees) -> bool:
        """Put a newer call under the nonce of an older one; false if the older one stays."""
        try:
            gas = max(slot.newest.gas, await self._preflight.gas(heir.call))
        except CallReverted as error:
            heir.error = error
            return False
        if not await self._can_pay(heir.call.purpose, gas, fees) or heir.is_done:
            return False
        form = self.sign(heir.call, slot.nonce, gas, fees)
        heir.hashes.add(form["hash_"])
        await self._add_form(slot, form)
        self.stats.superseded += 1
        log.info("transaction_superseded", purpose=heir.call.purpose, nonce=slot.nonce)
        return True

    async def _can_pay(self, purpose: str, gas: int, fees: Fees) -> bool:
        try:
            await self._preflight.check_funds(gas, fees)
        except ChainError as error:
            self._stuck(purpose, str(error))
            return False
        return True

    def _stuck(self, purpose: str, reason: str) -> None:
        """Say why a fee is not raised, once for each reason."""
        if self._obstacle != reason:
            self._obstacle = reason
            log.warning("transaction_stuck", purpose=purpose, reason=reason)

    async def _add_form(self, slot: Slot, form: Form) -> None:
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
