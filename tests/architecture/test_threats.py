"""Each threat that a document names has its mitigation, and tests that exist."""

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_HEAD = "| Threat | Met by | Test |"
_DOCUMENTS = ("SECURITY.md", "enclave/README.md")


def threats(text: str) -> list[tuple[str, str, list[str]]]:
    """Threat, mitigation and tests of every row below the head of such a table."""
    found = []
    for part in text.split(_HEAD)[1:]:
        for line in part.split("\n\n", 1)[0].strip().splitlines()[1:]:
            threat, met_by, tests = (cell.strip() for cell in line.strip("|").split(" | "))
            found.append((threat, met_by, re.findall(r"`(\w+)`", tests)))
    return found


def _tests() -> set[str]:
    """Names of all test functions."""
    trees = (ast.parse(path.read_text()) for path in (_ROOT / "tests").rglob("test_*.py"))
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, functions)}


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_every_threat_has_a_mitigation_and_tests_that_exist(name: str) -> None:
    known = _tests()
    rows = threats((_ROOT / name).read_text())
    assert len(rows) >= 6
    assert [threat for threat, met_by, tests in rows if not met_by or not tests] == []
    missing = {threat: [one for one in tests if one not in known] for threat, _, tests in rows}
    assert {threat: tests for threat, tests in missing.items() if tests} == {}


def test_a_row_is_read() -> None:
    text = f"x\n\n{_HEAD}\n| --- | --- | --- |\n| a | b | `test_c`, `test_d` |\n| e | f | |\n\ny"
    assert threats(text) == [("a", "b", ["test_c", "test_d"]), ("e", "f", [])]
