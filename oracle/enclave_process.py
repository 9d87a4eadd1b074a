"""Start the enclave as a separate process, inside bubblewrap where the machine allows it.

The sandbox guards the host from the enclave's code and leaves it no network but the relay. It is
not what protects the enclave from the host: the TEE is.
"""

import asyncio
import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog

from enclave.domain import wire
from enclave.domain.errors import ConfigError
from oracle.enclave_link import EnclaveClient, EnclaveLost

log = structlog.get_logger(__name__)

_SEARCH = "/usr/local/bin:/usr/bin:/bin"
#: The enclave throws its environment away; this is what it gets to throw away.
_ENVIRONMENT = {"PATH": _SEARCH, "LC_ALL": "C.UTF-8"}
_MAX_LINE = 8_192
_PR_SET_PDEATHSIG = 1
START_S = 15.0
STOP_S = 2.0
SOCKET_NAME = "enclave.sock"
#: Directories of an enclave's socket: one for the first, the other for one that replaces it, in
#: turn.
FOLDERS = ("enclave", "enclave-b")


@dataclass(frozen=True, slots=True)
class EnclaveLaunch:
    """How to start the enclave.

    Attributes:
        python: Interpreter of the enclave's own virtual environment.
        source: The folder `enclave/`, which is measured.
        listen_dir: Directory for the enclave's socket; bound writable.
        relay: The relay's socket; its directory is bound.
        attester: Who makes evidence, such as `simulated`.
        tee: `sgx` or `tdx`.
        silicon: Socket of the emulated vendor, with the attester `simulated` only.
        extra_ca: PEM file of one more CA, with the attester `simulated` only.
        sandbox: `auto`, `require` or `off`.
    """

    python: Path
    source: Path
    listen_dir: Path
    relay: Path
    attester: str
    tee: str
    silicon: Path | None
    extra_ca: Path | None
    sandbox: str


@dataclass(frozen=True, slots=True)
class Enclave:
    """A running enclave that has said hello.

    Attributes:
        client: The first connection to it.
        hello: What it said.
        pid: Of its outermost process.
        is_sandboxed: Whether that is bubblewrap.
        address: Where it listens, for further connections.
    """

    client: EnclaveClient
    hello: wire.HelloResult
    pid: int
    is_sandboxed: bool
    address: str


def enclave_command(launch: EnclaveLaunch) -> list[str]:
    """Command line of the enclave itself, without a sandbox."""
    command = [str(launch.python), "-I", "-B", "-m", "enclave"]
    command += ["--listen", f"unix:{launch.listen_dir / SOCKET_NAME}"]
    command += ["--relay", f"unix:{launch.relay}"]
    command += ["--attester", launch.attester, "--tee", launch.tee]
    if launch.silicon is not None:
        command += ["--silicon", str(launch.silicon)]
    if launch.extra_ca is not None:
        command += ["--extra-ca", str(launch.extra_ca)]
    return command


def sandbox_command(launch: EnclaveLaunch, bwrap: str) -> list[str]:
    """Command line prefix: no network, no capabilities, only what the enclave needs, read-only."""
    command = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 a private tmpfs
    for name in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"):
        if Path(name).is_symlink():
            command += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).exists():
            command += ["--ro-bind", name, name]
    venv = launch.python.parent.parent
    for path in (*_interpreter_prefixes(launch.python), venv, launch.source):
        command += ["--ro-bind", str(path), str(path)]
    command += ["--bind", str(launch.listen_dir), str(launch.listen_dir)]
    readable = [launch.relay.parent]
    if launch.silicon is not None:
        readable.append(launch.silicon.parent)
    if launch.extra_ca is not None:
        readable.append(launch.extra_ca)
    for path in readable:
        command += ["--ro-bind", str(path), str(path)]
    return [*command, "--chdir", "/", "--"]


def _interpreter_prefixes(python: Path) -> list[Path]:
    """Folders of the interpreter outside /usr: of each link on the way to the binary."""
    found: list[Path] = []
    seen = python
    for _ in range(8):
        if not seen.is_symlink():
            break
        seen = seen.parent / seen.readlink()
        prefix = seen.parent.parent
        if seen.parent != python.parent and not prefix.is_relative_to("/usr"):
            found.append(prefix)
    return list(dict.fromkeys(found))


async def find_sandbox(launch: EnclaveLaunch, *, search: str = _SEARCH) -> list[str]:
    """The sandbox's command line prefix after a trial run; empty where there is none.

    Args:
        launch: What to start in it.
        search: Folders to find `bwrap` in, with colons; the environment is not asked.

    Raises:
        ConfigError: The configuration requires a sandbox and the trial run fails.
    """
    if launch.sandbox == "off":
        return []
    bwrap = shutil.which("bwrap", path=search)
    reason = "bwrap is not installed"
    if bwrap is not None:
        prefix = sandbox_command(launch, bwrap)
        reason = await _try(prefix, launch.python)
        if not reason:
            return prefix
    if launch.sandbox == "require":
        raise ConfigError(f"enclave.sandbox is require, but {reason}")
    log.warning("enclave_not_sandboxed", reason=reason)
    return []


async def _try(prefix: Sequence[str], python: Path) -> str:
    """Why a trial run fails; empty if it does not."""
    # A file, not a pipe: what a sandbox has just begun does not die with it yet, and while that
    # held a pipe, no wait for the process would end.
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *(*prefix, str(python), "-I", "-c", ""),
            env=_ENVIRONMENT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            return "its trial run did not end within 10 s"
        finally:
            # A daemon that is stopped meanwhile leaves no process behind either.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        errors.seek(0)
        stderr = errors.read()
    if process.returncode == 0:
        return ""
    lines = stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    return f"its trial run failed: {lines[-1][:200]}"


@asynccontextmanager
async def run_enclave(
    launch: EnclaveLaunch, *, start_s: float = START_S, stop_s: float = STOP_S
) -> AsyncIterator[Enclave]:
    """Start the enclave, say hello, and stop it in the end.

    Args:
        launch: How.
        start_s: Limit until it listens.
        stop_s: Limit of each way to end it: asking, terminating, killing.

    Raises:
        EnclaveLost: It ended or did not answer; its last line of output is in the log.
        ConfigError: A required sandbox is not available, or a path does not exist.
    """
    for path in (launch.python, launch.source, launch.silicon, launch.extra_ca):
        if path is not None and not path.exists():
            raise ConfigError(f"the enclave needs {path}, which does not exist")
    launch.listen_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    listen = launch.listen_dir / SOCKET_NAME
    listen.unlink(missing_ok=True)
    prefix = await find_sandbox(launch)
    loop = asyncio.get_running_loop()
    transport, output = await loop.subprocess_exec(
        _Output,
        *prefix,
        *enclave_command(launch),
        stdin=asyncio.subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
        preexec_fn=None if prefix else _die_with_parent(),
    )
    client = None
    try:
        await output.listening(start_s)
        client = await EnclaveClient.connect(f"unix:{listen}")
        hello = await client.hello()
        log.info(
            "enclave_started",
            signer="0x" + hello.signer.hex(),
            attester=hello.attester,
            version=hello.version,
            sandboxed=bool(prefix),
        )
        yield Enclave(client, hello, transport.get_pid(), bool(prefix), f"unix:{listen}")
    finally:
        await _stop(transport, output, client, stop_s)


async def _stop(
    transport: asyncio.SubprocessTransport,
    output: "_Output",
    client: EnclaveClient | None,
    stop_s: float,
) -> None:
    """Ask, then terminate, then kill."""
    try:
        if client is not None:
            with suppress(EnclaveLost, TimeoutError):
                async with asyncio.timeout(stop_s):
                    await client.shutdown()
            await client.close()
        for ask in (None, transport.terminate, transport.kill):
            if ask is not None:
                with suppress(ProcessLookupError):
                    ask()
            if await output.ended(stop_s if client is not None or ask else 0):
                break
    finally:
        with suppress(ProcessLookupError):
            transport.kill()
        transport.close()


def _die_with_parent() -> Callable[[], None]:
    """What the child runs before exec, so that it never outlives the daemon."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def set_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return set_signal


class _Output(asyncio.SubprocessProtocol):
    """Reads the enclave's output: one JSON line that says it listens, then logs."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._listening: asyncio.Future[None] = loop.create_future()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._partial = {1: b"", 2: b""}
        self._last = ""

    async def listening(self, timeout_s: float) -> None:
        """Wait for the line that says it listens."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._listening
        except TimeoutError as error:
            raise EnclaveLost(f"the enclave did not start within {timeout_s:g} s") from error

    async def ended(self, timeout_s: float) -> bool:
        """Whether it ends within this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._exited)
        return self._exited.done()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        *lines, rest = (self._partial[fd] + cast(bytes, data)).split(b"\n")
        self._partial[fd] = rest[-_MAX_LINE:]
        for line in lines:
            self._line(fd, line[:_MAX_LINE].decode(errors="replace"))

    def _line(self, fd: int, line: str) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._last = line.strip() or self._last
            log.warning("enclave_output", line=line[:500])
        elif fd == 1 and event.get("event") == "listening":
            if not self._listening.done():
                self._listening.set_result(None)
        else:
            self._log(event)

    def _log(self, event: dict[str, object]) -> None:
        name = str(event.pop("event", "unnamed"))
        level = str(event.pop("level", "info"))
        if level in ("warning", "error"):
            self._last = f"{name} {event.get('error', '')} {event.get('message', '')}".strip()
        # What the enclave says of a good round, the host says too.
        emit = {"warning": log.warning, "error": log.error}.get(level, log.debug)
        emit("enclave_log", enclave_event=name, detail=event)

    def process_exited(self) -> None:
        if not self._exited.done():
            self._exited.set_result(None)
        if not self._listening.done():
            reason = f": {self._last[:300]}" if self._last else ""
            self._listening.set_exception(EnclaveLost(f"the enclave ended at its start{reason}"))
            # Nobody may be waiting any more; the error has then been reported otherwise.
            self._listening.exception()


def default_enclave_python() -> Path:
    """`.venv-enclave` beside the virtual environment that this process runs in."""
    return Path(sys.prefix).parent / ".venv-enclave" / "bin" / "python"
