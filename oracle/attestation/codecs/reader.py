"""Bytes from the front, little-endian: what is missing is said, nothing is padded."""

from enclave.domain.errors import MalformedEvidence


class Reader:
    """Takes bytes apart from the front.

    Args:
        raw: All of them.
        offset: Where they begin in the file that they are part of, for `position`.
    """

    def __init__(self, raw: bytes, *, offset: int = 0) -> None:
        self._raw = raw
        self._offset = offset
        self._at = 0

    @property
    def position(self) -> int:
        """Offset of the next byte within the file."""
        return self._offset + self._at

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._raw) - self._at

    def take(self, size: int, what: str) -> bytes:
        """The next bytes.

        Raises:
            MalformedEvidence: There are fewer.
        """
        end = self._at + size
        if end > len(self._raw):
            raise MalformedEvidence(f"{what} ends at {len(self._raw)}, wanted {end}")
        part = self._raw[self._at : end]
        self._at = end
        return part

    def u8(self, what: str) -> int:
        """One byte.

        Raises:
            MalformedEvidence: There is none.
        """
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        """Two bytes.

        Raises:
            MalformedEvidence: There are fewer.
        """
        return int.from_bytes(self.take(2, what), "little")

    def u32(self, what: str) -> int:
        """Four bytes.

        Raises:
            MalformedEvidence: There are fewer.
        """
        return int.from_bytes(self.take(4, what), "little")

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.take(self.left, "rest")

    def end(self, what: str) -> None:
        """Expect that nothing is left.

        Raises:
            MalformedEvidence: Something is.
        """
        if self.left:
            raise MalformedEvidence(f"{what} has {self.left} bytes left over")
