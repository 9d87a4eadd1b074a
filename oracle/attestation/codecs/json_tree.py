"""JSON as a tree, for people."""

from oracle.attestation.codecs.strict_json import Json, compact
from oracle.attestation.codecs.tree import Node


def json_node(name: str, value: Json) -> Node:
    """A value and what is in it, each member under its name or number; without offsets."""
    if isinstance(value, dict):
        return Node(name, children=tuple(json_node(key, value[key]) for key in value))
    if isinstance(value, list):
        members = (json_node(str(number), member) for number, member in enumerate(value))
        return Node(name, children=tuple(members))
    return Node(name, value if isinstance(value, str) else compact(value))
