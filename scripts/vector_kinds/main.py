"""Command line of `scripts/vectors`."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.vector_kinds import evidence, market, roots
from scripts.vector_kinds.outcome import Outcome, Verdict

#: Every kind of manifest: what tells it, and what runs it.
KINDS = (market, evidence, roots)


def main(arguments: list[str] | None = None) -> int:
    """Run all cases under a folder, print one line each and the counts."""
    parser = argparse.ArgumentParser(prog="scripts/vectors", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with manifest.json files")
    folder: Path = parser.parse_args(arguments).folder
    manifests = sorted(folder.rglob("manifest.json"))
    if not manifests:
        parser.error(f"no manifest.json under {folder}")
    outcomes: list[Outcome] = []
    for manifest in manifests:
        for outcome in run(manifest):
            print(f"{outcome.verdict.value:4}  {outcome.case}  {outcome.text}")
            outcomes.append(outcome)
    for line in by_group(outcomes):
        print(line)
    counts = Counter(outcome.verdict for outcome in outcomes)
    print(f"{counts[Verdict.NOT_APPLICABLE]} not applicable")
    print(f"{counts[Verdict.PASSED]} passed, {counts[Verdict.FAILED]} failed")
    return 1 if counts[Verdict.FAILED] else 0


def by_group(outcomes: list[Outcome]) -> Iterator[str]:
    """A line for each group: how many verdicts were right, how many wrong."""
    for group in dict.fromkeys(outcome.group for outcome in outcomes if outcome.group):
        counts = Counter(outcome.verdict for outcome in outcomes if outcome.group == group)
        yield f"{group}: {counts[Verdict.PASSED]} right, {counts[Verdict.FAILED]} wrong"


def run(manifest: Path) -> Iterator[Outcome]:
    """Run one manifest by its kind; a manifest of no kind is one outcome that is not applicable."""
    name = manifest.parent.name
    try:
        entries = json.loads(manifest.read_bytes())
    except ValueError as error:
        yield Outcome(name, Verdict.FAILED, f"manifest is not JSON: {error}")
        return
    for kind in KINDS:
        if kind.accepts(entries):
            yield from kind.run(manifest.parent, entries)
            return
    yield Outcome(name, Verdict.NOT_APPLICABLE, "manifest of another kind, no reader yet")


if __name__ == "__main__":
    raise SystemExit(main())
