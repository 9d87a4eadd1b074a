"""The scripts are not green on red: what fails inside fails them, and they say what it was."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SCRIPTS = [path for path in (_ROOT / "scripts").iterdir() if path.is_file()]
_SHELL = [path for path in _SCRIPTS if path.read_text().startswith("#!/usr/bin/env bash")]
# A program that notes its call and fails when its name and first argument are in FAIL.
_STUB = """#!/usr/bin/env bash
call="${0##*/} ${1:-}"
echo "called: $call${FOUNDRY_PROFILE:+ of $FOUNDRY_PROFILE}"
case ",${FAIL:-}," in *",$call,"*) echo "broken: $call"; exit 1 ;; esac
[ "${0##*/}" != pytest ] || echo "== 3 passed in 0.1s =="
[ "$call" != "forge test" ] || echo "Ran 2 test suites: ${FORGE_PASSED:-5 tests passed, 0 failed}"
"""
_TOOLS = ["ruff", "mypy", "lint-imports", "coverage", "pytest"]


def _stub(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_STUB)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts as they are, in a tree where every tool is a stub."""
    for name in ("check", "nightly", "test"):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        shutil.copy(_ROOT / "scripts" / name, tmp_path / "scripts" / name)
    for tool in _TOOLS:
        _stub(tmp_path / ".venv" / "bin" / tool)
    for name in ("setup", "gen_abi", "prove", "coverage", "bench"):
        _stub(tmp_path / "scripts" / name)
    _stub(tmp_path / "contracts" / "node_modules" / ".bin" / "forge")
    return tmp_path


def _run(
    checkout: Path, script: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "scripts" / script), *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )


def test_check_passes_and_ends_with_the_closing_line_of_the_tests(checkout: Path) -> None:
    result = _run(checkout, "check")
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1] == "== 3 passed in 0.1s =="


@pytest.mark.parametrize(
    "step",
    [
        "ruff check",
        "ruff format",
        "mypy enclave",
        "lint-imports --no-logo",
        "forge fmt",
        "forge lint",
        "forge build",
        "gen_abi --check",
        "forge test",
        "pytest -n",
        "coverage report",
        "setup ",
    ],
)
def test_check_fails_when_a_step_fails_and_shows_its_output(checkout: Path, step: str) -> None:
    result = _run(checkout, "check", FAIL=step)
    assert result.returncode == 1, result.stdout
    assert f"broken: {step}" in result.stdout


@pytest.mark.parametrize("step", ["forge build", "forge test", "pytest -n", "setup "])
def test_test_fails_when_a_half_of_it_fails(checkout: Path, step: str) -> None:
    assert _run(checkout, "test").returncode == 0
    result = _run(checkout, "test", FAIL=step)
    assert result.returncode == 1, result.stdout


def test_test_fails_when_forge_finds_no_test(checkout: Path) -> None:
    assert _run(checkout, "test", FORGE_PASSED="No tests found in project!").returncode == 1


def test_test_runs_both_languages_even_if_the_first_fails(checkout: Path) -> None:
    result = _run(checkout, "test", FAIL="forge test")
    assert "called: pytest -n" in result.stdout


def test_test_compiles_what_is_shipped_before_it_tests_it(checkout: Path) -> None:
    lines = _run(checkout, "test").stdout.splitlines()
    assert lines.index("called: forge build") < lines.index("called: forge test of tests")


def test_check_formats_and_compiles_both_profiles(checkout: Path) -> None:
    _run(checkout, "check")
    for name in ("fmt", "fmt-tests", "build", "build-tests"):
        log = (checkout / "build" / "check" / f"forge-{name}.log").read_text()
        assert ("of tests" in log) == name.endswith("-tests")


def test_test_hands_its_arguments_to_pytest_alone(checkout: Path) -> None:
    result = _run(checkout, "test", "tests/enclave", "-k", "median")
    assert "called: pytest tests/enclave" in result.stdout
    assert "called: forge" not in result.stdout


def test_test_runs_one_half_of_the_tests_alone(checkout: Path) -> None:
    contracts = _run(checkout, "test", "--contracts").stdout
    assert "called: forge test" in contracts
    assert "called: pytest" not in contracts
    coverage = _run(checkout, "test", "--coverage").stdout
    assert "called: forge" not in coverage
    assert "called: pytest -n" in coverage


def test_check_names_what_was_skipped_and_closes_with_both_languages(checkout: Path) -> None:
    lines = _run(checkout, "check").stdout.splitlines()
    assert lines[-3].startswith("notice: ORACLE_VECTORS is not set")
    assert lines[-2] == "Ran 2 test suites: 5 tests passed, 0 failed"


def test_test_says_that_vectors_are_missing(checkout: Path, tmp_path: Path) -> None:
    assert "ORACLE_VECTORS is not set" in _run(checkout, "test").stdout
    assert "ORACLE_VECTORS" not in _run(checkout, "test", ORACLE_VECTORS=str(tmp_path)).stdout
    assert _run(checkout, "test", ORACLE_VECTORS=str(tmp_path / "absent")).returncode == 1


def test_nightly_says_when_each_step_begins_and_ends(checkout: Path) -> None:
    result = _run(checkout, "nightly")
    assert result.returncode == 0, result.stdout
    words = [line.split()[2:4] for line in result.stdout.splitlines() if "nightly" in line]
    steps = ["fuzz", "invariants", "coverage", "mutants", "gas", "pytest"]
    steps += ["hostile", "faults", "soak"]
    wanted = [pair for step in steps for pair in (["begins", step], ["ok", f"{step},"])]
    assert words == [*wanted, ["ok", "all"]]


@pytest.mark.parametrize(
    ("call", "step"),
    [
        ("forge build", "fuzz invariants"),
        ("forge test", "fuzz invariants"),
        ("coverage ", "coverage"),
        ("prove --mutants", "mutants"),
        ("bench feeds", "gas"),
        ("pytest -n", "pytest hostile faults soak"),
    ],
)
def test_nightly_fails_when_a_step_fails_and_goes_on(checkout: Path, call: str, step: str) -> None:
    result = _run(checkout, "nightly", FAIL=call)
    assert result.returncode == 1
    assert f"broken: {call}" in result.stdout
    assert result.stdout.splitlines()[-1].endswith(f"FAILED  {step}")
    assert (checkout / "build" / "nightly" / "pytest.log").exists()


def test_nightly_fails_when_forge_finds_no_test(checkout: Path) -> None:
    result = _run(checkout, "nightly", "fuzz", FORGE_PASSED="No tests found in project!")
    assert result.returncode == 1


def test_nightly_runs_the_named_steps_alone(checkout: Path) -> None:
    assert _run(checkout, "nightly", "gas").returncode == 0
    assert [path.name for path in (checkout / "build" / "nightly").iterdir()] == ["gas.log"]
    absent = _run(checkout, "nightly", "everything")
    assert absent.returncode == 1
    assert "no step everything" in absent.stdout


@pytest.mark.parametrize("made", [".venv", ".venv-enclave", "contracts/node_modules"])
def test_setup_leaves_alone_what_another_checkout_lives_on(tmp_path: Path, made: str) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "kept").touch()
    (ours / made).parent.mkdir(parents=True)
    (ours / made).symlink_to(theirs)
    (ours / "scripts").mkdir()
    shutil.copy(_ROOT / "scripts" / "setup", ours / "scripts" / "setup")
    result = _run(ours, "setup")
    assert result.returncode == 1
    assert f"{made} is a link" in result.stdout
    assert [path.name for path in theirs.iterdir()] == ["kept"]


def test_setup_names_everything_that_is_missing(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ["bash", "cat", "cut", "dirname", "env", "flock", "head", "mkdir", "sha256sum"]:
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    (programs / "uname").write_text("#!/usr/bin/env bash\necho Plan9 mips\n")
    (programs / "uname").chmod(0o755)
    (tmp_path / "scripts").mkdir()
    shutil.copy(_ROOT / "scripts" / "setup", tmp_path / "scripts" / "setup")
    for lock in ["pyproject.toml", "tests/requirements.lock", "enclave/requirements.lock"]:
        (tmp_path / lock).parent.mkdir(exist_ok=True)
        shutil.copy(_ROOT / lock, tmp_path / lock)
    result = subprocess.run(
        [str(tmp_path / "scripts" / "setup")],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1
    assert not (tmp_path / ".venv").exists()
    for fact in [
        "seen: Plan9 mips",
        "apt-get install python3 python3-venv",
        "Node.js 20 or newer is missing (seen: none)",
        "npm is missing",
    ]:
        assert fact in result.stdout


@pytest.mark.parametrize("path", _SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run(path: Path) -> None:
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("path", [*_SHELL, _ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_shell_script_stops_at_the_first_error(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True, timeout=10)
    source = path.read_text()
    assert "set -euo pipefail" in source or "set -Eeuo pipefail" in source
