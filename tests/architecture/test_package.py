"""What is shipped: one wheel with both packages and their data, and nothing else of the tree."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize(
    "pattern",
    [
        "enclave/**/*.py",
        "enclave/ca/*.pem",
        "oracle/**/*.py",
        "oracle/attestation/roots/*.pem",
        "oracle/attestation/roots/*.toml",
        "oracle/chain/abi/*.json",
        "oracle/chain/networks/*.toml",
        "oracle/feeds/*.toml",
    ],
)
def test_the_wheel_holds_code_and_data(shipped: set[str], pattern: str) -> None:
    wanted = {str(path.relative_to(_ROOT)) for path in _ROOT.glob(pattern)}
    assert wanted
    assert wanted <= shipped


def test_the_wheel_holds_the_lock_that_is_measured(shipped: set[str]) -> None:
    assert "enclave/requirements.lock" in shipped


def test_the_wheel_holds_nothing_else(shipped: set[str]) -> None:
    tops = {name.split("/")[0].split("-")[0] for name in shipped}
    assert tops == {"enclave", "oracle", "confidential_oracle"}
    assert not [name for name in shipped if "__pycache__" in name]
