"""The syntax trees of contracts/src and of what it imports, where slither looks for a build.

Usage: syntax_trees.py FOLDER. Writes FOLDER/build-info/syntax-trees.json.
"""

import json
import os.path
import re
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
PACKAGE = "@openzeppelin/contracts/"
SETTINGS = {
    "remappings": [f"{PACKAGE}=node_modules/{PACKAGE}"],
    "evmVersion": "osaka",
    "outputSelection": {"*": {"": ["ast"], "*": ["abi", "userdoc", "devdoc"]}},
}
#: Slither takes the bytecode along if there is any.
NO_CODE = {name: {"object": "", "sourceMap": ""} for name in ("bytecode", "deployedBytecode")}


def sources() -> dict[str, dict[str, str]]:
    """Every source under src, and every one that they import, by its path in CONTRACTS."""
    found: dict[str, dict[str, str]] = {}
    waiting = [str(path.relative_to(CONTRACTS)) for path in sorted(CONTRACTS.glob("src/**/*.sol"))]
    while waiting:
        name = waiting.pop()
        if name not in found:
            text = (CONTRACTS / name).read_text()
            found[name] = {"content": text}
            waiting += [_imported(name, path) for path in re.findall(r'\bfrom "([^"]+)";', text)]
    return found


def _imported(by: str, path: str) -> str:
    if path.startswith(PACKAGE):
        return f"node_modules/{path}"
    return os.path.normpath(os.path.join(os.path.dirname(by), path))


def main(folder: str) -> int:
    """Compile, print errors, write."""
    request = {"language": "Solidity", "sources": sources(), "settings": SETTINGS}
    compiler = [str(CONTRACTS / "bin/solc"), "--standard-json"]
    done = subprocess.run(compiler, input=json.dumps(request).encode(), stdout=-1, check=True)
    output = json.loads(done.stdout)
    # Warnings are for `forge build`, which knows which of them are accepted.
    said = output.get("errors", [])
    errors = [one["formattedMessage"] for one in said if one["severity"] == "error"]
    if errors:
        sys.exit("\n".join(errors))
    for contracts in output["contracts"].values():
        for contract in contracts.values():
            contract["evm"] = NO_CODE
    build_info = Path(folder) / "build-info" / "syntax-trees.json"
    build_info.parent.mkdir(parents=True, exist_ok=True)
    build_info.write_text(json.dumps({"input": request, "output": output, "solcVersion": "0.8.37"}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
