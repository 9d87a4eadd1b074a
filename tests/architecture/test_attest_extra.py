"""`oracle attest` runs on the base dependencies and the extra `attest`: nothing of the chain."""

import ast
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from oracle.attestation.tees import MODULES

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
#: What the command loads, and each platform's module, which is loaded by name.
_ENTRIES = ("oracle.__main__", "oracle.cli.attest")
_OWN = ("enclave", "oracle")


def _file(module: str) -> Path | None:
    path = _ROOT.joinpath(*module.split("."))
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _imports(file: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, with its parents; not for types alone."""
    for node in ast.walk(_without_types(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _without_types(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


def _reached() -> tuple[set[str], set[str]]:
    """Own modules that can be loaded, and the outermost packages of others."""
    waiting = [*_ENTRIES, *(f"oracle.attestation.tees.{name}" for name in MODULES.values())]
    own: set[str] = set()
    others: set[str] = set()
    while waiting:
        module = waiting.pop()
        file = _file(module)
        if module.split(".")[0] not in _OWN:
            others.add(module.split(".")[0])
        elif file is not None and module not in own:
            own.add(module)
            waiting += [module.rpartition(".")[0], *_imports(file)] if "." in module else []
    return own, others


def _names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def test_every_library_is_of_the_base_or_the_extra() -> None:
    own, others = _reached()
    known = packages_distributions()
    needed = {canonicalize_name(known[name][0]) for name in others if name in known}
    given = _names(_PROJECT["dependencies"]) | _names(_PROJECT["optional-dependencies"]["attest"])
    assert {"oracle.attestation.appraisal.appraise", "oracle.attestation.tees.sgx"} <= own
    assert {"cryptography", "dcap-qvl", "safe-pysha3"} <= needed
    assert needed <= given


@pytest.mark.parametrize("name", ["web3", "pydantic", "aiohttp", "eth_account", "structlog"])
def test_what_the_host_needs_is_not_reached(name: str) -> None:
    assert name not in _reached()[1]


def test_the_extra_is_part_of_the_hosts() -> None:
    extras = _PROJECT["optional-dependencies"]
    assert _names(extras["attest"]) <= _names(extras["host"])
