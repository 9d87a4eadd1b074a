"""Slither's high and medium findings against those that are explained. Exit 1 when the two differ.

Usage: slither_findings.py REPORT EXPLAINED. A finding is a check and what it is about.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

SERIOUS = ("High", "Medium")


def findings(report: dict) -> Iterator[tuple[str, str]]:
    """Check and subject, such as `incorrect-exp`, `MulDiv.mulDiv`, of the serious findings."""
    if not report["success"]:
        sys.exit(f"slither failed: {report['error']}")
    for found in report["results"].get("detectors", []):
        if found["impact"] in SERIOUS:
            yield found["check"], _subject(found["elements"])


def _subject(elements: list[dict]) -> str:
    """The innermost function around what was found, else the contract."""
    element = elements[0]
    while element["type"] not in ("function", "contract"):
        element = element["type_specific_fields"]["parent"]
    if element["type"] == "contract":
        return element["name"]
    return f"{element['type_specific_fields']['parent']['name']}.{element['name']}"


def main(report_path: str, explained_path: str) -> int:
    """Print what is not explained, and what is explained without being found."""
    explained = {
        (check, subject)
        for check, entries in tomllib.loads(Path(explained_path).read_text()).items()
        for entry in entries
        for subject in entry["in"]
    }
    found = set(findings(json.loads(Path(report_path).read_text())))
    for check, subject in sorted(found - explained):
        print(f"not explained: {check} in {subject}")
    for check, subject in sorted(explained - found):
        print(f"explained in {explained_path}, not found any more: {check} in {subject}")
    print(f"slither: {len(found)} high and medium findings, {len(found & explained)} explained")
    return 0 if found == explained else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
