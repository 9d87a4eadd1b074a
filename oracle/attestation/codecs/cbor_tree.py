"""CBOR as a tree for people, with the names that a format's document gives to keys."""

from collections.abc import Mapping

from oracle.attestation.codecs.cbor import Item, Label, Tagged, Value
from oracle.attestation.codecs.tree import Node


def names_of(*tables: Mapping[str, Label]) -> dict[Label, str]:
    """Key -> name, of tables that have no key in common."""
    return {label: name for table in tables for name, label in table.items()}


def node_of(name: str, item: Item, names: Mapping[Label, str]) -> Node:
    """An item as a tree for people, in full.

    Args:
        name: What it is.
        item: Decoded.
        names: Keys of maps -> what the format calls them; a key without a name stands for itself.
    """
    value = item.value
    children: tuple[Node, ...] = ()
    if isinstance(value, dict):
        children = tuple(
            node_of(names.get(label, str(label)), entry, names) for label, entry in value.items()
        )
    elif isinstance(value, tuple):
        children = tuple(node_of(f"[{i}]", entry, names) for i, entry in enumerate(value))
    elif isinstance(value, Tagged):
        children = (node_of(f"tag {value.number}", value.item, names),)
    return Node(
        name,
        "" if children else _spoken(value),
        item.offset,
        item.end - item.offset,
        children=children,
    )


def _spoken(value: Value) -> str:
    match value:
        case bytes():
            return value.hex()
        case str():
            return value if value.isprintable() else repr(value)
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case None:
            return "null"
    return "empty"
