"""Gas tables: figures that forge measures on the shipped bytecode, against committed ones."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from rows import Row, table

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
README = CONTRACTS / "README.md"


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of a table.

    Attributes:
        name: As in the snapshot, where the tests record it.
        target: The most gas that is good enough.
        peer: The cheapest peers measured in the same set-up, for people.
    """

    name: str
    target: int
    peer: str = "–"


@dataclass(frozen=True, slots=True)
class GasTable:
    """One table: what is measured, and where it is committed.

    Attributes:
        name: Of the bench, the snapshot and the marks in the README.
        tests: Glob of the tests that record it.
        operations: Its rows.
    """

    name: str
    tests: str
    operations: tuple[Operation, ...]

    @property
    def _snapshot(self) -> Path:
        return CONTRACTS / "snapshots" / f"{self.name}.json"

    def run(self) -> Iterator[Row]:
        """Every figure of the table; one that was not measured misses its target."""
        yield from self._rows(self._measure(), _read(self._snapshot))

    def update(self) -> None:
        """Commit to what is measured now: write the snapshot, and the table in the README."""
        self._snapshot.parent.mkdir(exist_ok=True)
        self._snapshot.write_text(json.dumps(self._measure(), indent=2) + "\n")
        mark, end_mark = f"<!-- bench:{self.name} -->\n", f"<!-- /bench:{self.name} -->"
        before, _, rest = README.read_text().partition(mark)
        after = rest.partition(end_mark)[2]
        README.write_text(f"{before}{mark}{self.committed_table()}\n{end_mark}{after}")

    def committed_table(self) -> str:
        """The table of the committed figures."""
        committed = _read(self._snapshot)
        return table(list(self._rows(committed, committed)))

    def _rows(self, measured: dict[str, str], committed: dict[str, str]) -> Iterator[Row]:
        for operation in self.operations:
            yield Row(
                name=operation.name,
                value=_gas(measured, operation.name),
                unit="gas",
                target=Decimal(operation.target),
                committed=_gas(committed, operation.name),
                peer=operation.peer,
            )

    def _measure(self) -> dict[str, str]:
        """Gas of each operation that the tests record, by its name."""
        with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder:
            _forge("build")
            _forge(
                "test",
                "--match-path",
                self.tests,
                FOUNDRY_PROFILE="tests",
                FOUNDRY_SNAPSHOTS=folder,
                FORGE_SNAPSHOT_CHECK="false",
                FORGE_SNAPSHOT_EMIT="true",
            )
            return _read(Path(folder) / self._snapshot.name)


def _gas(snapshot: dict[str, str], name: str) -> Decimal | None:
    return Decimal(snapshot[name]) if name in snapshot else None


def _read(snapshot: Path) -> dict[str, str]:
    return json.loads(snapshot.read_text()) if snapshot.exists() else {}


def _forge(*arguments: str, **environment: str) -> None:
    """Run forge; what it prints is shown when it fails."""
    done = subprocess.run(
        [CONTRACTS / "node_modules/.bin/forge", *arguments],
        check=False,
        cwd=CONTRACTS,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nscripts/bench: forge {arguments[0]} failed, see above")
