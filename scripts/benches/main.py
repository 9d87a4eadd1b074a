"""Command line of `scripts/bench`."""

import argparse
import json
import sys
from collections.abc import Iterator

import attestation
import feeds
import node
import p384
import verify
from rows import Row
from rows import table as markdown

from oracle.telemetry.logging import configure_logging

TABLES = {table.name: table for table in (feeds.TABLE, attestation.TABLE, p384.TABLE)}
BENCHES = {
    "node": node.run,
    "feeds": feeds.TABLE.run,
    "attestation": attestation.run,
    "p384": p384.run,
    "verify": verify.run,
}


def main() -> int:
    """Run the named benches (all by default), print their rows, say whether every target is met."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "--update",
        action="store_true",
        help=f"first commit contracts/ to what the named of {', '.join(TABLES)} measure now",
    )
    options = parser.parse_args()
    unknown = sorted(set(options.names) - BENCHES.keys())
    if unknown:
        parser.error(f"unknown bench {unknown[0]!r}, wanted one of {', '.join(BENCHES)}")
    configure_logging(sys.stderr, level="warning", style="text")
    names = options.names or list(BENCHES)
    if options.update:
        for name in TABLES.keys() & set(names):
            TABLES[name].update()
    rows = list(_progress(names))
    print(_json(rows) if options.output == "json" else markdown(rows))
    return 0 if all(row.ok for row in rows) else 1


def _progress(names: list[str]) -> Iterator[Row]:
    for name in names:
        for row in BENCHES[name]():
            print(f"{name}: {row.name}: {row.value} {row.unit}", file=sys.stderr, flush=True)
            yield row


def _json(rows: list[Row]) -> str:
    return json.dumps(
        [
            {
                "name": row.name,
                "value": None if row.value is None else str(row.value),
                "unit": row.unit,
                "target": str(row.target),
                "peer": row.peer,
                "ok": row.ok,
                "faults": row.faults,
            }
            for row in rows
        ],
        indent=2,
    )


if __name__ == "__main__":
    sys.exit(main())
