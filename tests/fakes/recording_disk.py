"""What SQLite does to its files, told call by call, as the system is told: writes, barriers, ends.

SQLite reaches the disk through a table of functions (its VFS), and `ctypes` reaches that table in
the very library which Python's module `sqlite3` has loaded. `record` puts itself in front of the
functions that change a file; they do what they always do. What the journal's processes share in
memory (`-shm`) is no file to a crash: SQLite makes it anew.

Reference:
    SQLite, "The SQLite OS Interface or VFS"; `sqlite3_vfs` and `sqlite3_io_methods` of sqlite3.h.
"""

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_OPEN_FOLDER = CFUNCTYPE(c_int, c_char_p, c_void_p)
_GET_CALL = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
_SET_CALL = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)


class _Vfs(Structure):
    """`sqlite3_vfs`; the functions that nobody stands in front of are copied."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("others", c_void_p * 11),
        ("set_call", _SET_CALL),
        ("get_call", _GET_CALL),
        ("next_call", c_void_p),
    ]


class _Methods(Structure):
    """`sqlite3_io_methods`."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("others", c_void_p * 13),
    ]


class _File(Structure):
    """`sqlite3_file`, whose rest is the system's."""

    _fields_: ClassVar = [("methods", POINTER(_Methods))]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: `write`, `truncate`, `sync` or `delete` of a file; `sync-folder`; or a mark of the
            recorder's.
        name: Of the file, without its folder; empty for what is of none.
        offset: Of a write, bytes; the size after a truncation.
        data: What was written.
    """

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""

    def encode(self) -> str:
        """In one line."""
        return f"{self.kind} {self.name} {self.offset} {self.data.hex()}"

    @classmethod
    def decode(cls, line: str) -> Self:
        """The reverse of `encode`."""
        kind, name, offset, data = line.rstrip("\n").split(" ")
        return cls(kind, name, int(offset), bytes.fromhex(data))


class NoVfs(Exception):
    """This Python's SQLite does not show its functions."""


@dataclass(slots=True)
class _Recorder:
    """Stands in front of the system's functions; must outlive every connection."""

    tell: Callable[[Event], None]
    system: Any
    names: dict[int, str]
    kept: list[Any]
    methods: dict[int, _Methods]

    def open(self, _vfs: int, path: int, file: int, flags: int, out: int) -> int:
        """`xOpen`: its file is told of from now on; temporary ones have no name."""
        status = int(self.system.open(ctypes.addressof(self.system), path, file, flags, out))
        if status == 0 and path:
            self.names[file] = Path(ctypes.string_at(path).decode()).name
            opened = _File.from_address(file)
            real = opened.methods.contents
            kind = ctypes.addressof(real)
            if kind not in self.methods:
                self.methods[kind] = self._in_front_of(real)
            opened.methods = ctypes.pointer(self.methods[kind])
        return status

    def delete(self, _vfs: int, path: bytes, is_synced: int) -> int:
        """`xDelete`."""
        self.tell(Event("delete", Path(path.decode()).name))
        return int(self.system.delete(ctypes.addressof(self.system), path, is_synced))

    def watch_folders(self) -> None:
        """SQLite opens a folder for nothing else than its barrier: of names made and deleted."""
        here, name = ctypes.addressof(self.system), b"openDirectory"
        real = _OPEN_FOLDER(self.system.get_call(here, name))

        def open_folder(path: bytes, out: int) -> int:
            status = int(real(path, out))
            if status == 0:
                self.tell(Event("sync-folder", ""))
            return status

        mine = _OPEN_FOLDER(open_folder)
        self.kept += [real, mine]
        assert self.system.set_call(here, name, ctypes.cast(mine, c_void_p)) == 0

    def _in_front_of(self, real: _Methods) -> _Methods:
        """The methods of a kind of file: database, or journal of either sort."""

        def write(file: int, data: int, size: int, offset: int) -> int:
            self.tell(Event("write", self.names[file], offset, ctypes.string_at(data, size)))
            return int(real.write(file, data, size, offset))

        def truncate(file: int, size: int) -> int:
            self.tell(Event("truncate", self.names[file], size))
            return int(real.truncate(file, size))

        def sync(file: int, flags: int) -> int:
            status = int(real.sync(file, flags))
            if status == 0:
                self.tell(Event("sync", self.names[file]))
            return status

        mine = _Methods.from_buffer_copy(real)
        mine.write, mine.truncate, mine.sync = _WRITE(write), _TRUNCATE(truncate), _SYNC(sync)
        self.kept.append(real)
        return mine


def record(tell: Callable[[Event], None]) -> object:
    """Tell of everything that connections do to their files from now on, in this whole process.

    Args:
        tell: Told of each before it is done, of barriers after it; must not raise.

    Returns:
        What must be kept as long as there are connections.

    Raises:
        NoVfs: SQLite is part of a Python that hides it.
    """
    import _sqlite3

    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        find, register = library.sqlite3_vfs_find, library.sqlite3_vfs_register
    except AttributeError as error:
        raise NoVfs("this Python hides its SQLite") from error
    find.restype = POINTER(_Vfs)
    system = find(None).contents
    recorder = _Recorder(tell, system, {}, [], {})
    vfs = _Vfs.from_buffer_copy(system)
    vfs.name = b"recording"
    vfs.open, vfs.delete = _OPEN(recorder.open), _DELETE(recorder.delete)
    recorder.kept += [library, system, vfs]
    recorder.watch_folders()
    assert register(byref(vfs), 1) == 0
    return recorder
