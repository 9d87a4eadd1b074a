"""Solidity tests test what is shipped: they deploy artifacts and compile no contract again."""

import json
import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_DEPLOYABLE = [
    path.stem
    for path in (_ROOT / "oracle" / "chain" / "abi").glob("*.json")
    if json.loads(path.read_bytes())["bytecode"] != "0x"
]


def _recompiled(source: str) -> list[str]:
    """Contracts that a Solidity file imports and so would compile with the tests' profile."""
    imports = re.findall(r'import \{([^}]*)\} from "contracts/', source)
    names = {name.strip() for names in imports for name in names.split(",")}
    return sorted(names.intersection(_DEPLOYABLE))


def test_no_test_compiles_a_shipped_contract_again() -> None:
    assert "FeedHub" in _DEPLOYABLE
    assert _recompiled('import {FeedHub} from "contracts/FeedHub.sol";') == ["FeedHub"]
    sources = sorted((_ROOT / "tests" / "contracts").rglob("*.sol"))
    found = {path.name: _recompiled(path.read_text()) for path in sources}
    assert {name: names for name, names in found.items() if names} == {}


def test_nightly_tries_a_hundred_thousand_malicious_reports() -> None:
    fuzzer = (_ROOT / "tests" / "contracts" / "FeedHub.fuzz.t.sol").read_text()
    nightly = (_ROOT / "scripts" / "nightly").read_text()
    cases = re.search(r"constant CASES = (\d+);", fuzzer)
    runs = re.search(r"FOUNDRY_FUZZ_RUNS=(\d+)", nightly)
    assert cases is not None
    assert runs is not None
    assert int(cases[1]) * int(runs[1]) >= 100_000


def test_the_readme_lists_the_invariants_that_are_tested_and_no_others() -> None:
    readme = (_ROOT / "contracts" / "README.md").read_text()
    listed = re.findall(r"^\| `(invariant_\w+)` \| \S", readme, re.MULTILINE)
    sources = sorted((_ROOT / "tests" / "contracts").rglob("*.sol"))
    tested = [
        name
        for path in sources
        for name in re.findall(r"function (invariant_\w+)\(", path.read_text())
    ]
    assert len(listed) >= 15
    assert sorted(listed) == sorted(tested)
    assert len(set(tested)) == len(tested)
