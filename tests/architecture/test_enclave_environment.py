"""What the enclave's interpreter can reach: its locked distributions and `enclave/`."""

import json
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_ENVIRONMENT = _ROOT / ".venv-enclave"
_MOST_DISTRIBUTIONS = 16


def _run(code: str) -> subprocess.CompletedProcess[str]:
    # From the checkout itself: -I must keep the working directory off the path.
    command = [str(_ENVIRONMENT / "bin" / "python"), "-I", "-E", "-B", "-c", code]
    return subprocess.run(
        command, cwd=_ROOT, env={}, capture_output=True, text=True, timeout=50, check=False
    )


def _say(code: str) -> object:
    result = _run(f"import json\n{code}")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_importing_the_enclave_loads_nothing_of_the_host() -> None:
    loaded = _say("import sys, enclave.__main__\nprint(json.dumps(sorted(sys.modules)))")
    assert isinstance(loaded, list)
    assert "enclave.service" in loaded
    foreign = {"oracle", "web3", "pydantic", "eth_account", "requests", "structlog"}
    assert not foreign & {name.partition(".")[0] for name in loaded}


@pytest.mark.parametrize("name", ["oracle", "web3", "pydantic", "eth_account", "pip", "setuptools"])
def test_the_enclave_cannot_import(name: str) -> None:
    result = _run(f"import {name}")
    assert result.returncode == 1
    assert f"ModuleNotFoundError: No module named '{name}'" in result.stderr


def test_the_enclave_is_imported_from_this_checkout() -> None:
    path = _say("import enclave, os\nprint(json.dumps(os.path.realpath(enclave.__file__)))")
    assert path == str(_ROOT / "enclave" / "__init__.py")


def test_the_enclave_has_the_locked_distributions_and_no_other() -> None:
    lock = (_ROOT / "enclave" / "requirements.lock").read_text().splitlines()
    locked = {row.split("==")[0] for row in lock if row[:1].isalnum()}
    installed = _say(
        "import importlib.metadata as metadata, re\n"
        "names = [found.metadata['Name'] for found in metadata.distributions()]\n"
        "print(json.dumps([re.sub('[-_.]+', '-', name).lower() for name in names]))"
    )
    assert isinstance(installed, list)
    # A marker may leave one out on a newer Python; none may be there that is not locked.
    assert set(installed) <= locked
    assert {"aiohttp", "cbor2", "coincurve", "cryptography", "safe-pysha3"} <= set(installed)
    assert len(installed) == len(set(installed)) <= _MOST_DISTRIBUTIONS


def test_the_only_pth_is_one_relative_path_to_a_link() -> None:
    (packages,) = _ENVIRONMENT.glob("lib/python3.*/site-packages")
    (pth,) = packages.glob("*.pth")
    (line,) = pth.read_text().splitlines()
    assert not line.startswith(("import", "/"))
    named = packages / line
    assert [entry.name for entry in named.iterdir()] == ["enclave"]
    assert (named / "enclave").resolve() == _ROOT / "enclave"
