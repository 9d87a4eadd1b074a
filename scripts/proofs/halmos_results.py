"""Whether halmos proved every `check_` function of the sources, on all paths.

Usage: halmos_results.py RESULTS FOLDER. Exit 1 otherwise.
"""

import json
import re
import sys
from pathlib import Path


def main(results_path: str, folder: str) -> int:
    """Print one line for each proof."""
    results = json.loads(Path(results_path).read_text())["test_results"]
    proved = {}
    for place, proofs in results.items():
        for proof in proofs:
            name = f"{place.rpartition(':')[2]}.{proof['name'].partition('(')[0]}"
            proved[name] = _fault(proof)
            effort = f"{proof['num_paths'][0]} paths, {proof['time'][0]:.1f} s"
            print(f"{proved[name] or 'proved'}: {name}, {effort}")
    missing = sorted(_wanted(Path(folder)) - proved.keys())
    for name in missing:
        print(f"not run: {name}")
    return 1 if missing or not proved or any(proved.values()) else 0


def _fault(proof: dict) -> str:
    if proof["exitcode"] != 0:
        return "FAILED"
    if proof["num_bounded_loops"] != 0:
        return "FAILED, loops were cut short"
    _, successes, stuck = proof["num_paths"]
    return "" if successes > 0 and stuck == 0 else "FAILED, paths are stuck or none ends"


def _wanted(folder: Path) -> set[str]:
    """Contract and name of every proof in the sources."""
    return {
        f"{contract}.{name}"
        for path in folder.glob("*.t.sol")
        for contract in re.findall(r"^contract (\w+)", path.read_text(), re.MULTILINE)
        for name in re.findall(r"function (check_\w+)", path.read_text())
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
