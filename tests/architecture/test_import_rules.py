"""Who may import whom: the tree keeps every contract, and every contract can break."""

import itertools
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())
_CONTRACTS: dict[str, dict[str, Any]] = {
    contract["id"]: contract for contract in _PROJECT["tool"]["importlinter"]["contracts"]
}
_LAYERED = sorted(key for key, contract in _CONTRACTS.items() if contract["type"] == "layers")

# Importer and imported of every forbidden link that the contracts other than layers must see.
_FORBIDDEN_LINKS = {
    "enclave-is-alone": [
        ("enclave.domain.feed", "web3"),
        ("enclave.keys", "eth_account"),
        ("enclave.egress", "requests"),
        ("enclave.round", "pydantic"),
        ("enclave.service", "structlog"),
        ("enclave.signer", "oracle.config"),
    ],
    "host-sees-the-domain": [
        ("oracle.config", "enclave"),
        ("oracle.enclave_link", "enclave.service"),
        ("oracle.registration", "enclave.attesters.simulated"),
        ("oracle.devnet", "enclave.keys"),
        ("oracle.attestation", "enclave.sources"),
    ],
    "pure-domain-and-sources": [
        ("enclave.domain.feed", "os"),
        ("enclave.domain.report", "socket"),
        ("enclave.sources.base", "aiohttp"),
        ("enclave.sources.http_json", "ssl"),
        ("enclave.sources.http_json", "enclave.egress"),
    ],
    "sources-and-attesters": [
        ("enclave.sources.base", "enclave.attesters.base"),
        ("enclave.attesters.simulated", "enclave.sources.http_json"),
    ],
    "devnet-is-for-the-command-line": [
        ("oracle.__main__", "oracle.devnet"),
        ("oracle.daemon", "oracle.devnet.anvil"),
    ],
    "verifier-is-alone": [
        ("oracle.attestation", "aiohttp"),
        ("oracle.attestation.codecs", "web3"),
        ("oracle.attestation.appraisal.policy", "pydantic"),
        ("oracle.attestation.tees", "time"),
    ],
    "tees-are-strangers": [
        ("oracle.attestation.tees.snp", "oracle.attestation.tees.tdx"),
        ("oracle.attestation.tees.maa", "oracle.attestation.tees.sgx"),
        ("oracle.attestation.tees.nitro", "oracle.attestation.tees.cca"),
    ],
}


def _lint(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("lint-imports"))
    command = [program, "--no-logo", "--no-cache", *arguments]
    return subprocess.run(
        command, cwd=tree, capture_output=True, text=True, timeout=50, check=False
    )


def _file(tree: Path, module: str) -> Path:
    path = tree.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    assert file.is_file(), f"{module} is not in the tree; name another module for the plant"
    return file


def _plant(tree: Path, importer: str, imported: str) -> None:
    file = _file(tree, importer)
    file.write_text(f"{file.read_text()}\nimport {imported}\n")


def _layers(contract: dict[str, Any]) -> tuple[str, list[list[str]]]:
    """The container of a layered contract and its layers from the top."""
    (container,) = contract["containers"]
    return container, [[name.strip(" ()") for name in row.split("|")] for row in contract["layers"]]


def _add_absent(tree: Path, contract: dict[str, Any]) -> None:
    """Give the layers that stand in brackets an empty module, so that their rule is proven too."""
    container, layers = _layers(contract)
    for name in itertools.chain.from_iterable(layers):
        path = tree.joinpath(*container.split("."), name)
        if not path.is_dir() and not path.with_suffix(".py").is_file():
            path.with_suffix(".py").write_text('"""Not there yet."""\n')


def _layer_links(contract: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every step up to the layer above, and every glance at a neighbour of the same layer."""
    container, layers = _layers(contract)
    for upper, lower in itertools.pairwise(layers):
        yield from ((f"{container}.{low}", f"{container}.{up}") for low in lower for up in upper)
    for layer in layers:
        for left, right in itertools.permutations(layer, 2):
            yield f"{container}.{left}", f"{container}.{right}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the two packages with the contracts, to plant violations in."""
    for package in ("enclave", "oracle"):
        shutil.copytree(
            _ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(_ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_every_contract() -> None:
    result = _lint(_ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(_CONTRACTS)} kept, 0 broken" in result.stdout


def test_every_contract_is_proven_below() -> None:
    assert set(_CONTRACTS) == set(_FORBIDDEN_LINKS) | set(_LAYERED)


@pytest.mark.parametrize("contract", sorted(_FORBIDDEN_LINKS))
def test_a_forbidden_import_breaks_its_contract(tree: Path, contract: str) -> None:
    _assert_every_link_is_seen(tree, contract, _FORBIDDEN_LINKS[contract])


@pytest.mark.parametrize("contract", _LAYERED)
def test_an_import_upwards_or_sideways_breaks_its_layers(tree: Path, contract: str) -> None:
    _add_absent(tree, _CONTRACTS[contract])
    _assert_every_link_is_seen(tree, contract, list(_layer_links(_CONTRACTS[contract])))


@pytest.mark.parametrize("contract", _LAYERED)
def test_a_module_without_a_layer_breaks_the_contract(tree: Path, contract: str) -> None:
    (container,) = _CONTRACTS[contract]["containers"]
    (tree.joinpath(*container.split(".")) / "homeless.py").write_text('"""In no layer."""\n')
    result = _lint(tree, "--contract", contract)
    assert result.returncode == 1
    assert "homeless" in result.stdout


def _assert_every_link_is_seen(tree: Path, contract: str, links: list[tuple[str, str]]) -> None:
    assert links
    before = _lint(tree, "--contract", contract)
    assert before.returncode == 0, before.stdout + before.stderr
    for importer, imported in links:
        _plant(tree, importer, imported)
    result = _lint(tree, "--contract", contract)
    assert result.returncode == 1, result.stderr
    assert "0 kept, 1 broken" in result.stdout
    seen = " ".join(result.stdout.split())
    unseen = [link for link in links if f"{link[0]} -> {link[1]} (" not in seen]
    assert not unseen, result.stdout
