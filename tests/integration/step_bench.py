"""A submitter is killed at a step, the chain goes on without it, and what must hold then."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.chain.base import Call
from oracle.chain.fees import Fees
from oracle.chain.forms import sign_form
from oracle.chain.keys import SubmitterKey, submitter_key
from tests.fakes.geth_node import GethNode, PooledTransaction
from tests.fakes.rpc_proxy import RpcProxy, rpc_proxy
from tests.integration.crash_steps import Outage
from tests.integration.submitter_lives import CAP_WEI, GWEI, TARGET, Life, Lives

#: Blocks after the restart, or after the price is right again, within which a new call is in one.
CONVERGED = 3
_DEAR_BLOCKS = 3
#: Of a life that is to raise its fee, and of one that is not.
SOON_S = 0.1
NEVER_S = 30.0
#: How long a block lasts at most, while there is nothing to mine.
_PATIENCE_S = 4.0
#: Of one case.
_CASE_S = 50.0
#: Questions that a process asks before the next block: looks at receipt and nonce.
_LOOKS = 4
#: Whoever is called reverts, without a reason.
REVERTS = "0x60006000fd"


@dataclass
class Case:
    """One account, its endpoint and its journal.

    Attributes:
        first: Number of the call that the process was about when it died.
    """

    node: GethNode
    proxy: RpcProxy
    lives: Lives
    journal: Path
    key: SubmitterKey
    secret: bytes
    stack: AsyncExitStack
    first: int = 1
    foreign: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        """In lower case."""
        return self.key.address.lower()

    @property
    def pooled(self) -> dict[int, PooledTransaction]:
        """The account's transactions in the pool, by nonce."""
        return self.node.pool.get(self.address, {})

    async def begin(self, confirm_s: float, deadly: dict[str, Any] | None = None) -> Life:
        """Start the submitter."""
        return await self.stack.enter_async_context(
            self.lives.begin(
                journal=str(self.journal),
                url=self.proxy.url,
                chain_id=self.node.chain_id,
                secret=self.secret.hex(),
                confirm_s=confirm_s,
                deadly=deadly,
            )
        )

    async def call(self, method: str, *params: Any) -> Any:
        """Ask the chain itself."""
        return await self.node.chain.call(method, *params)

    @property
    def included(self) -> list[PooledTransaction]:
        """The account's transactions in blocks."""
        return self.node.included(self.address)

    async def replace(self, nonce: int) -> None:
        """Somebody else has a transaction with this key mined, better paid than any of ours."""
        fees = Fees(10 * CAP_WEI, GWEI)
        call = Call("other", self.key.address, b"")
        chain_id = self.node.chain_id
        form = sign_form(self.key, call, chain_id=chain_id, nonce=nonce, gas=21_000, fees=fees)
        self.foreign.add("0x" + form["hash_"].hex())
        self.node.drop(self.address)
        await self.node.send(form["raw"])
        await self.node.mine()

    async def is_success(self, mined: PooledTransaction) -> bool:
        """Whether it took effect."""
        receipt = await self.call("eth_getTransactionReceipt", mined.hash)
        return bool(receipt["status"] == "0x1")

    def highest_fee(self) -> int:
        """What the submitter ever offered for a unit of gas."""
        taken = [e for e in self.node.accepted if e.sender == self.address]
        return max(each.fee_wei for each in taken if each.hash not in self.foreign)

    def rows(self) -> list[tuple[int, str, str]]:
        """Nonce, state and hash of every transaction in the journal."""
        where = f"file:{self.journal}?mode=ro"
        with closing(sqlite3.connect(where, uri=True)) as database:
            found = database.execute("SELECT nonce, state, hash FROM transactions").fetchall()
        return [
            (nonce, state, "0x" + hash_.hex() if hash_ else "") for nonce, state, hash_ in found
        ]

    def open_rows(self) -> list[int]:
        """Nonces whose end is not known."""
        return [nonce for nonce, state, _ in self.rows() if state == "pending"]

    async def nonce(self) -> int:
        """The account's next one."""
        return int(await self.call("eth_getTransactionCount", self.address, "latest"), 16)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    while not condition():
        await asyncio.sleep(0.006)


@asynccontextmanager
async def step_case(node: GethNode, lives: Lives, folder: Path, name: str) -> AsyncIterator[Case]:
    """An account of its own, made of the case's name."""
    secret = hashlib.sha256(name.encode()).digest()
    key = submitter_key(secret)
    await node.chain.call("anvil_setBalance", key.address, hex(10**20))
    async with asyncio.timeout(_CASE_S), AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(rpc_proxy(node, seed=1))
        case = Case(node, proxy, lives, folder / f"{key.address}.db", key, secret, stack)
        try:
            yield case
        finally:
            proxy.clear()
            node.censors.discard(case.address)
            node.pool.clear()
            node.mined.clear()
            await node.chain.call("anvil_setCode", TARGET, "0x")


async def applies(outage: Outage, case: Case) -> bool:
    """Whether the chain can do that: what is in no pool, or after a gap, cannot be mined."""
    is_next = await case.nonce() in case.pooled
    match outage:
        case Outage.DROPPED | Outage.MINED | Outage.REVERTED:
            return is_next
        case Outage.GONE | Outage.MOVED:
            return is_next or bool(case.included)
        case _:
            return True


async def happen(outage: Outage, case: Case) -> None:
    """The chain goes on without the process."""
    node = case.node
    match outage:
        case Outage.DROPPED:
            node.drop(case.address)
        case Outage.MINED:
            await node.mine()
        case Outage.GONE | Outage.MOVED:
            if case.pooled:
                await node.mine()
            heights = [number for number, block in node.mined.items() if block]
            depth = await node.height() - max(heights) + 1
            await node.reorg(depth, is_reinjected=outage is Outage.MOVED)
            # The block before may be of a time when it reverted.
            await case.call("anvil_setCode", TARGET, "0x")
        case Outage.REVERTED:
            await case.call("anvil_setCode", TARGET, REVERTS)
            await node.mine()
            await case.call("anvil_setCode", TARGET, "0x")
        case Outage.FOREIGN:
            await case.replace(await case.nonce())
        case Outage.DEAR:
            await node.mine(base_fee_wei=2 * CAP_WEI)


class Recovery:
    """The submitter is started again, and brings one more call."""

    def __init__(self, case: Case, outage: Outage, *, waits: bool) -> None:
        """Set up.

        Args:
            case: Killed, and the chain went on.
            outage: How.
            waits: Whether the new call comes only after what was open has ended.
        """
        self._case = case
        self._outage = outage
        self._waits = waits
        self._number = case.first + 1

    async def wrongs(self) -> list[str]:
        """What does not hold; empty if all is well."""
        case, number = self._case, self._number
        life = await case.begin(SOON_S)
        if not self._waits:
            life.tell(call=number)
        if self._outage is Outage.DEAR:
            for _ in range(_DEAR_BLOCKS - 1):
                await self._looked()
                await case.node.mine(base_fee_wei=2 * CAP_WEI)
            await case.node.mine(base_fee_wei=GWEI)
        found = []
        if self._waits:
            found += await self._converge("what was open", lambda: not case.open_rows())
            life.tell(call=number)
        found += await self._converge("the new call", lambda: life.has_said(done=number))
        found += await self._converge("the journal", lambda: not case.open_rows())
        if life.is_dead:
            found.append("it died again")
        life.kill()
        await until(lambda: life.is_dead)
        return found + await self._disagreements()

    async def _converge(self, what: str, condition: Callable[[], bool]) -> list[str]:
        for _ in range(CONVERGED):
            await self._ready(condition)
            if condition():
                return []
            await self._case.node.mine()
        await self._ready(condition)
        return [] if condition() else [f"{what} has no end after {CONVERGED} blocks"]

    async def _looked(self) -> None:
        """It asked for a while, if there is anything to ask for."""
        proxy = self._case.proxy
        if self._waits and not self._case.rows():
            return
        looks = proxy.count()
        await until(lambda: proxy.count() >= looks + _LOOKS)

    async def _ready(self, condition: Callable[[], bool]) -> None:
        """Wait as long as a block lasts: until there is something for it."""
        case, loop = self._case, asyncio.get_running_loop()
        began, looks = loop.time(), case.proxy.count()
        while not condition() and loop.time() < began + _PATIENCE_S:
            if case.pooled and case.proxy.count() >= looks + _LOOKS:
                return
            await asyncio.sleep(0.015)

    async def _disagreements(self) -> list[str]:
        case = self._case
        rows = case.rows()
        included = case.included
        ours = [each for each in included if each.hash not in case.foreign]
        good = [each for each in ours if await case.is_success(each)]
        numbers = [int.from_bytes(each.data, "big") for each in good if each.data]
        wanted = {each.nonce: _states(each, good, case) for each in included}
        found = {
            "lost": numbers[-1:] != [self._number],
            "accepted twice": len(numbers) != len(set(numbers)),
            "an older round after a newer one": numbers != sorted(numbers),
            "a gap of nonces": [each.nonce for each in included] != [*range(await case.nonce())],
            "two ends of a nonce": len(rows) != len({nonce for nonce, _, _ in rows}),
            "left in the pool": bool(case.pooled),
            "above the cap": case.highest_fee() > CAP_WEI,
            "the journal has it otherwise": any(
                (state, hash_) not in wanted.get(nonce, ()) for nonce, state, hash_ in rows
            ),
            "not in the journal": {e.nonce for e in ours} - {nonce for nonce, _, _ in rows},
        }
        facts = f"accepted {numbers}, journal {rows}, chain {wanted}"
        return [f"{name}: {facts}" for name, value in found.items() if value]


def _states(
    mined: PooledTransaction, good: list[PooledTransaction], case: Case
) -> set[tuple[str, str]]:
    """What a journal may say of a nonce that this transaction used: state, and hash."""
    if mined.hash in case.foreign:
        return {("replaced", ""), ("lost", "")}
    states = ("mined", "settled") if mined in good else ("reverted", "failed")
    return {(state, mined.hash) for state in states}
