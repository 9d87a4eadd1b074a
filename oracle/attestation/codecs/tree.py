"""Evidence as a tree with offsets, for people: what `oracle attest show` prints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A field, or a group of them.

    Attributes:
        name: As the format's document calls it.
        value: For people: number, hexadecimal digits, text, date; empty for a group.
        offset: First byte within the file named by the nearest ancestor without an offset;
            None where the field has no place of its own (JSON, decoded CBOR).
        size: In bytes; None where `offset` is.
        note: What it means, if the value does not say it.
        children: Fields of a group.
    """

    name: str
    value: str = ""
    offset: int | None = None
    size: int | None = None
    note: str = ""
    children: tuple["Node", ...] = ()
