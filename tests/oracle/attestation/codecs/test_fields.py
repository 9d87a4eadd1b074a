import pytest

from oracle.attestation.codecs.fields import Fields
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed


def test_fields_are_read_and_kept_with_their_offsets() -> None:
    fields = Fields(bytes.fromhex("0102 05 0003aabbcc ff"), "THING", order="big")
    assert fields.number("count", 2, "of things") == 0x0102
    assert fields.choice("kind", 1, {5: "five"}) == "five"
    with fields.group("inner"):
        assert fields.sized("name", at_most=3) == bytes.fromhex("aabbcc")
    assert fields.take("last", 1) == b"\xff"
    fields.end()
    assert fields.nodes == [
        Node("count", "258", 0, 2, "of things"),
        Node("kind", "0x5", 2, 1, "five"),
        Node("inner", "", 3, 5, children=(Node("name", "aabbcc", 5, 3),)),
        Node("last", "ff", 8, 1),
    ]


def test_the_order_of_bytes_is_the_formats() -> None:
    assert Fields(b"\1\2", "THING", order="little").number("count", 2) == 0x0201


def test_what_does_not_fit_is_refused_by_name() -> None:
    fields = Fields(b"\0\4abc", "THING", order="big")
    with pytest.raises(Malformed, match="THING long: seen 5 bytes, wanted 6 or more"):
        fields.take("long", 6)
    with pytest.raises(Malformed, match="THING kind: seen 0x4, wanted 0x1 or 0x2"):
        fields.choice("kind", 2, {1: "a", 2: "b"})
    with pytest.raises(Malformed, match="THING text: seen 4 bytes, wanted at most 3"):
        fields.sized("text", at_most=3)
    with pytest.raises(Malformed, match="THING text: seen 5 bytes, wanted 6 or more"):
        fields.sized("text", at_most=4)
    assert fields.take("all", 3) == b"abc"


def test_bytes_left_over_are_refused() -> None:
    fields = Fields(b"ab", "THING", order="big")
    fields.take("one", 1)
    with pytest.raises(Malformed, match="THING end: seen 2 bytes, wanted 1"):
        fields.end()
