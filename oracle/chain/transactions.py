"""Transactions: journaled before they are sent, one nonce owner, fees under a cap.

Whatever a send answers, the transaction may have been accepted: only a receipt, or a nonce that
another transaction used, ends it. Sending the same bytes again is always safe.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi, decode_revert, revert_name
from oracle.chain.base import Block, Call, CallReverted, Receipt
from oracle.chain.keys import SubmitterKey
from oracle.chain.parsing import parse_block, parse_receipt
from oracle.chain.pending import PendingTransaction, SignedForm, TransactionJournal
from oracle.chain.rpc import Rpc, RpcRefused, quantity

log = structlog.get_logger(__name__)

#: Largest gas limit of one transaction (EIP-7825).
MAX_GAS = 16_777_216
#: How often a nonce must be seen used by no transaction of ours before it counts as taken.
_FOREIGN_SIGHTINGS = 5
_REVERT_CODE = 3


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Bounds of what is paid.

    Attributes:
        max_fee_wei: Highest fee of a unit of gas, never exceeded.
        max_priority_fee_wei: Tip of the first attempt.
        bump_percent: Raise of a replacement; nodes want at least 10.
        confirm_timeout_s: Wait before a replacement.
        receipt_poll_s: Time between two questions for a receipt.
    """

    max_fee_wei: int
    max_priority_fee_wei: int
    bump_percent: int
    confirm_timeout_s: float
    receipt_poll_s: float


@dataclass(slots=True)
class SubmitterStats:
    """What was sent since the start; read by metrics."""

    sent: int = 0
    mined: int = 0
    reverted: int = 0
    replaced: int = 0
    bumped: int = 0
    gas_used: int = 0
    spent_wei: int = 0
    in_flight: int = 0


class _Signed(TypedDict):
    hash_: bytes
    raw: bytes
    max_fee_wei: int
    max_priority_fee_wei: int


class EvmSubmitter:
    """The only sender of one account on one chain."""

    def __init__(
        self,
        rpc: Rpc,
        journal: TransactionJournal,
        key: SubmitterKey,
        policy: FeePolicy,
        errors: ContractAbi,
    ) -> None:
        self.stats = SubmitterStats()
        self._rpc = rpc
        self._journal = journal
        self._key = key
        self._policy = policy
        self._errors = errors
        self._turn = asyncio.Lock()

    @property
    def address(self) -> str:
        """The account, in EIP-55 spelling."""
        return self._key.address

    async def send(self, call: Call) -> Receipt:
        """Send a call and wait until the chain says how it ended.

        Waits without a limit once the transaction is journaled: its nonce is taken until then.
        Cancelling leaves it in the journal, and `resume` goes on with it.

        Raises:
            CallReverted: The chain refuses it; known before anything was sent, or mined as such.
            ChainError: Not sent: no endpoint, fee above the cap, or too little on the account.
        """
        async with self._turn:
            await self._resume()
            gas = await self._estimate(call)
            max_fee, tip = self._fees(await self._head())
            await self._check_balance(gas * max_fee)
            nonce = await self._next_nonce()
            transaction = await self._journal.begin(
                chain_id=self._rpc.chain_id,
                submitter=self.address,
                nonce=nonce,
                purpose=call.purpose,
                target=call.target,
                data=call.data,
                gas=gas,
                **self._sign(call.target, call.data, nonce, gas, max_fee, tip),
            )
            return await self._complete(transaction)

    async def resume(self) -> None:
        """Finish what an earlier run left in the journal."""
        async with self._turn:
            await self._resume()

    async def _resume(self) -> None:
        pending = await self._journal.pending(chain_id=self._rpc.chain_id, submitter=self.address)
        for transaction in pending:
            log.info("transaction_resumed", purpose=transaction.purpose, nonce=transaction.nonce)
            try:
                await self._complete(transaction)
            except ChainError as error:
                # Its end is in the journal; who wanted it is gone.
                log.warning("transaction_lost", purpose=transaction.purpose, error=str(error))

    async def _complete(self, transaction: PendingTransaction) -> Receipt:
        """Send until there is a receipt for any attempt."""
        attempts = list(transaction.attempts)
        self.stats.in_flight = 1
        loop = asyncio.get_running_loop()
        try:
            await self._broadcast(transaction, attempts[-1])
            deadline, sightings = loop.time() + self._policy.confirm_timeout_s, 0
            while True:
                await asyncio.sleep(self._policy.receipt_poll_s)
                try:
                    receipt = await self._find_receipt(transaction, attempts)
                    is_used = receipt is None and await self._is_nonce_used(transaction)
                except ChainError as error:
                    # Nothing is known; the pool has logged the endpoints and rests them.
                    log.debug("receipt_unknown", error=str(error))
                    continue
                if receipt is not None:
                    return await self._finish(transaction, receipt)
                sightings = sightings + 1 if is_used else 0
                if sightings >= _FOREIGN_SIGHTINGS:
                    await self._give_up(transaction)
                if loop.time() >= deadline:
                    deadline = loop.time() + self._policy.confirm_timeout_s
                    await self._push(transaction, attempts)
        finally:
            self.stats.in_flight = 0

    async def _broadcast(self, transaction: PendingTransaction, attempt: SignedForm) -> None:
        """Send bytes; an error tells nothing, so none is raised."""
        self.stats.sent += 1
        try:
            await self._rpc.request("eth_sendRawTransaction", ["0x" + attempt.raw.hex()])
        except ChainError as error:
            log.warning(
                "send_unknown",
                purpose=transaction.purpose,
                tx="0x" + attempt.hash.hex(),
                error=str(error),
            )

    async def _push(self, transaction: PendingTransaction, attempts: list[SignedForm]) -> None:
        """Send again, for a higher fee if the cap allows; journaled first."""
        last = attempts[-1]
        factor = 100 + self._policy.bump_percent
        fee = -(-last.max_fee_wei * factor // 100)
        tip = min(fee, max(1, -(-last.max_priority_fee_wei * factor // 100)))
        if fee > self._policy.max_fee_wei:
            log.warning(
                "transaction_stuck", purpose=transaction.purpose, reason="gas.max_fee_gwei reached"
            )
            await self._broadcast(transaction, last)
            return
        signed = self._sign(
            transaction.target, transaction.data, transaction.nonce, transaction.gas, fee, tip
        )
        attempt = await self._journal.add_attempt(transaction.id, **signed)
        attempts.append(attempt)
        self.stats.bumped += 1
        log.info("transaction_bumped", purpose=transaction.purpose, max_fee_wei=fee)
        await self._broadcast(transaction, attempt)

    async def _find_receipt(
        self, transaction: PendingTransaction, attempts: Sequence[SignedForm]
    ) -> Receipt | None:
        for attempt in reversed(attempts):
            found = await self._rpc.request(
                "eth_getTransactionReceipt", ["0x" + attempt.hash.hex()]
            )
            if found is not None:
                return parse_receipt(found)
        return None

    async def _finish(self, transaction: PendingTransaction, receipt: Receipt) -> Receipt:
        reason, name = ("", "")
        if not receipt.is_success:
            reason, name = await self._revert_reason(transaction, receipt)
        await self._journal.finish(
            transaction.id,
            "mined" if receipt.is_success else "reverted",
            hash_=receipt.hash,
            block=receipt.block,
            gas_used=receipt.gas_used,
            gas_price_wei=receipt.gas_price_wei,
            note=reason,
        )
        self.stats.gas_used += receipt.gas_used
        self.stats.spent_wei += receipt.gas_used * receipt.gas_price_wei
        if receipt.is_success:
            self.stats.mined += 1
            return receipt
        self.stats.reverted += 1
        tx = "0x" + receipt.hash.hex()
        raise CallReverted(f"{transaction.purpose} {tx} was mined, but {reason}", name=name)

    async def _revert_reason(
        self, transaction: PendingTransaction, receipt: Receipt
    ) -> tuple[str, str]:
        """Why it reverted, by asking again at the end of its block; that may be another reason."""
        call = {"from": self.address, "to": transaction.target, "data": _hex(transaction.data)}
        try:
            await self._rpc.request("eth_call", [call, hex(receipt.block)])
        except RpcRefused as error:
            return decode_revert(self._errors, error.data), revert_name(self._errors, error.data)
        except ChainError:
            return "reverted, and the reason cannot be asked for", ""
        return "reverted for a reason that has passed", ""

    async def _give_up(self, transaction: PendingTransaction) -> None:
        self.stats.replaced += 1
        note = f"nonce {transaction.nonce} was used by a transaction of someone else with this key"
        await self._journal.finish(transaction.id, "replaced", note=note)
        raise ChainError(f"{transaction.purpose}: {note}")

    async def _is_nonce_used(self, transaction: PendingTransaction) -> bool:
        return await self._count() > transaction.nonce

    async def _next_nonce(self) -> int:
        """The account's next nonce; transactions that a reorganisation dropped are sent again."""
        known = await self._journal.next_nonce(chain_id=self._rpc.chain_id, submitter=self.address)
        count = await self._count()
        if count < known:
            await self._journal.reopen(
                chain_id=self._rpc.chain_id, submitter=self.address, from_nonce=count
            )
            await self._resume()
            count = await self._count()
        if count < known:
            raise ChainError(f"nonce {count} is behind the journal's {known}; the endpoint lags")
        return count

    async def _count(self) -> int:
        answer = await self._rpc.request("eth_getTransactionCount", [self.address, "latest"])
        return quantity(answer)

    async def _head(self) -> Block:
        return parse_block(await self._rpc.request("eth_getBlockByNumber", ["latest", False]))

    async def _estimate(self, call: Call) -> int:
        """Gas limit of a call, and whether it would revert, before anything is sent."""
        fields = {"from": self.address, "to": call.target, "data": _hex(call.data)}
        try:
            # In the context of the next block: a fresh report is from the future of the last one.
            answer = await self._rpc.request("eth_estimateGas", [fields, "pending"])
            units = quantity(answer)
        except RpcRefused as error:
            if not error.data and error.code != _REVERT_CODE:
                raise
            reason = decode_revert(self._errors, error.data)
            name = revert_name(self._errors, error.data)
            raise CallReverted(f"{call.purpose} refused: {reason}", name=name) from error
        return min(MAX_GAS, units * 5 // 4 + 10_000)

    def _fees(self, head: Block) -> tuple[int, int]:
        """Maximum fee and tip of the first attempt."""
        base, cap = head.base_fee_wei, self._policy.max_fee_wei
        if base is None:
            raise ChainError("the chain has no base fee (EIP-1559), which this version needs")
        if base > cap:
            raise ChainError(f"base fee is {base} wei, gas.max_fee_gwei allows {cap} wei")
        max_fee = min(cap, 2 * base + self._policy.max_priority_fee_wei)
        return max_fee, min(self._policy.max_priority_fee_wei, max_fee)

    async def _check_balance(self, wanted_wei: int) -> None:
        answer = await self._rpc.request("eth_getBalance", [self.address, "latest"])
        seen_wei = quantity(answer)
        if seen_wei < wanted_wei:
            raise ChainError(
                f"account {self.address} holds {seen_wei} wei, this transaction may take"
                f" {wanted_wei} wei: send funds to it"
            )

    def _sign(
        self, target: str, data: bytes, nonce: int, gas: int, max_fee: int, tip: int
    ) -> _Signed:
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._rpc.chain_id,
            "nonce": nonce,
            "to": target,
            "value": 0,
            "data": data,
            "gas": gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
            "accessList": [],
        }
        raw, hash_ = self._key.sign(fields)
        return _Signed(hash_=hash_, raw=raw, max_fee_wei=max_fee, max_priority_fee_wei=tip)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
