"""Lines and branches that no test reached, against those that are explained.

Usage: contract_coverage.py LCOV CONTRACTS, for the sources in CONTRACTS/src by
CONTRACTS/coverage.toml. What is missed is a kind, a file and the text of the line. Exit 1 when
the two differ, or a source with code is not in the report.
"""

import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Reached:
    """How often the code of one file was reached: by line; by line, block and branch."""

    lines: dict[int, int] = field(default_factory=dict)
    branches: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def missed(self) -> list[tuple[str, int]]:
        """Kind and line of all that was not."""
        branches = {key[0] for key, times in self.branches.items() if times == 0}
        lines = {line for line, times in self.lines.items() if times == 0}
        return [("branch", line) for line in sorted(branches)] + [
            ("line", line) for line in sorted(lines)
        ]


def parse_lcov(text: str) -> dict[str, Reached]:
    """The files of a report, by path."""
    files: dict[str, Reached] = {}
    reached = Reached()
    for record in text.splitlines():
        kind, _, value = record.partition(":")
        if kind == "SF":
            reached = files.setdefault(value, Reached())
        elif kind == "DA":
            line, times = value.split(",")
            reached.lines[int(line)] = int(times)
        elif kind == "BRDA":
            line, block, branch, times = value.split(",")
            # `-`: its block was never entered.
            reached.branches[int(line), block, branch] = 0 if times == "-" else int(times)
    return files


def has_code(source: str) -> bool:
    """Whether a function with a body stands in a file."""
    return re.search(r"\b(function \w+|constructor)\([^;{]*\{", source) is not None


def main(lcov_path: str, contracts_path: str) -> int:
    """Print what is missed and not explained, and what is explained without need."""
    contracts = Path(contracts_path)
    report = parse_lcov(Path(lcov_path).read_text())
    known = tomllib.loads((contracts / "coverage.toml").read_text())
    untested = {entry["in"]: entry["missed"] for entry in known.pop("untested", [])}
    explained = {
        (kind, entry["in"], entry["code"]) for kind, entries in known.items() for entry in entries
    }
    measured, missed, faults = [], set(), []
    for path in sorted(contracts.glob("src/**/*.sol")):
        name, source = str(path.relative_to(contracts)), path.read_text()
        if name not in report:
            faults += [f"not measured: {name}"] if has_code(source) else []
            continue
        measured.append(report[name])
        found = report[name].missed()
        if name in untested:
            faults += _untested(name, len(found), untested.pop(name))
            continue
        for kind, line in found:
            code = source.splitlines()[line - 1].strip()
            missed.add((kind, name, code))
            if (kind, name, code) not in explained:
                faults.append(f"{kind} not reached: {name}:{line}: {code}")
    for kind, name, code in sorted(explained - missed):
        faults.append(f"explained, but reached: {kind} of {name}: {code}")
    faults += [f"untested, but not there: {name}" for name in untested]
    print("\n".join([*faults, _summary(measured)]))
    return 1 if faults or not measured else 0


def _untested(name: str, seen: int, most: int) -> list[str]:
    """What is wrong with a file that may miss some, and has to miss any."""
    print(f"untested: {name}, {seen} lines and branches of at most {most}")
    return [] if 0 < seen <= most else [f"untested: {name}: missed {seen}, wanted 1 to {most}"]


def _summary(files: list[Reached]) -> str:
    lines = [times > 0 for reached in files for times in reached.lines.values()]
    branches = [times > 0 for reached in files for times in reached.branches.values()]
    return (
        f"coverage: {sum(lines)} of {len(lines)} lines, "
        f"{sum(branches)} of {len(branches)} branches, in {len(files)} files"
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
