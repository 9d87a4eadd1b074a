"""What judges the coverage of the contracts is not green on red."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_JUDGE = _ROOT / "scripts" / "proofs" / "contract_coverage.py"
_SOURCE = """function a() {
    if (one) {
        two();
    }
}
"""
_ALL_REACHED = "SF:src/A.sol\nDA:2,1\nDA:3,1\nBRDA:2,0,0,1\nBRDA:2,0,1,4\nend_of_record\n"
_EXPLAINED = '[[{kind}]]\nin = "src/A.sol"\ncode = "{code}"\nwhy = "it cannot be"\n'


def _judge(folder: Path, lcov: str, *, explained: str = "") -> tuple[int, list[str]]:
    """Exit status and lines of output."""
    (folder / "src").mkdir()
    (folder / "src" / "A.sol").write_text(_SOURCE)
    (folder / "src" / "IA.sol").write_text("interface IA {\n    function a() external;\n}\n")
    (folder / "coverage.toml").write_text(explained)
    (folder / "lcov").write_text(lcov)
    command = [sys.executable, str(_JUDGE), str(folder / "lcov"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    return result.returncode, result.stdout.splitlines()


def test_all_that_is_reached_passes(tmp_path: Path) -> None:
    status, lines = _judge(tmp_path, _ALL_REACHED)
    assert (status, lines) == (0, ["coverage: 2 of 2 lines, 2 of 2 branches, in 1 files"])


@pytest.mark.parametrize(
    ("record", "missed", "fault"),
    [
        ("DA:3,1", "DA:3,0", "line not reached: src/A.sol:3: two();"),
        ("BRDA:2,0,1,4", "BRDA:2,0,1,0", "branch not reached: src/A.sol:2: if (one) {"),
        ("BRDA:2,0,0,1", "BRDA:2,0,0,-", "branch not reached: src/A.sol:2: if (one) {"),
    ],
)
def test_what_is_missed_fails(tmp_path: Path, record: str, missed: str, fault: str) -> None:
    status, lines = _judge(tmp_path, _ALL_REACHED.replace(record, missed))
    assert status == 1
    assert lines[0] == fault


def test_a_file_that_is_not_in_the_report_fails(tmp_path: Path) -> None:
    status, lines = _judge(tmp_path, "SF:src/B.sol\nDA:1,1\nend_of_record\n")
    assert status == 1
    assert lines[0] == "not measured: src/A.sol"


@pytest.mark.parametrize(("missed", "wanted"), [(2, 0), (1, 0), (0, 1), (3, 1)])
def test_an_untested_file_may_miss_no_more_than_it_did_and_has_to_miss_some(
    tmp_path: Path, missed: int, wanted: int
) -> None:
    lcov = "SF:src/A.sol\n" + "".join(f"DA:{line},{int(line > missed)}\n" for line in range(1, 5))
    explained = '[[untested]]\nin = "src/A.sol"\nmissed = 2\nwhy = "to come"\n'
    status, lines = _judge(tmp_path, lcov, explained=explained)
    assert status == wanted
    assert lines[0] == f"untested: src/A.sol, {missed} lines and branches of at most 2"


def test_what_is_explained_may_be_missed(tmp_path: Path) -> None:
    lcov = _ALL_REACHED.replace("DA:3,1", "DA:3,0")
    explained = _EXPLAINED.format(kind="line", code="two();")
    status, lines = _judge(tmp_path, lcov, explained=explained)
    assert (status, lines) == (0, ["coverage: 1 of 2 lines, 2 of 2 branches, in 1 files"])


def test_what_is_explained_and_reached_fails(tmp_path: Path) -> None:
    explained = _EXPLAINED.format(kind="branch", code="if (one) {")
    status, lines = _judge(tmp_path, _ALL_REACHED, explained=explained)
    assert status == 1
    assert lines[0] == "explained, but reached: branch of src/A.sol: if (one) {"
