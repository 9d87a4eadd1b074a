"""Change lists in the operator's configuration file: comments and everything else stay."""

import fcntl
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from enclave.domain.errors import ConfigError

_HEADER = re.compile(r"\s*\[")


def set_lists(text: str, section: str, lists: Mapping[str, Sequence[str]], *, source: str) -> str:
    """The same file with other lists of text in one section; an empty list is left out.

    The result is read again: nothing but the wished keys may differ.

    Args:
        text: TOML.
        section: Name of a table.
        lists: Key -> texts.
        source: Name of the file, for messages.

    Raises:
        ConfigError: The section is written in a way that this cannot edit.
    """
    lines = text.splitlines()
    start, end = _section(lines, section)
    if start < 0:
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        start = end = len(lines)
    for key, values in lists.items():
        at, after = _assignment(lines, start, end, key)
        new = [_written(key, values)] if values else []
        lines[at:after] = new
        end += len(new) - (after - at)
    changed = "\n".join(lines) + "\n"
    if _read(changed) != _wanted(text, section, lists):
        raise ConfigError(
            f"{source}: section {section} is written in a form that cannot be edited by program:"
            " edit it by hand"
        )
    return changed


def _wanted(text: str, section: str, lists: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    values = _read(text)
    table = dict(values.get(section, {}))
    for key, items in lists.items():
        table.pop(key, None)
        if items:
            table[key] = list(items)
    return values | {section: table}


def _read(text: str) -> dict[str, Any]:
    """The file's values; empty for what is no TOML."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError:
        return {}


def _written(key: str, values: Sequence[str]) -> str:
    items = ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
    return f"{key} = [{items}]"


def _section(lines: Sequence[str], section: str) -> tuple[int, int]:
    """First and last line (exclusive) of the table's content; -1 if there is no such table."""
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?")
    for number, line in enumerate(lines):
        if header.fullmatch(line):
            end = number + 1
            while end < len(lines) and not _begins_table(lines[number + 1 : end + 1]):
                end += 1
            return number + 1, end
    return -1, -1


def _begins_table(lines: Sequence[str]) -> bool:
    """Whether the last line is the header of another table, not a line inside of an array."""
    if not _HEADER.match(lines[-1]):
        return False
    try:
        tomllib.loads("\n".join(lines[:-1]))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _assignment(lines: Sequence[str], start: int, end: int, key: str) -> tuple[int, int]:
    """Lines of `key = …` in a table, or where it may be put (two times the same)."""
    begin = re.compile(rf"\s*(\"{re.escape(key)}\"|'{re.escape(key)}'|{re.escape(key)})\s*=")
    for number in range(start, end):
        if not begin.match(lines[number]):
            continue
        for after in range(number + 1, end + 1):
            with suppress(tomllib.TOMLDecodeError):
                tomllib.loads("\n".join(lines[number:after]))
                return number, after
    return start, start


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One edit at a time in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace_config(path: Path, before: str, after: str) -> None:
    """Put a new text in the place of the configuration file, at once and for good.

    Owner and mode stay. Whoever reads the file gets the one text or the other, whole.

    Args:
        path: The file; a link is followed.
        before: What was read; if the file holds something else by now it is left alone.
        after: The new text.

    Raises:
        ConfigError: It was changed meanwhile, or cannot be written.
    """
    target = path.resolve()
    try:
        with _alone(target.parent):
            if target.read_text(encoding="utf-8") != before:
                raise ConfigError(f"{path} was changed meanwhile: nothing was written; try again")
            _write(target, after)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def _write(target: Path, text: str) -> None:
    status = target.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, status.st_mode & 0o7777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
