import cbor2

from oracle.attestation.codecs import cbor
from oracle.attestation.codecs.cbor_tree import names_of, node_of
from oracle.attestation.codecs.tree import Node


def test_names_are_found_by_their_keys() -> None:
    assert names_of({"one": 1, "two": "b"}, {"three": 3}) == {1: "one", "b": "two", 3: "three"}


def test_a_tree_names_what_it_knows_and_shows_everything() -> None:
    raw = cbor2.dumps({1: [b"\x01", "a", True, False, None, -7], "x": {}, 2: cbor2.CBORTag(18, [])})
    item = cbor.decode(raw, tags=frozenset({18}))
    tree = node_of("it", item, {1: "list"})
    listed, x, tagged = tree.children
    assert (tree.offset, tree.size, tree.value) == (0, len(raw), "")
    assert [one.value for one in listed.children] == ["01", "a", "true", "false", "null", "-7"]
    assert [one.name for one in listed.children] == [f"[{i}]" for i in range(6)]
    assert (listed.name, x.name, x.value, tagged.name) == ("list", "x", "empty", "2")
    assert tagged.children == (Node("tag 18", "empty", len(raw) - 1, 1),)


def test_a_text_that_could_confuse_a_terminal_is_shown_escaped() -> None:
    assert node_of("it", cbor.decode(cbor2.dumps("a\x1b[2J")), {}).value == r"'a\x1b[2J'"
