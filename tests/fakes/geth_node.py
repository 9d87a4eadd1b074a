"""A node with geth's transaction pool in front of Anvil, whose own pool is much more lenient.

Anvil replaces a transaction for any raise of its fee, forgets what the base fee outgrew, and knows
no limit of queued nonces; geth does none of that. So this node keeps the pool itself, and Anvil
sees a transaction only in the moment in which the test has a block mined.

Reference:
    go-ethereum, `core/txpool/validation.go`, `core/txpool/legacypool/list.go` and
    `core/txpool/legacypool/legacypool.go` (DefaultConfig: price bump 10 %, account queue 64).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import rlp  # type: ignore[import-untyped]  # it ships no types
from eth_account import Account
from rlp.exceptions import RLPException  # type: ignore[import-untyped]  # it ships no types

from enclave.domain.report import keccak256
from oracle.devnet.anvil import Anvil

PRICE_BUMP_PERCENT = 10
ACCOUNT_QUEUE = 64
#: `MAX_TX_GAS` of EIP-7825.
_MAX_GAS = 1 << 24
_MAX_SIZE = 128 * 1024
_REFUSED = -32000


class Refused(Exception):
    """The pool does not take a transaction; says why in geth's words."""


@dataclass(frozen=True, slots=True)
class PooledTransaction:
    """A signed transaction, decoded.

    Attributes:
        kind: 0 (legacy, whose price stands for both fees) or 2 (EIP-1559).
        chain_id: `None` in a legacy transaction from before EIP-155.
        fee_wei: Highest fee of a unit of gas.
        tip_wei: Highest priority fee of a unit of gas.
        sender: In lower case.
    """

    raw: bytes
    kind: int
    chain_id: int | None
    nonce: int
    tip_wei: int
    fee_wei: int
    gas: int
    to: bytes
    value_wei: int
    data: bytes
    sender: str

    @property
    def hash(self) -> str:
        """In hexadecimal, as JSON-RPC says it."""
        return "0x" + keccak256(self.raw).hex()

    @property
    def cost_wei(self) -> int:
        """What it may take from the account."""
        return self.gas * self.fee_wei + self.value_wei

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read a signed transaction.

        Raises:
            Refused: Not one, of another kind, or not signed properly.
        """
        kind = raw[0] if raw[:1] < b"\x80" and raw else 0
        if kind not in (0, 2):
            raise Refused(f"transaction type not supported: tx type {kind} not supported")
        try:
            fields = rlp.decode(raw[1:] if kind else raw)
            sender = Account.recover_transaction(raw).lower()
        except (RLPException, ValueError, TypeError, IndexError) as error:
            raise Refused(f"invalid sender: {type(error).__name__}") from error
        chain_id: int | None
        if kind:
            numbers = [int.from_bytes(item, "big") for item in fields[:5]]
            chain_id, nonce, tip, fee, gas = numbers
            to, value, data = fields[5:8]
        else:
            nonce, fee, gas = (int.from_bytes(item, "big") for item in fields[:3])
            to, value, data = fields[3:6]
            v = int.from_bytes(fields[6], "big")
            chain_id, tip = ((v - 35) // 2 if v >= 35 else None), fee
        amount = int.from_bytes(value, "big")
        return cls(raw, kind, chain_id, nonce, tip, fee, gas, to, amount, data, sender)


@dataclass(slots=True)
class GethNode:
    """Answers JSON-RPC as geth would; blocks are mined when the test says so.

    Attributes:
        chain: Where blocks, state and receipts are; mines nothing by itself.
        chain_id: EIP-155.
        pool: By sender and nonce.
        censors: Senders (in lower case) whose transactions are kept, but enter no block.
        mined: Transactions by height, as long as no reorganisation took them away.
        refusals: Why transactions were refused, in order.
        accepted: Transactions that the pool took, in order.
        time_s: Of the latest block that this node had mined, since the epoch; 0 before.
    """

    chain: Anvil
    chain_id: int
    _session: aiohttp.ClientSession
    pool: dict[str, dict[int, PooledTransaction]] = field(default_factory=dict)
    censors: set[str] = field(default_factory=set)
    mined: dict[int, list[PooledTransaction]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    accepted: list[PooledTransaction] = field(default_factory=list)
    time_s: int = 0
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        """One call: `{"result": …}` or `{"error": …}`, without version and id."""
        if method == "eth_sendRawTransaction":
            try:
                return {"result": await self.send(bytes.fromhex(params[0].removeprefix("0x")))}
            except Refused as refused:
                self.refusals.append(str(refused))
                return {"error": {"code": _REFUSED, "message": str(refused)}}
        if method == "eth_getTransactionCount" and params[1:] == ["pending"]:
            return {"result": hex(await self._pending_nonce(params[0].lower()))}
        if method == "eth_getTransactionByHash" and (pooled := self.pooled(params[0])):
            return {"result": _as_json(pooled)}
        return await self._ask(method, params)

    async def send(self, raw: bytes) -> str:
        """Take a signed transaction into the pool; its hash.

        Raises:
            Refused: As geth would; the order of the checks is geth's too.
        """
        async with self._turn:
            return await self._send(raw)

    async def _send(self, raw: bytes) -> str:
        if self.pooled("0x" + keccak256(raw).hex()):
            raise Refused("already known")
        transaction = PooledTransaction.decode(raw)
        head = await self.chain.call("eth_getBlockByNumber", "latest", False)
        self._check_alone(transaction, head)
        mine = self.pool.setdefault(transaction.sender, {})
        next_nonce = await self._nonce(transaction.sender)
        await self._check_with_state(transaction, mine, next_nonce)
        old = mine.get(transaction.nonce)
        if old and not _is_raised_enough(old, transaction):
            raise Refused("replacement transaction underpriced")
        mine[transaction.nonce] = transaction
        self.accepted.append(transaction)
        # Beyond the queue's limit the highest nonces go, and nobody is told.
        queued = sorted(set(mine) - set(_run(mine, next_nonce)))
        for nonce in queued[ACCOUNT_QUEUE:]:
            del mine[nonce]
        return transaction.hash

    def _check_alone(self, transaction: PooledTransaction, head: dict[str, Any]) -> None:
        """What can be said without the state of the account."""
        least = _intrinsic_gas(transaction.data)
        floor = _floor_gas(transaction.data)
        limit = int(head["gasLimit"], 16)
        chain_ids = f"have {transaction.chain_id} want {self.chain_id}"
        tip, fee, gas = transaction.tip_wei, transaction.fee_wei, transaction.gas
        checks = (
            (
                transaction.kind == 2 and head.get("baseFeePerGas") is None,
                "transaction type not supported: type 2 rejected, pool not yet in London",
            ),
            (len(transaction.raw) > _MAX_SIZE, "oversized data"),
            (gas > _MAX_GAS, f"transaction gas limit too high (cap: {_MAX_GAS}, tx: {gas})"),
            (gas > limit, "exceeds block gas limit"),
            (tip > fee, "max priority fee per gas higher than max fee per gas"),
            (
                transaction.chain_id not in (self.chain_id, None),
                f"invalid sender: invalid chain id for signer: {chain_ids}",
            ),
            (gas < least, f"intrinsic gas too low: gas {gas}, minimum needed {least}"),
            (
                gas < floor,
                f"insufficient gas for floor data gas cost: gas {gas}, minimum needed {floor}",
            ),
            (tip < 1, f"transaction underpriced: gas tip cap {tip}, minimum needed 1"),
        )
        for is_wrong, message in checks:
            if is_wrong:
                raise Refused(message)

    async def _check_with_state(
        self, transaction: PooledTransaction, mine: dict[int, PooledTransaction], next_nonce: int
    ) -> None:
        nonce, cost = transaction.nonce, transaction.cost_wei
        if nonce < next_nonce:
            raise Refused(f"nonce too low: next nonce {next_nonce}, tx nonce {nonce}")
        balance = await self._balance(transaction.sender)
        text = f"insufficient funds for gas * price + value: balance {balance}"
        if balance < cost:
            raise Refused(f"{text}, tx cost {cost}, overshot {cost - balance}")
        others = sum(other.cost_wei for other in mine.values() if other.nonce != nonce)
        if balance < others + cost:
            overshot = others + cost - balance
            raise Refused(f"{text}, queued cost {others}, tx cost {cost}, overshot {overshot}")

    def pooled(self, hash_: str) -> PooledTransaction | None:
        """The transaction in the pool with this hash."""
        for mine in self.pool.values():
            for transaction in mine.values():
                if transaction.hash == hash_:
                    return transaction
        return None

    def drop(self, sender: str | None = None) -> int:
        """Forget the pool, or one sender's; how many transactions were in it."""
        gone = [self.pool.pop(name) for name in list(self.pool) if sender in (name, None)]
        return sum(map(len, gone))

    async def mine(self, blocks: int = 1, *, base_fee_wei: int | None = None) -> int:
        """Mine blocks with what geth would put into them; the height after them.

        Args:
            blocks: How many.
            base_fee_wei: Of the first of them; `None` leaves it to the chain.
        """
        async with self._turn:
            if base_fee_wei is not None:
                await self.chain.call("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
            for _ in range(blocks):
                await self._mine()
            return await self.height()

    async def _mine(self) -> None:
        block = await self.chain.call("eth_getBlockByNumber", "pending", False)
        chosen = await self._choose(int(block.get("baseFeePerGas") or "0x0", 16))
        for transaction in chosen:
            await self.chain.call("eth_sendRawTransaction", "0x" + transaction.raw.hex())
        await self.chain.call("evm_mine")
        head = await self.chain.call("eth_getBlockByNumber", "latest", False)
        self.time_s = int(head["timestamp"], 16)
        self.mined[int(head["number"], 16)] = chosen
        await self._forget_what_cannot_be()

    async def reorg(
        self, depth: int, *, is_reinjected: bool, foreign: Sequence[bytes] = ()
    ) -> list[PooledTransaction]:
        """Replace the last blocks by others without what was in them.

        Args:
            depth: How many; at most the height.
            is_reinjected: Whether the pool gets their transactions back, as geth tries to do.
            foreign: Signed transactions for the first of the new blocks.

        Returns:
            The transactions that the chain lost.
        """
        async with self._turn:
            return await self._reorg(depth, is_reinjected, foreign)

    async def _reorg(
        self, depth: int, is_reinjected: bool, foreign: Sequence[bytes]
    ) -> list[PooledTransaction]:
        height = await self.height()
        content = [["0x" + raw.hex(), 0] for raw in foreign]
        await self.chain.call("anvil_reorg", depth, content)
        lost = [
            transaction
            for number in range(height - depth + 1, height + 1)
            for transaction in self.mined.pop(number, [])
        ]
        if foreign:
            decoded = [PooledTransaction.decode(raw) for raw in foreign]
            self.mined[height - depth + 1] = decoded
        if is_reinjected:
            for transaction in lost:
                self.pool.setdefault(transaction.sender, {}).setdefault(
                    transaction.nonce, transaction
                )
        await self._forget_what_cannot_be()
        return lost

    async def height(self) -> int:
        """Number of the latest block."""
        return int(await self.chain.call("eth_blockNumber"), 16)

    def included(self, sender: str) -> list[PooledTransaction]:
        """What the chain holds of a sender, by height and nonce."""
        blocks = (self.mined[number] for number in sorted(self.mined))
        return [each for block in blocks for each in block if each.sender == sender.lower()]

    async def _choose(self, base_fee_wei: int) -> list[PooledTransaction]:
        """What enters the next block: per sender from its nonce on, up to the first underpriced."""
        chosen: list[PooledTransaction] = []
        for sender, mine in self.pool.items():
            if sender in self.censors:
                continue
            for nonce in _run(mine, await self._nonce(sender)):
                if mine[nonce].fee_wei < base_fee_wei:
                    break
                chosen.append(mine[nonce])
        return chosen

    async def _forget_what_cannot_be(self) -> None:
        """After a block the pool drops nonces that are used and costs that exceed the balance."""
        for sender, mine in self.pool.items():
            nonce, balance = await self._nonce(sender), await self._balance(sender)
            for each in list(mine.values()):
                if each.nonce < nonce or each.cost_wei > balance:
                    del mine[each.nonce]

    async def _pending_nonce(self, sender: str) -> int:
        nonce = await self._nonce(sender)
        return nonce + len(_run(self.pool.get(sender, {}), nonce))

    async def _nonce(self, sender: str) -> int:
        return int(await self.chain.call("eth_getTransactionCount", sender, "latest"), 16)

    async def _balance(self, sender: str) -> int:
        return int(await self.chain.call("eth_getBalance", sender, "latest"), 16)

    async def _ask(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        """Anvil's own answer, errors with their data included."""
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        async with self._session.post(self.chain.url, json=request) as response:
            reply = await response.json()
        return {name: reply[name] for name in ("result", "error") if name in reply}


@asynccontextmanager
async def geth_node(chain: Anvil) -> AsyncIterator[GethNode]:
    """Put a node in front of Anvil, which mines by itself no longer."""
    await chain.call("evm_setAutomine", False)
    chain_id = int(await chain.call("eth_chainId"), 16)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield GethNode(chain, chain_id, session)


def _is_raised_enough(old: PooledTransaction, new: PooledTransaction) -> bool:
    """Both fees must be higher, and by the price bump; thresholds are rounded down, as in geth."""
    pairs = ((old.fee_wei, new.fee_wei), (old.tip_wei, new.tip_wei))
    return all(
        after > before and after >= before * (100 + PRICE_BUMP_PERCENT) // 100
        for before, after in pairs
    )


def _run(mine: dict[int, PooledTransaction], nonce: int) -> range:
    """The nonces without a gap from this one on."""
    end = nonce
    while end in mine:
        end += 1
    return range(nonce, end)


def _intrinsic_gas(data: bytes) -> int:
    """Of a call (EIP-2028): 4 for a zero byte, 16 for another."""
    zeros = data.count(0)
    return 21_000 + 4 * zeros + 16 * (len(data) - zeros)


def _floor_gas(data: bytes) -> int:
    """Of a call (EIP-7623): 10 for a zero byte, 40 for another."""
    zeros = data.count(0)
    return 21_000 + 10 * zeros + 40 * (len(data) - zeros)


def _as_json(transaction: PooledTransaction) -> dict[str, Any]:
    """A transaction that is in no block yet, as JSON-RPC gives it."""
    return {
        "hash": transaction.hash,
        "type": hex(transaction.kind),
        "nonce": hex(transaction.nonce),
        "from": transaction.sender,
        "to": "0x" + transaction.to.hex(),
        "value": hex(transaction.value_wei),
        "input": "0x" + transaction.data.hex(),
        "gas": hex(transaction.gas),
        "maxFeePerGas": hex(transaction.fee_wei),
        "maxPriorityFeePerGas": hex(transaction.tip_wei),
        "gasPrice": hex(transaction.fee_wei),
        "blockHash": None,
        "blockNumber": None,
        "transactionIndex": None,
    }
