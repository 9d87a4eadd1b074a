"""The gas table in the contracts' README is made of the committed snapshot."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "contracts" / "README.md").read_text()


def _committed_table() -> str:
    code = "import feeds; print(feeds.committed_table())"
    environment = {"PYTHONPATH": str(_ROOT / "scripts" / "benches")}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout


def test_the_readme_shows_the_committed_figures() -> None:
    table = _committed_table()
    assert "| push 1, 3-of-5 |" in table
    assert f"<!-- bench:feeds -->\n{table}<!-- /bench:feeds -->" in _README
