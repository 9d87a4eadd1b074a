"""Strict CBOR with offsets: the subset that attestation documents and tokens are written in.

What a lenient decoder lets through, and two verifiers may read differently, is refused: repeated
map keys, numbers in longer form than needed, bytes after the item, floats, simple values other than
false, true and null, tags that the caller did not name, keys other than numbers and texts. Sizes,
depth and the number of items are bounded, so that hostile input costs little. `cbor2` allows most
of that and tells no offsets, which `show` needs.

Reference: RFC 8949, sections 3, 4.1 and 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from oracle.attestation.findings import Malformed, Remedy

MAX_SIZE: Final = 65_536
#: Items within items.
MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 2_048

#: A map's key.
Label = int | str

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
#: Stands for the length of an array or a map that ends with a break.
_NO_LENGTH: Final = -1
_BREAK: Final = b"\xff"
_SIMPLES: Final = {20: False, 21: True, 22: None}
#: Bytes that follow the initial one -> the least number that needs them.
_LEAST: Final = {1: 24, 2: 2**8, 4: 2**16, 8: 2**32}


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag and what it stands before."""

    number: int
    item: "Item"


#: How the kinds of values are called in refusals.
_KINDS: Final[Mapping[type, str]] = {
    int: "a number",
    bytes: "a byte string",
    str: "a text",
    bool: "a boolean",
    type(None): "null",
    tuple: "an array",
    dict: "a map",
    Tagged: "a tag",
}
Value = int | bytes | str | bool | None | tuple["Item", ...] | dict[Label, "Item"] | Tagged


@dataclass(frozen=True, slots=True)
class Item:
    """One data item.

    Attributes:
        value: Decoded; arrays and maps hold items.
        offset: Of its first byte, the head, in the bytes given to `decode`.
        end: Of the first byte after it.
    """

    value: Value
    offset: int
    end: int


def decode(
    raw: bytes,
    *,
    start: int = 0,
    end: int | None = None,
    tags: frozenset[int] = frozenset(),
    allow_indefinite: bool = False,
) -> Item:
    """Read exactly one item.

    Args:
        raw: The whole file; offsets count from its first byte.
        start: Where the item begins.
        end: Where it must end; the end of the file unless given.
        tags: Tags that may occur.
        allow_indefinite: Whether arrays and maps may have no stated length; texts and byte strings
            never.

    Returns:
        The item. Numbers are -2**64 to 2**64 - 1.

    Raises:
        Malformed: Anything but one well-formed item of this subset that ends where it must; names
            the offset.
    """
    end = len(raw) if end is None else end
    if end - start > MAX_SIZE:
        raise _malformed(f"{end - start} bytes", f"at most {MAX_SIZE}", start)
    reader = _Reader(raw, start, end, tags, allow_indefinite)
    item = reader.read(depth=0)
    if item.end != end:
        raise _malformed(f"{end - item.end} bytes after the item", "none", item.end)
    return item


def _malformed(seen: str, wanted: str, offset: int) -> Malformed:
    return Malformed(seen, wanted, subject=f"CBOR at byte {offset}", remedy=Remedy.NEW_EVIDENCE)


class _Reader:
    """Where reading stands."""

    __slots__ = ("_allow_indefinite", "_at", "_end", "_items", "_raw", "_tags")

    def __init__(
        self, raw: bytes, at: int, end: int, tags: frozenset[int], allow_indefinite: bool
    ) -> None:
        self._raw = raw
        self._at = at
        self._end = end
        self._tags = tags
        self._allow_indefinite = allow_indefinite
        self._items = 0

    def read(self, *, depth: int) -> Item:
        """The next item."""
        offset = self._at
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise _malformed(
                f"depth {depth}, item {self._items}",
                f"depth of at most {MAX_DEPTH}, at most {MAX_ITEMS} items",
                offset,
            )
        major, info, argument = self._head()
        value: Value
        if major == _UNSIGNED:
            value = argument
        elif major == _NEGATIVE:
            value = -1 - argument
        elif major in (_BYTES, _TEXT):
            value = self._string(major, argument, offset)
        elif major == _SIMPLE:
            value = self._simple(info, offset)
        else:
            value = self._group(major, argument, depth, offset)
        return Item(value, offset, self._at)

    def _group(self, major: int, argument: int, depth: int, offset: int) -> Value:
        if major == _ARRAY:
            return self._array(argument, depth)
        if major == _MAP:
            return self._map(argument, depth)
        if argument not in self._tags:
            raise _malformed(f"tag {argument}", f"tags {sorted(self._tags)} only", offset)
        return Tagged(argument, self.read(depth=depth + 1))

    def _take(self, size: int) -> bytes:
        first = self._at
        if size > self._end - first:
            raise _malformed(f"{self._end - first} bytes left", f"{size} bytes", first)
        self._at = first + size
        return self._raw[first : first + size]

    def _head(self) -> tuple[int, int, int]:
        """Major type, additional information, argument."""
        offset = self._at
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 31
        if info < 24:
            return major, info, info
        if info < 28:
            size = 1 << info - 24
            argument = int.from_bytes(self._take(size))
            if major == _SIMPLE or argument < _LEAST[size]:
                raise _malformed(
                    f"{initial:#04x}, {argument}",
                    "no float, and every number in its shortest form",
                    offset,
                )
            return major, info, argument
        if info == 31 and major in (_ARRAY, _MAP) and self._allow_indefinite:
            return major, info, _NO_LENGTH
        raise _malformed(f"{initial:#04x}", "an item of stated length", offset)

    def _string(self, major: int, size: int, offset: int) -> bytes | str:
        content = self._take(size)
        if major == _BYTES:
            return content
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise _malformed("text that is not UTF-8", "UTF-8", offset) from error

    def _simple(self, info: int, offset: int) -> bool | None:
        if info not in _SIMPLES:
            raise _malformed(f"simple value {info}", "false, true or null", offset)
        return _SIMPLES[info]

    def _array(self, length: int, depth: int) -> tuple[Item, ...]:
        items: list[Item] = []
        while not self._is_complete(length, len(items)):
            items.append(self.read(depth=depth + 1))
        return tuple(items)

    def _map(self, length: int, depth: int) -> dict[Label, Item]:
        entries: dict[Label, Item] = {}
        while not self._is_complete(length, len(entries)):
            key = self.read(depth=depth + 1)
            label = key.value
            if isinstance(label, bool) or not isinstance(label, Label):
                raise mistyped(key, "key of a map", "a number or a text")
            if label in entries:
                raise _malformed(f"key {label!r} again", "each key once", key.offset)
            entries[label] = self.read(depth=depth + 1)
        return entries

    def _is_complete(self, length: int, have: int) -> bool:
        if length != _NO_LENGTH:
            return have == length
        if self._raw[self._at : min(self._at + 1, self._end)] == _BREAK:
            self._at += 1
            return True
        return False


@dataclass(frozen=True, slots=True)
class Fields:
    """A map whose entries are read by the names that the format's document gives them.

    Attributes:
        what: What the map is, for refusals.
        entries: The map.
        labels: Name -> key, for all that are known.
    """

    what: str
    entries: Mapping[Label, Item]
    labels: Mapping[str, Label]

    @property
    def unknown(self) -> tuple[Label, ...]:
        """Keys that the format does not have, in the map's order."""
        known = set(self.labels.values())
        return tuple(label for label in self.entries if label not in known)

    def get(self, name: str) -> Item | None:
        """An entry, or None if it is not there."""
        return self.entries.get(self.labels[name])

    def need(self, name: str) -> Item:
        """An entry.

        Raises:
            Malformed: It is not there.
        """
        item = self.get(name)
        if item is None:
            raise Malformed(
                f"{self.what} without {name}",
                f"{name} (key {self.labels[name]!r})",
                subject=name,
                remedy=Remedy.NEW_EVIDENCE,
            )
        return item


def byte_string(item: Item, name: str, sizes: Sequence[int]) -> bytes:
    """The bytes of an item.

    Raises:
        Malformed: Another type, or none of these sizes.
    """
    value = item.value
    if not isinstance(value, bytes):
        raise mistyped(item, name, "a byte string")
    if len(value) not in sizes:
        raise Malformed(
            f"{len(value)} bytes", _sizes(sizes), subject=name, remedy=Remedy.NEW_EVIDENCE
        )
    return value


def text(item: Item, name: str, sizes: Sequence[int] = range(1, 1_025)) -> str:
    """The text of an item; sizes are in characters.

    Raises:
        Malformed: Another type, or none of these sizes.
    """
    value = item.value
    if not isinstance(value, str):
        raise mistyped(item, name, "a text")
    if len(value) not in sizes:
        raise Malformed(
            f"{len(value)} characters", _sizes(sizes), subject=name, remedy=Remedy.NEW_EVIDENCE
        )
    return value


def integer(item: Item, name: str, values: Sequence[int]) -> int:
    """The number of an item.

    Raises:
        Malformed: Another type, or none of these values.
    """
    value = item.value
    if isinstance(value, bool) or not isinstance(value, int):
        raise mistyped(item, name, "a number")
    if value not in values:
        raise Malformed(value, _sizes(values), subject=name, remedy=Remedy.NEW_EVIDENCE)
    return value


def array(item: Item, name: str) -> tuple[Item, ...]:
    """The items of an array.

    Raises:
        Malformed: Another type.
    """
    if not isinstance(item.value, tuple):
        raise mistyped(item, name, "an array")
    return item.value


def mapping(item: Item, name: str) -> dict[Label, Item]:
    """The entries of a map.

    Raises:
        Malformed: Another type.
    """
    if not isinstance(item.value, dict):
        raise mistyped(item, name, "a map")
    return item.value


def mistyped(item: Item, name: str, wanted: str) -> Malformed:
    """The refusal of an item that is of another type than the format wants."""
    return Malformed(
        f"{_KINDS[type(item.value)]} at byte {item.offset}",
        wanted,
        subject=name,
        remedy=Remedy.NEW_EVIDENCE,
    )


def _sizes(sizes: Sequence[int]) -> str:
    if isinstance(sizes, range):
        return f"{sizes.start} to {sizes.stop - 1}"
    return " or ".join(map(str, sizes))
