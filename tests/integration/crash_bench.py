"""A whole node that is killed again and again, and what must hold of its chain and its journal."""

import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from oracle.chain.abi_codec import load_abi
from oracle.devnet.anvil import Anvil
from oracle.devnet.process import die_with_parent
from oracle.devnet.world import World
from tests.integration.processes import command_line, descendants, parents

T = TypeVar("T")
#: For whatever the node or the kernel does next, on a machine that is busy.
LIMIT_S = 60.0
#: Between two looks at the pool; a transaction stays in it for one to two of them.
LOOK_S = 0.04
_ENTRY_SIZE = 14
#: Blocks that are asked for at once.
_BATCH = 100


class Victim(Enum):
    """Who is killed."""

    HOST = "host"
    ENCLAVE = "enclave"
    SANDBOX = "sandbox"
    ALL = "all"


class Moment(Enum):
    """When.

    `START` is before the first report has landed: while it starts, reconciles or registers. `WORK`
    is any time after that, `SENT` while the next report waits in the pool.
    """

    START = "start"
    WORK = "work"
    SENT = "sent"


#: How often of 20.
_VICTIMS = {Victim.HOST: 8, Victim.ALL: 6, Victim.ENCLAVE: 3, Victim.SANDBOX: 3}
_MOMENTS = {Moment.START: 10, Moment.WORK: 5, Moment.SENT: 5}


@dataclass(frozen=True, slots=True)
class Kill:
    """When, and who.

    Attributes:
        number: From 1.
        victim: Who; the host where there is no enclave yet.
        moment: When.
        share: How long after its beginning, as a share of how long it lasts, 0 to 1.
    """

    number: int
    victim: Victim
    moment: Moment
    share: float


def plan(seed: int, count: int) -> list[Kill]:
    """Kills at random times, half of them during starts."""
    rng = random.Random(seed)

    def draw(shares: Mapping[T, int]) -> T:
        return rng.choices(list(shares), list(shares.values()))[0]

    return [
        Kill(number, draw(_VICTIMS), draw(_MOMENTS), rng.random()) for number in range(1, count + 1)
    ]


class Node:
    """The node's process, watched through its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.started_at = asyncio.get_running_loop().time()
        self.events: list[dict[str, Any]] = []
        self.last: deque[str] = deque(maxlen=30)
        self._news = asyncio.Event()
        self._has_ended = False

    @property
    def id(self) -> int:
        """Of the host's process."""
        return self.process.pid

    async def read(self) -> None:
        """Take down what it says, until its end."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.last.append(line.decode(errors="replace")[:400])
            if line.startswith(b"{"):
                self.events.append(json.loads(line))
            self._news.set()
        self._has_ended = True
        self._news.set()

    async def logged(self, *names: str, after: float = 0.0) -> None:
        """Wait until these stand in the log, in this order, all later than a time of the clock."""
        async with asyncio.timeout(LIMIT_S):
            while not self._has(names, after):
                assert not self._has_ended, f"it ended by itself: {''.join(self.last)}"
                self._news.clear()
                await self._news.wait()

    def _has(self, names: Sequence[str], after: float) -> bool:
        wanted = list(names)
        for event in self.events:
            if wanted and event["event"] == wanted[0] and _time(event) > after:
                wanted.pop(0)
        return not wanted

    def below(self) -> list[int]:
        """The processes below it, the sandbox first and the enclave last."""
        return sorted(descendants(self.id))


def _time(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


@asynccontextmanager
async def running(local: World, tasks: asyncio.TaskGroup) -> AsyncIterator[Node]:
    """Run the world's node; at the end of the block it is killed if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.node_process"),
        *(str(local.config_file), json.dumps(local.resolve)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
        process_group=0,
    )
    node = Node(process)
    reading = tasks.create_task(node.read())
    try:
        yield node
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


@dataclass(slots=True)
class Miner:
    """Mines what it finds in the pool when it looks the next time, else a block a second.

    Attributes:
        queued: Most transactions that ever waited for a nonce below theirs.
        found: Set while a transaction is in the pool.
    """

    chain: Anvil
    queued: int = 0
    found: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until cancelled."""
        await self.chain.call("evm_setAutomine", False)
        loop = asyncio.get_running_loop()
        mined_at = 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            if self.found.is_set() or loop.time() > mined_at + 1:
                self.found.clear()
                await self.chain.call("evm_mine")
                mined_at = loop.time()
            status = await self.chain.call("txpool_status")
            self.queued = max(self.queued, int(status["queued"], 16))
            if int(status["pending"], 16):
                self.found.set()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A feed's round as the hub's events have it; times in seconds since the epoch."""

    feed: int
    observed_at: int
    mined_at: int
    block: int


@dataclass(slots=True)
class Rounds:
    """What the hub accepted, read from its events.

    Attributes:
        accepted: In the order of the chain.
        read_to: Height up to which events were read.
    """

    chain: Anvil
    hub: str
    accepted: list[Accepted] = field(default_factory=list)
    read_to: int = 0

    async def read(self) -> None:
        """Read on to the head."""
        head = int(await self.chain.call("eth_blockNumber"), 16)
        if head <= self.read_to:
            return
        span = {"fromBlock": hex(self.read_to + 1), "toBlock": hex(head)}
        logs = await self.chain.call("eth_getLogs", {"address": self.hub, **span})
        skipped: set[tuple[str, int]] = set()
        found: list[tuple[str, Accepted]] = []
        for log in logs:
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            name, fields = load_abi("FeedHub").decode_event(topics, bytes.fromhex(log["data"][2:]))
            if name == "FeedSkipped":
                skipped.add((log["transactionHash"], fields["index"]))
            elif name == "ReportAccepted":
                mined_at, block = int(log["blockTimestamp"], 16), int(log["blockNumber"], 16)
                found += [
                    (log["transactionHash"], Accepted(feed, fields["observedAt"], mined_at, block))
                    for feed in _indexes(fields["entries"])
                ]
        self.accepted += [each for hash_, each in found if (hash_, each.feed) not in skipped]
        self.read_to = head

    def wrongs(self, heartbeat_s: int) -> list[str]:
        """Rounds accepted twice, rounds that went back, and gaps longer than a heartbeat."""
        found = []
        for feed in {each.feed for each in self.accepted}:
            rounds = [each for each in self.accepted if each.feed == feed]
            for before, after in itertools.pairwise(rounds):
                if after.observed_at == before.observed_at:
                    found.append(f"duplicate: {before} and {after}")
                elif after.observed_at < before.observed_at:
                    found.append(f"regressed: {before}, then {after}")
                if after.mined_at - before.mined_at > heartbeat_s:
                    found.append(f"lost: nothing between {before} and {after}")
        return found


def _indexes(entries: bytes) -> list[int]:
    starts = range(0, len(entries), _ENTRY_SIZE)
    return [int.from_bytes(entries[at : at + 2], "big") for at in starts]


@dataclass(frozen=True, slots=True)
class JournalCopy:
    """What a journal says.

    Attributes:
        problem: Of its integrity check; `ok` if there is none.
        transactions: Nonce, state and hash of the mined form, by nonce.
        newest_report: When its newest report was observed; 0 without one.
    """

    problem: str
    transactions: list[tuple[int, str, str]]
    newest_report: int

    @property
    def open(self) -> int:
        """How many transactions have no end yet."""
        return sum(state == "pending" for _, state, _ in self.transactions)


def read_journal(path: Path) -> JournalCopy | None:
    """Look at a copy, so that what the next start finds stays as the kill left it."""
    if not path.exists():
        return None
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        for name in (path.name, path.name + "-wal"):
            if path.with_name(name).exists():
                shutil.copy(path.with_name(name), folder)
        with closing(sqlite3.connect(Path(folder) / path.name)) as journal:
            problem = str(journal.execute("PRAGMA integrity_check").fetchone()[0])
            tables = {name for (name,) in journal.execute("SELECT name FROM sqlite_master")}
            if "reports" not in tables:
                return JournalCopy(problem, [], 0)
            rows = journal.execute(
                "SELECT nonce, state, hex(hash) FROM transactions ORDER BY nonce, id"
            ).fetchall()
            newest = journal.execute("SELECT MAX(observed_at) FROM reports").fetchone()[0]
    return JournalCopy(problem, rows, int(newest or 0))


async def account_wrongs(chain: Anvil, account: str, journal: JournalCopy) -> list[str]:
    """Whether chain, pool and journal say the same of an account's nonces, once all is over."""
    head = int(await chain.call("eth_blockNumber"), 16)
    mined: list[tuple[int, str]] = []
    for first in range(1, head + 1, _BATCH):
        heights = range(first, min(head + 1, first + _BATCH))
        asked = [("eth_getBlockByNumber", [hex(height), True]) for height in heights]
        mined += [
            (int(each["nonce"], 16), each["hash"][2:].upper())
            for block in await chain.batch(asked)
            for each in block["transactions"]
            if each["from"] == account.lower()
        ]
    known = [(nonce, hash_) for nonce, state, hash_ in journal.transactions if state != "replaced"]
    content = await chain.call("txpool_content")
    left = [each for each in content.values() if account.lower() in map(str.lower, each)]
    found = {
        "nonces in blocks": [nonce for nonce, _ in mined] != [*range(len(mined))],
        "journal and chain differ": [*set(mined) ^ set(known)][:4],
        "left in the pool": left,
        "open in the journal": journal.open,
        "replaced": [nonce for nonce, state, _ in journal.transactions if state == "replaced"],
        "integrity": journal.problem != "ok" and journal.problem,
    }
    return [f"{name}: {value}" for name, value in found.items() if value]


def end(node: Node, victim: Victim) -> tuple[str, int]:
    """Kill.

    Returns:
        Who it was in the end, and how many processes were below the host.
    """
    below = node.below()
    is_host = victim in (Victim.HOST, Victim.ALL) or not below
    chosen = {
        Victim.HOST: [],
        Victim.ENCLAVE: below[-1:],
        Victim.SANDBOX: below[:1],
        Victim.ALL: below,
    }[victim]
    for process_id in [*([node.id] if is_host else []), *chosen]:
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
    return ("host" if is_host and victim is not Victim.ALL else victim.value), len(below)


def strays(before: set[int], node: Node) -> set[int]:
    """Living processes below this one that were not there before and are not the node's."""
    # In this order: what the node starts meanwhile is not seen at all.
    living = descendants(os.getpid())
    return living - before - {node.id} - descendants(node.id)


async def gone(process_ids: set[int]) -> list[str]:
    """Wait until they have ended; command lines of those that do not end."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LIMIT_S
    while True:
        known = parents()
        living = {each for each in process_ids if each in known and known[each][1] != "Z"}
        if not living or loop.time() > until:
            return [command_line(each) for each in living]
        await asyncio.sleep(0.02)


def bury(before: set[int], node: Node) -> None:
    """Take from the kernel what has ended and became this process's own.

    Of a thousand nodes there would be thousands; every trial run of the sandbox leaves one.
    """
    for process_id, (parent, state) in parents().items():
        is_strange = process_id not in before and process_id != node.id
        if parent == os.getpid() and state == "Z" and is_strange:
            with suppress(ChildProcessError):
                os.waitpid(process_id, os.WNOHANG)
