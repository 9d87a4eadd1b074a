"""Reads fixed layouts field by field, and keeps what it read as a tree with offsets.

One pass serves both: the decoder gets values, `show` gets the nodes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeVar

from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed, Remedy

_Meaning = TypeVar("_Meaning")


class Fields:
    """Takes fields from the front of a structure.

    Every method names the field as the format's document does, and refuses with that name.

    Attributes:
        nodes: The fields read so far, in order.
    """

    def __init__(self, raw: bytes, what: str, *, order: Literal["big", "little"]) -> None:
        """`what` is the structure's name, for refusals; `order` that of its numbers."""
        self.nodes: list[Node] = []
        self._raw = raw
        self._what = what
        self._order = order
        self._at = 0

    def take(self, name: str, size: int, note: str = "") -> bytes:
        """The next `size` bytes.

        Raises:
            Malformed: Fewer are left.
        """
        at = self._at
        part = self._peek(name, size)
        self._at += size
        self.nodes.append(Node(name, part.hex(), at, size, note))
        return part

    def number(self, name: str, size: int, note: str = "") -> int:
        """The next `size` bytes as an unsigned number.

        Raises:
            Malformed: Fewer are left.
        """
        at = self._at
        value = int.from_bytes(self._peek(name, size), self._order)
        self._at += size
        self.nodes.append(Node(name, str(value), at, size, note))
        return value

    def choice(self, name: str, size: int, meanings: Mapping[int, _Meaning]) -> _Meaning:
        """What the next `size` bytes mean.

        Raises:
            Malformed: Fewer are left, or a number that is not among the meanings.
        """
        at = self._at
        value = int.from_bytes(self._peek(name, size), self._order)
        if value not in meanings:
            raise self.malformed(
                name, f"{value:#x}", " or ".join(f"{known:#x}" for known in meanings)
            )
        self._at += size
        meaning = meanings[value]
        self.nodes.append(Node(name, f"{value:#x}", at, size, str(meaning)))
        return meaning

    def sized(self, name: str, *, at_most: int) -> bytes:
        """Bytes after their own two-byte count.

        Raises:
            Malformed: The count is over the bound, or fewer bytes are left.
        """
        size = int.from_bytes(self._peek(name, 2), self._order)
        if size > at_most:
            raise self.malformed(name, f"{size} bytes", f"at most {at_most}")
        self._at += 2
        return self.take(name, size)

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        """Put the fields read inside under one node."""
        start, outer = self._at, self.nodes
        self.nodes = []
        yield
        outer.append(Node(name, "", start, self._at - start, children=tuple(self.nodes)))
        self.nodes = outer

    def end(self) -> None:
        """That nothing is left.

        Raises:
            Malformed: Something is.
        """
        if self._at != len(self._raw):
            raise self.malformed("end", f"{len(self._raw)} bytes", f"{self._at}")

    def malformed(self, name: str, seen: str, wanted: str) -> Malformed:
        """The refusal of a field."""
        return Malformed(seen, wanted, subject=f"{self._what} {name}", remedy=Remedy.NEW_EVIDENCE)

    def _peek(self, name: str, size: int) -> bytes:
        end = self._at + size
        if end > len(self._raw):
            raise self.malformed(
                name, f"{len(self._raw)} bytes", f"{end} or more (field at {self._at})"
            )
        return self._raw[self._at : end]
