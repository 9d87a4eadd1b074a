"""Submitters as processes of their own, one life each, which may be killed at a step.

`python -m tests.integration.submitter_lives SOCKET` listens there, and every connection is a life:
a fork of this process, which has one thread and all modules at hand. A life is told what to do line
by line, in JSON, and says its process id, then which calls were given, done or failed. The
connection ends with it.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import structlog

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi, load_abi
from oracle.chain.base import Call, CallReverted, Superseded
from oracle.chain.keys import submitter_key
from oracle.chain.pending import TransactionJournal
from oracle.chain.rpc import open_rpc
from oracle.chain.transactions import EvmSubmitter, FeePolicy
from oracle.devnet.process import child, die_with_parent
from oracle.store import Journal, open_journal

GWEI = 10**9
TARGET = "0x00000000000000000000000000000000000000A1"
CAP_WEI = 1_000 * GWEI
_START_S = 40.0
#: Between two looks at what was mined; the daemon takes a block's length.
_PAUSE_S = 0.1


def round_call(number: int) -> Call:
    """A report; each supersedes those before it."""
    return Call("submit", TARGET, number.to_bytes(32, "big"), frozenset({1}))


@dataclass
class MortalJournal:
    """A journal at one of whose writes the process dies; see `tests.integration.crash_steps`.

    Attributes:
        journal: The real one.
        deadly: `method`, `moment` (`before` or `after`) and `facts`, which are among the arguments.
    """

    journal: Journal
    deadly: Mapping[str, Any] | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.journal, name)

        async def call(*positional: Any, **named: Any) -> Any:
            facts = {**named, "state": positional[1] if len(positional) > 1 else None}
            self._die_at(name, "before", facts)
            result = await method(*positional, **named)
            self._die_at(name, "after", facts)
            return result

        return call

    def _die_at(self, method: str, moment: str, facts: Mapping[str, Any]) -> None:
        deadly = self.deadly
        if deadly is None or (deadly["method"], deadly["moment"]) != (method, moment):
            return
        if all(_plain(facts.get(name)) == value for name, value in deadly["facts"].items()):
            os.kill(os.getpid(), signal.SIGKILL)


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


async def _live(connection: socket.socket, errors: ContractAbi) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)

    def say(**facts: Any) -> None:
        writer.write(json.dumps(facts).encode() + b"\n")

    orders = json.loads(await reader.readline())
    say(process_id=os.getpid())
    policy = FeePolicy(
        max_fee_wei=CAP_WEI,
        max_priority_fee_wei=GWEI,
        bump_percent=20,
        confirm_timeout_s=orders["confirm_s"],
        receipt_poll_s=0.03,
    )
    async with (
        open_journal(Path(orders["journal"])) as journal,
        open_rpc([orders["url"]], chain_id=orders["chain_id"], timeout_s=5) as rpc,
        asyncio.TaskGroup() as tasks,
    ):
        # Blocks come as the test wants them, not as time goes by.
        rpc.clock = lambda: 0
        mortal = MortalJournal(journal, orders["deadly"])
        key = submitter_key(bytes.fromhex(orders["secret"]))
        known = cast(TransactionJournal, mortal)
        submitter = EvmSubmitter(rpc, known, key, policy, errors)
        tasks.create_task(submitter.keep(_PAUSE_S))
        while line := await reader.readline():
            order = json.loads(line)
            if "deadly" in order:
                mortal.deadly = order["deadly"]
                say(armed=True)
            else:
                tasks.create_task(_deliver(submitter, order["call"], say))
        os._exit(0)


async def _deliver(submitter: EvmSubmitter, number: int, say: Callable[..., None]) -> None:
    """Send a round until it has an end; a failed try is repeated, as on the daemon's next tick."""
    say(given=number)
    while True:
        try:
            await submitter.send(round_call(number))
        except (CallReverted, Superseded) as error:
            say(failed=number, why=str(error))
            return
        except ChainError:
            await asyncio.sleep(0.05)
        else:
            say(done=number)
            return


def main(path: str) -> None:
    """Serve lives until this process is ended; they end with it."""
    # Nobody reads standard output.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # The first key brings libraries in, which every life would load anew.
    submitter_key(b"\x01" * 32)
    errors = load_abi("FeedHub")
    gc.freeze()
    dies_too = die_with_parent()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if os.fork() == 0:
                dies_too()
                listener.close()
                asyncio.run(_live(connection, errors))
                os._exit(1)
            connection.close()


@dataclass
class Life:
    """One submitter's process.

    Attributes:
        process_id: Its own.
        said: Everything, in order.
        is_dead: Whether it ended.
    """

    process_id: int
    _writer: asyncio.StreamWriter
    said: list[dict[str, Any]] = field(default_factory=list)
    is_dead: bool = False

    def tell(self, **order: Any) -> None:
        """Give it an order: `call=NUMBER` or `deadly=…`."""
        self._writer.write(json.dumps(order).encode() + b"\n")

    def has_said(self, **facts: Any) -> bool:
        """Whether it said so."""
        return any(facts.items() <= each.items() for each in self.said)

    def kill(self) -> None:
        """As the kernel ends it: at once."""
        if not self.is_dead:
            with suppress(ProcessLookupError):
                os.kill(self.process_id, signal.SIGKILL)

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Hear it out."""
        with suppress(OSError):
            while line := await reader.readline():
                if line.endswith(b"\n"):
                    self.said.append(json.loads(line))
        self.is_dead = True


@dataclass(frozen=True, slots=True)
class Lives:
    """Where lives begin."""

    path: Path

    @asynccontextmanager
    async def begin(self, **orders: Any) -> AsyncIterator[Life]:
        """One life, until it dies or the block ends."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            writer.write(json.dumps(orders).encode() + b"\n")
            life = Life(json.loads(await reader.readline())["process_id"], writer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(life.listen(reader))
                try:
                    yield life
                finally:
                    life.kill()
        finally:
            writer.close()


@asynccontextmanager
async def submitter_lives(folder: Path) -> AsyncIterator[Lives]:
    """The process that they are forks of; its socket's path must be short."""
    path = folder / "lives"
    command = [sys.executable, "-m", __name__, str(path)]
    async with child(command, name="submitters") as process:
        await process.line(within_s=_START_S)
        yield Lives(path)


if __name__ == "__main__":
    main(sys.argv[1])
