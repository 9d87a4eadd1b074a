"""The process itself: a literal environment, no core dumps, nobody may look in or gain rights.

This guards against accidents and against the emulated platform's lack of a wall. What the host
puts into memory before the first instruction (`LD_PRELOAD`, a foreign interpreter) is measured by
the platform, not caught here.
"""

import ctypes
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, Protocol

from enclave.domain.errors import ConfigError

_MARK = "CONFIDENTIAL_ORACLE_ENVIRONMENT"
#: All that the process may read from its environment. A complete locale keeps the interpreter
#: from adding one.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC", _MARK: "literal"}
#: Isolated (no user site, no working directory on the path), no `PYTHON*` variables, no bytecode.
INTERPRETER_FLAGS = ("-I", "-E", "-B")

#: `linux/prctl.h`.
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39


class Flags(Protocol):
    """What of `sys.flags` matters."""

    @property
    def isolated(self) -> int:
        """1 under `-I`."""
        ...

    @property
    def ignore_environment(self) -> int:
        """1 under `-E`."""
        ...

    @property
    def dont_write_bytecode(self) -> int:
        """1 under `-B`."""
        ...


def enter_clean_process(
    environment: Mapping[str, str],
    arguments: Sequence[str],
    *,
    flags: Flags,
    replace: Callable[[str, list[str], dict[str, str]], NoReturn],
) -> None:
    """Return only in a process with the literal environment and interpreter flags.

    Otherwise replace the process by one that has them; the interpreter stays the same.

    Args:
        environment: As inherited.
        arguments: Of the command line, without the program.
        flags: `sys.flags`.
        replace: `os.execve`.

    Raises:
        ConfigError: The replaced process is not clean either.
    """
    is_isolated = flags.isolated and flags.ignore_environment and flags.dont_write_bytecode
    if is_isolated and dict(environment) == ENVIRONMENT:
        return
    if _MARK in environment:
        raise ConfigError(f"environment sets {_MARK}, which only the enclave itself may")
    command = [sys.executable, *INTERPRETER_FLAGS, "-m", "enclave", *arguments]
    replace(sys.executable, command, dict(ENVIRONMENT))


def harden(
    *,
    prctl: Callable[[int, int], int],
    limit: Callable[[int, tuple[int, int]], None],
) -> None:
    """No core dump, not dumpable, no new privileges; then ask the kernel whether it is so.

    Args:
        prctl: From `load_prctl`.
        limit: `resource.setrlimit`.

    Raises:
        ConfigError: The kernel says otherwise.
    """
    limit(resource.RLIMIT_CORE, (0, 0))
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    seen = (prctl(PR_GET_DUMPABLE, 0), prctl(PR_GET_NO_NEW_PRIVS, 0))
    if seen != (0, 1):
        raise ConfigError(f"dumpable and no-new-privileges are {seen}, wanted (0, 1)")


def load_prctl() -> Callable[[int, int], int]:
    """The C library's `prctl` for one number argument; the kernel wants the others zero."""
    function = ctypes.CDLL(None, use_errno=True).prctl
    function.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    function.restype = ctypes.c_int

    def prctl(option: int, argument: int) -> int:
        return int(function(option, argument, 0, 0, 0))

    return prctl
