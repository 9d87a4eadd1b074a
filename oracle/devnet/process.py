"""Child processes that cannot outlive their parent."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from enclave.domain.errors import ConfigError

_PR_SET_PDEATHSIG = 1
#: How long a child may take to end after SIGTERM before it is killed.
STOP_S = 3.0


def die_with_parent() -> Callable[[], None]:
    """A `preexec_fn` that has the kernel kill the child when the spawning thread ends.

    The library is loaded here, before the fork: nothing but one system call runs after it.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def preexec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return preexec


@dataclass(frozen=True, slots=True)
class Child:
    """A running program and its pipes."""

    name: str
    process_id: int
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    async def line(self, *, within_s: float) -> bytes:
        """The next line of its standard output.

        Raises:
            ConfigError: It ended, or said nothing in time.
        """
        try:
            async with asyncio.timeout(within_s):
                line = await self.stdout.readline()
        except TimeoutError as error:
            raise ConfigError(f"{self.name} said nothing within {within_s:.0f} s") from error
        if not line:
            raise ConfigError(f"{self.name} ended early")
        return line


@contextlib.asynccontextmanager
async def child(command: Sequence[str], *, name: str) -> AsyncIterator[Child]:
    """Run a program for the length of the block, its standard input and output piped.

    The child has its own process group, so a Ctrl-C on the terminal reaches the parent alone.

    Raises:
        ConfigError: The program cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
            process_group=0,
        )
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        if process.stdin is None or process.stdout is None:
            raise ConfigError(f"{name} has no pipes")
        yield Child(name, process.pid, process.stdin, process.stdout)
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
