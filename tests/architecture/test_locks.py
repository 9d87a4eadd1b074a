"""The locks pin by hash, name no address, and agree with each other and pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parents[2]
_PROOFS = "tests/contracts/requirements.lock"
#: The first three from the smallest to the largest; the proofs' lock stands alone.
_LOCKS = [
    "enclave/requirements.lock",
    "oracle/requirements.lock",
    "tests/requirements.lock",
    _PROOFS,
]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())


def _locked(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each requirement of a lock, by canonical name."""
    text = (_ROOT / lock).read_text().replace("\\\n", " ")
    rows = [row for row in text.splitlines() if row.strip() and not row.lstrip().startswith("#")]
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for row in rows:
        requirement = Requirement(row.split("--hash")[0].strip())
        (pin,) = requirement.specifier
        assert pin.operator == "==", row
        hashes = frozenset(re.findall(r"--hash=(\S+)", row))
        found[canonicalize_name(requirement.name)] = (pin.version, hashes)
    return found


def _wanted(lock: str) -> list[Requirement]:
    project, groups = _PROJECT["project"], dict(_PROJECT["dependency-groups"])
    proofs = groups.pop("proofs")
    if lock == _PROOFS:
        return [Requirement(requirement) for requirement in proofs]
    wanted = list(project["dependencies"])
    if lock != "enclave/requirements.lock":
        wanted += project["optional-dependencies"]["host"]
    if lock == "tests/requirements.lock":
        wanted += [requirement for group in groups.values() for requirement in group]
    return [Requirement(requirement) for requirement in wanted]


@pytest.mark.parametrize("lock", _LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    text = (_ROOT / lock).read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host|@ ", text)


@pytest.mark.parametrize("lock", _LOCKS)
def test_every_requirement_has_sha256_hashes(lock: str) -> None:
    for name, (_, hashes) in _locked(lock).items():
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), name


@pytest.mark.parametrize("lock", _LOCKS)
def test_a_lock_satisfies_pyproject(lock: str) -> None:
    locked = _locked(lock)
    for requirement in _wanted(lock):
        version, _ = locked[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, requirement


@pytest.mark.parametrize(("smaller", "larger"), [(0, 1), (1, 2)])
def test_each_lock_is_a_subset_of_the_next(smaller: int, larger: int) -> None:
    assert _locked(_LOCKS[smaller]).items() <= _locked(_LOCKS[larger]).items()


def test_the_enclave_lock_holds_at_most_16_distributions() -> None:
    assert len(_locked("enclave/requirements.lock")) <= 16


def test_the_npm_lock_names_no_registry() -> None:
    assert '"resolved"' not in (_ROOT / "contracts" / "package-lock.json").read_text()
