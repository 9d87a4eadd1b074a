"""The syntax trees of contracts/src, where slither looks for a build.

Usage: syntax_trees.py FOLDER. Writes FOLDER/build-info/syntax-trees.json.
"""

import json
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
SETTINGS = {
    "evmVersion": "osaka",
    "outputSelection": {"*": {"": ["ast"], "*": ["abi", "userdoc", "devdoc"]}},
}
#: Slither takes the bytecode along if there is any.
NO_CODE = {name: {"object": "", "sourceMap": ""} for name in ("bytecode", "deployedBytecode")}


def main(folder: str) -> int:
    """Compile, print errors, write."""
    paths = sorted(CONTRACTS.glob("src/**/*.sol"))
    sources = {str(path.relative_to(CONTRACTS)): {"content": path.read_text()} for path in paths}
    request = {"language": "Solidity", "sources": sources, "settings": SETTINGS}
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
