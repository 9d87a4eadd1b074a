from oracle.attestation.codecs.json_tree import json_node
from oracle.attestation.codecs.tree import Node


def test_members_stand_under_their_names_and_numbers() -> None:
    assert json_node("file", {"a": ["text", {"b": True}], "c": None}) == Node(
        "file",
        children=(
            Node("a", children=(Node("0", "text"), Node("1", children=(Node("b", "true"),)))),
            Node("c", "null"),
        ),
    )
