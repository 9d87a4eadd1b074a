"""Where a running daemon can be found: a file that it keeps locked names process and health."""

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from enclave.domain.errors import ConfigError

NAME = "daemon.json"
_MAX_BYTES = 4_096
#: `struct flock` of 64-bit Linux: type, whence, start, length, process.
_FLOCK = "hhqqi4x"


@dataclass(frozen=True, slots=True)
class Presence:
    """A running daemon.

    Attributes:
        process_id: To send signals to.
        health: Base URL of `/ready`; empty before it is served.
    """

    process_id: int
    health: str


class Claim:
    """This process's hold of a runtime directory."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def say(self, health: str) -> None:
        """Write who holds it, and where its health is served."""
        text = json.dumps({"process_id": os.getpid(), "health": health}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)


@contextmanager
def claim(folder: Path) -> Iterator[Claim]:
    """Hold a runtime directory for the length of the block; the kernel gives it back in any case.

    Raises:
        ConfigError: Another daemon holds it, or it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"enclave.runtime_dir {folder}: {error.strerror}") from error
    try:
        try:
            # A lock of the open file, which who only asks for it does not take.
            fcntl.fcntl(
                descriptor, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
            )
        except (BlockingIOError, PermissionError) as error:
            raise ConfigError(
                f"another daemon works in enclave.runtime_dir {folder}: give each its own"
            ) from error
        held = Claim(descriptor)
        held.say("")
        yield held
    finally:
        os.close(descriptor)


def find_daemon(folder: Path) -> Presence | None:
    """The daemon that works in a runtime directory; `None` if there is none."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
        kind = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))[0]
        is_held = kind != fcntl.F_UNLCK
        return _parse(os.pread(descriptor, _MAX_BYTES, 0)) if is_held else None
    finally:
        os.close(descriptor)


def _parse(raw: bytes) -> Presence | None:
    try:
        fields = json.loads(raw)
        return Presence(int(fields["process_id"]), str(fields["health"]))
    except (ValueError, KeyError, TypeError):
        # It is being written just now.
        return None
