"""The gas tables in the contracts' README are made of the committed snapshots."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "contracts" / "README.md").read_text()


def _committed_table(bench: str) -> str:
    code = f"import {bench}; print({bench}.TABLE.committed_table())"
    path = f"{_ROOT / 'scripts' / 'benches'}:{_ROOT}"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={"PYTHONPATH": path}
    ).stdout


@pytest.mark.parametrize(
    ("bench", "row"),
    [
        ("feeds", "push 1, 3-of-5"),
        ("attestation", "register TDX, without event"),
        ("p384", "P-384 verify"),
    ],
)
def test_the_readme_shows_the_committed_figures(bench: str, row: str) -> None:
    table = _committed_table(bench)
    assert f"| {row} |" in table
    assert f"<!-- bench:{bench} -->\n{table}<!-- /bench:{bench} -->" in _README
