"""A submitter on a chain whose endpoints have faults, and what must hold of it afterwards."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, CallReverted, Receipt
from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.chain.rpc import open_rpc
from oracle.chain.rpc.pool import LAG_BLOCKS
from oracle.chain.transactions import EvmSubmitter, FeePolicy
from oracle.devnet.anvil import anvil
from oracle.store import open_journal, read_summary
from tests.fakes.geth_node import GethNode, PooledTransaction, geth_node
from tests.fakes.rpc_proxy import RpcProxy, rpc_proxy

GWEI = 10**9
TARGET = "0x00000000000000000000000000000000000000A1"
CAP_WEI = 1_000 * GWEI
#: Before a replacement; a block lasts at least twice as long, as on real chains.
CONFIRM_S = 0.15
#: Of one call; long enough for an honest reply on a busy machine.
TIMEOUT_S = 2.0
#: Blocks after the end of a fault within which everything is as if there had been none.
CONVERGED = 3
#: How long a block lasts at most, while there is nothing to mine.
_PATIENCE_S = 4.0
#: Between two looks at what was mined; the daemon takes a block's length.
_PAUSE_S = 0.1
#: Of a chain at first: enough for whoever lags.
_HEIGHT = 10
#: Of one case, with all blocks that wait in vain.
_CASE_S = 50.0
#: Honest replies of the endpoints that a block lasts at least: looks at receipt and nonce.
_LOOKS = 6
_LOOKS_IN_VAIN = 80


@dataclass
class Bench:
    """One account with its submitter.

    Attributes:
        proxies: Its endpoints, by preference.
        key: Of the account.
        cap_wei: Highest fee of a unit of gas.
        calls: What was sent, in order.
        receipts: What the submitter said of each.
    """

    node: GethNode
    proxies: Sequence[RpcProxy]
    submitter: EvmSubmitter
    journal: Path
    key: SubmitterKey
    cap_wei: int
    calls: list[Call] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the account, in lower case."""
        return self.submitter.address.lower()

    @property
    def included(self) -> list[PooledTransaction]:
        """The account's transactions in blocks."""
        return self.node.included(self.address)

    async def deliver(self) -> None:
        """Send a call until it is mined; a failed try is repeated, as on the daemon's next tick."""
        call = Call("submit", TARGET, len(self.calls).to_bytes(32, "big"))
        self.calls.append(call)
        while True:
            try:
                self.receipts.append(await self.submitter.send(call))
            except (ChainError, CallReverted):
                await asyncio.sleep(0.02)
            else:
                return

    async def block(self, task: "asyncio.Task[None]") -> None:
        """Mine one, and wait as long as a block lasts: until there is something for the next.

        That is until the account has a transaction in the pool again, and had time to replace it;
        without one, until the submitter is done, has looked often in vain, or patience ends.
        """
        await self.node.mine()
        loop = asyncio.get_running_loop()
        began, looks = loop.time(), self._looks()
        while not task.done() and loop.time() < began + _PATIENCE_S:
            wanted = _LOOKS if self.node.pool.get(self.address) else _LOOKS_IN_VAIN
            if loop.time() > began + 2 * CONFIRM_S and self._looks() >= looks + wanted:
                return
            await asyncio.sleep(0.005)

    async def blocks_to_the_end(self, task: "asyncio.Task[None]", *, limit: int) -> int:
        """Mine until it is done; how many blocks that took, `limit` if it is not."""
        for count in range(limit):
            if task.done():
                return count
            await self.block(task)
        return limit

    async def ends_well(
        self, tasks: asyncio.TaskGroup, first: "asyncio.Task[None]", *, within: int = CONVERGED
    ) -> list[str]:
        """Deliver this call and one more, each within some blocks; what does not hold then."""
        found = []
        for number, task in enumerate((first, None), 1):
            sending = task or tasks.create_task(self.deliver())
            if await self.blocks_to_the_end(sending, limit=within + 1) > within:
                found.append(f"call {number} is not delivered after {within} blocks")
            if not sending.done():
                sending.cancel()
                break
        return found + await self.wrongs()

    def _looks(self) -> int:
        """Honest replies so far."""
        return sum(told.fault is None for proxy in self.proxies for told in proxy.told)

    def fees(self) -> list[int]:
        """What the account offered for a unit of gas, in all transactions that a pool took."""
        return [each.fee_wei for each in self.node.accepted if each.sender == self.address]

    def untrue(self) -> list[str]:
        """Receipts that the submitter told of transactions that the chain does not have."""
        hashes = {bytes.fromhex(each.hash[2:]) for each in self.included}
        return [
            f"a receipt of nothing: {r.hash.hex()}" for r in self.receipts if r.hash not in hashes
        ]

    async def wrongs(self) -> list[str]:
        """What does not hold once every call is delivered; empty if all is well."""
        answer = await self.node.answer("eth_getTransactionCount", [self.address, "latest"])
        nonce = int(answer["result"], 16)
        included = self.included
        landed = [each.data for each in included]
        states = read_summary(self.journal)["transactions"]
        queued = [n for n in self.node.pool.get(self.address, {}) if n >= nonce]
        found = {
            "lost": [c.data.hex() for c in self.calls if landed.count(c.data) < 1],
            "duplicated": [c.data.hex() for c in self.calls if landed.count(c.data) > 1],
            "nonces": [each.nonce for each in included] != [*range(nonce)],
            "in the pool after the end": queued,
            "open in the journal": states.get("pending", 0),
            "above the cap": [fee for fee in self.fees() if fee > self.cap_wei],
        }
        return [f"{name}: {value}" for name, value in found.items() if value]


@asynccontextmanager
async def fault_node() -> AsyncIterator[GethNode]:
    """A chain some blocks high, with nothing in them."""
    async with anvil() as chain, geth_node(chain) as node:
        await chain.call("anvil_setBlockTimestampInterval", 1)
        await node.mine(_HEIGHT)
        yield node


async def fund(node: GethNode, name: str) -> SubmitterKey:
    """The key of a case, with funds from the next block on."""
    key = submitter_key(hashlib.sha256(name.encode()).digest())
    await node.chain.call("anvil_setBalance", key.address, hex(10**20))
    return key


@asynccontextmanager
async def fault_bench(
    node: GethNode,
    folder: Path,
    name: str,
    *,
    seed: int,
    endpoints: int = 1,
    tls: bool = False,
    cap_wei: int = CAP_WEI,
) -> AsyncIterator[Bench]:
    """A submitter with a key and a journal of its own.

    Args:
        node: The chain.
        folder: For the journal.
        name: Of the case; the key is made of it.
        seed: Of the faults.
        endpoints: How many.
        tls: Whether the first is spoken to over TLS, which fails.
        cap_wei: Highest fee of a unit of gas.
    """
    key = await fund(node, name)
    # Whoever is behind, and not lagging yet, knows of it.
    await node.mine(LAG_BLOCKS + 1)
    path = folder / f"{key.address}.db"
    async with asyncio.timeout(_CASE_S), AsyncExitStack() as stack:
        proxies = [
            await stack.enter_async_context(rpc_proxy(node, seed=seed + number))
            for number in range(endpoints)
        ]
        urls = [proxy.https_url if tls and not n else proxy.url for n, proxy in enumerate(proxies)]
        journal = await stack.enter_async_context(open_journal(path))
        opened = open_rpc(urls, chain_id=node.chain_id, timeout_s=TIMEOUT_S)
        rpc = await stack.enter_async_context(opened)
        # By the blocks' times one comes each second; the bench has them come much faster.
        rpc.clock = lambda: node.time_s
        policy = FeePolicy(
            max_fee_wei=cap_wei,
            max_priority_fee_wei=GWEI,
            bump_percent=20,
            confirm_timeout_s=CONFIRM_S,
            receipt_poll_s=0.01,
        )
        submitter = EvmSubmitter(rpc, journal, key, policy, load_abi("FeedHub"))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        keeping = tasks.create_task(submitter.keep(_PAUSE_S))
        yield Bench(node, proxies, submitter, path, key, cap_wei)
        keeping.cancel()


def seeds() -> range:
    """One in the everyday run, twenty at night."""
    return range(1, 21 if settings.get_current_profile_name() == "nightly" else 2)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    while not condition():
        await asyncio.sleep(0.005)
