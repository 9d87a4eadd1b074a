"""What tests of fixed layouts share: changed bytes, and trees that must say where fields are."""

from oracle.attestation.codecs.tree import Node


def replaced(raw: bytes, at: int, digits: str) -> bytes:
    """The same bytes but for some at an offset, in hexadecimal digits."""
    new = bytes.fromhex(digits)
    return raw[:at] + new + raw[at + len(new) :]


def check_places(tree: Node, raw: bytes) -> None:
    """That fields do not overlap, hold the digits that they show, and reach the end."""
    position = 0
    for leaf in _leaves(tree):
        assert leaf.offset is not None
        assert leaf.size is not None
        assert leaf.offset >= position, leaf
        position = leaf.offset + leaf.size
        content = raw[leaf.offset : position]
        assert len(content) == leaf.size
        if leaf.size > 8 and len(leaf.value) == 2 * leaf.size:
            assert leaf.value == content.hex()
    assert position == len(raw)


def unnamed(value: object) -> str | None:
    """An id for parameters of random bytes, which would differ between the workers of one run."""
    return "bytes" if isinstance(value, bytes) else None


def _leaves(node: Node) -> list[Node]:
    if not node.children:
        return [node]
    return [leaf for child in node.children for leaf in _leaves(child)]
