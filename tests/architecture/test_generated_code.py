"""Bytecode that no compiler makes is what its generator makes; the assembler does what it says."""

import subprocess
from pathlib import Path

import pytest

from scripts.evm.assembler import Assembler, Expression
from scripts.evm.solidity import libraries

_ROOT = Path(__file__).parents[2]
_GENERATED = _ROOT / "contracts" / "src" / "generated"


def test_committed_code_is_what_is_generated() -> None:
    assert libraries() == {path.stem: path.read_text() for path in _GENERATED.iterdir()}
    subprocess.run([_ROOT / "scripts" / "gen_evm", "--check"], check=True)


def _code(*statements: tuple[str, Expression], stack: str = "", drop: bool = True) -> str:
    code = Assembler({2**200: "long"})
    code.enter("start", stack.split())
    code.block(statements, drop=drop)
    return code.build().hex()[2:]


@pytest.mark.parametrize(
    ("statements", "stack", "wanted"),
    [
        # Operands are computed from the last to the first: PUSH1 2, PUSH0, SUB.
        ([("a", ("SUB", 0, 2))], "", "60025f0350"),
        # A value that stays is copied: DUP2, DUP2, ADD, and dropped if nobody asked for it.
        ([("c", ("ADD", "b", "a"))], "a b", "81810150"),
        # What the block made is taken from where it is.
        ([("a", 1), ("a2", ("NOT", "a")), ("", ("MSTORE", 0, "a2"))], "", "6001195f52"),
        # A value under the other operand serves as either where the order does not matter.
        ([("a", 1), ("b", ("MUL", "a", 2)), ("", ("MSTORE", 0, "b"))], "", "60016002025f52"),
        # and is exchanged with it where it does.
        (
            [("a", 1), ("b", ("SUB", "a", 2)), ("", ("MSTORE", 0, "b"))],
            "",
            "6001600290035f52",
        ),
        # A new content for what was there: SWAP1, POP.
        ([("a", ("NOT", "a"))], "a", "80199050"),
        # A long number from the stack.
        ([("", ("MSTORE", 2**200, 0))], "long", "5f8152"),
        # What it was, and the new content in its place.
        ([("b", ("EXCHANGE", "a", 5)), ("", ("MSTORE", 0, "b"))], "a", "6005905f52"),
    ],
)
def test_statements_become_code(
    statements: list[tuple[str, Expression]], stack: str, wanted: str
) -> None:
    assert _code(*statements, stack=stack) == wanted


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(ValueError, match="ADD with 1 operands, wanted 2"):
        _code(("a", ("ADD", 1)))
    with pytest.raises(ValueError, match="out of reach"):
        _code(("", ("MSTORE", 0, "v0")), stack=" ".join(f"v{i}" for i in range(17)))
    with pytest.raises(ValueError, match="1 labels, wanted 16"):
        Assembler().jump_by_table(0, ["one"])
    code = Assembler()
    for _ in range(800):
        code.block([("", ("MSTORE", 0, 2**255))])
    with pytest.raises(ValueError, match="wanted at most 24576"):
        code.build()
