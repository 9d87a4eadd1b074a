"""The process starts clean or not at all."""

import ctypes
import errno
import os
import resource
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest

from enclave.domain.errors import ConfigError
from enclave.hardening import (
    ENVIRONMENT,
    PR_GET_DUMPABLE,
    PR_GET_NO_NEW_PRIVS,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    enter_clean_process,
    harden,
    load_prctl,
)


@dataclass
class Flags:
    isolated: int = 1
    ignore_environment: int = 1
    dont_write_bytecode: int = 1


class Replaced(Exception):
    """The process would be another one now."""


def replace(path: str, command: list[str], environment: dict[str, str]) -> NoReturn:
    raise Replaced(path, command, environment)


def enter(environment: dict[str, str], flags: Flags | None = None) -> None:
    enter_clean_process(environment, ["--tee", "tdx"], flags=flags or Flags(), replace=replace)


def test_a_clean_process_goes_on() -> None:
    enter(dict(ENVIRONMENT))


@pytest.mark.parametrize(
    ("environment", "flags"),
    [
        ({}, Flags()),
        ({"PATH": "/bin", "LC_ALL": "C.UTF-8"}, Flags()),
        ({"LD_PRELOAD": "x.so", "PYTHONPATH": "/evil", "SSLKEYLOGFILE": "/k"}, Flags()),
        ({}, Flags(isolated=0)),
        ({}, Flags(ignore_environment=0)),
        ({}, Flags(dont_write_bytecode=0)),
    ],
)
def test_any_other_process_is_replaced_by_a_clean_one(
    environment: dict[str, str], flags: Flags
) -> None:
    with pytest.raises(Replaced) as caught:
        enter(environment, flags)
    path, command, literal = caught.value.args
    assert path == sys.executable
    assert command == [sys.executable, "-I", "-E", "-B", "-m", "enclave", "--tee", "tdx"]
    assert literal == ENVIRONMENT


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({"LD_PRELOAD": "x.so"}, Flags()),
        ({"TZ": "Mars"}, Flags()),
        ({}, Flags(isolated=0)),
    ],
)
def test_a_process_that_claims_to_be_clean_and_is_not_does_not_start(
    changes: dict[str, str], flags: Flags
) -> None:
    with pytest.raises(ConfigError, match="CONFIDENTIAL_ORACLE_ENVIRONMENT"):
        enter(ENVIRONMENT | changes, flags)


class Kernel:
    """Remembers what it is told."""

    def __init__(self, **stuck: int) -> None:
        self.dumpable = 1
        self.no_new_privileges = 0
        self.limits: dict[int, tuple[int, int]] = {}
        self._stuck = stuck

    def limit(self, kind: int, value: tuple[int, int]) -> None:
        self.limits[kind] = value

    def prctl(self, option: int, argument: int) -> int:
        if option == PR_SET_DUMPABLE:
            self.dumpable = self._stuck.get("dumpable", argument)
        if option == PR_SET_NO_NEW_PRIVS:
            self.no_new_privileges = self._stuck.get("no_new_privileges", argument)
        answers = {PR_GET_DUMPABLE: self.dumpable, PR_GET_NO_NEW_PRIVS: self.no_new_privileges}
        return answers.get(option, 0)


def test_no_core_dump_no_dumping_no_new_privileges() -> None:
    kernel = Kernel()
    harden(prctl=kernel.prctl, limit=kernel.limit)
    assert kernel.limits == {resource.RLIMIT_CORE: (0, 0)}
    assert (kernel.dumpable, kernel.no_new_privileges) == (0, 1)


@pytest.mark.parametrize("stuck", [{"dumpable": 1}, {"no_new_privileges": 0}])
def test_a_kernel_that_does_not_obey_is_noticed(stuck: dict[str, int]) -> None:
    kernel = Kernel(**stuck)
    with pytest.raises(ConfigError, match=r"wanted \(0, 1\)"):
        harden(prctl=kernel.prctl, limit=kernel.limit)


def test_prctl_is_the_kernels() -> None:
    prctl: Any = load_prctl()
    assert prctl(PR_GET_DUMPABLE, 0) in (0, 1, 2)
    assert prctl(PR_GET_NO_NEW_PRIVS, 0) in (0, 1)
    assert prctl(-1, 0) == -1
    assert ctypes.get_errno() == errno.EINVAL, os.strerror(ctypes.get_errno())
