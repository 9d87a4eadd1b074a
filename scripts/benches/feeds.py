"""`scripts/bench feeds`: the gas table, measured by forge on the shipped bytecode."""

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
SNAPSHOT = CONTRACTS / "snapshots" / "feeds.json"
README = CONTRACTS / "README.md"
MARK, END_MARK = "<!-- bench:feeds -->\n", "<!-- /bench:feeds -->"


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table.

    Attributes:
        name: As in the snapshot, where `tests/contracts/FeedGas.t.sol` records it.
        target: The most gas that is good enough.
        peer: The cheapest peer measured in the same set-up, for people.
    """

    name: str
    target: int
    peer: str = "–"


OPERATIONS = (
    Operation("push 1, 3-of-5", 51_500, "RedStone 3-of-5: 61,522"),
    Operation("push 10, 3-of-5", 80_000, "Umbrella 6-of-15: 145,618; RedStone 3-of-5: 206,270"),
    Operation("push 100, 3-of-5", 396_000, "Umbrella 6-of-15: 872,055; RedStone 3-of-5: 3,223,038"),
    Operation("push 10 in 10 slots, 3-of-5", 106_000),
    Operation("push 1, 13-of-19", 100_000, "Umbrella 13-of-15: 117,707; Chronicle Scribe: 126,199"),
    Operation("push 10, 13-of-19", 129_000, "Umbrella 13-of-15: 190,189"),
    Operation("push 100, 13-of-19", 444_000, "Umbrella 13-of-15: 916,761"),
    Operation("pull 1, library", 47_000, "RedStone 3-of-5: 48,309"),
    Operation("pull 10, library", 50_500, "RedStone 3-of-5: 124,570"),
    Operation("pull 100, library", 84_000, "RedStone 3-of-5: 2,448,142"),
    Operation("pull 1, shared verifier", 50_000, "Chainlink Data Streams f=5: 88,320"),
    Operation("read native, cold", 5_400, "API3 by id: 5,326; Chronicle Scribe: 7,349"),
    Operation("read native, warm", 850, "API3 by id: 816; Chronicle Scribe: 839"),
    Operation("read facade, pinned, cold", 8_550, "Chainlink: 18,232; RedStone: 18,795"),
    Operation("read facade, pinned, warm", 1_500, "RedStone: 2,785; Chainlink: 3,222"),
    Operation("read facade, on an alias, cold", 10_700, "Chainlink: 18,232; RedStone: 18,795"),
    Operation("read facade, on an alias, warm", 1_700, "RedStone: 2,785; Chainlink: 3,222"),
    Operation("history on, extra per feed in a batch of 10", 7_700),
    Operation("history on, extra per feed without a neighbour", 12_000),
)


def run() -> Iterator[Row]:
    """Every figure of the table; one that was not measured misses its target."""
    yield from _rows(_measure(), _read(SNAPSHOT))


def update() -> None:
    """Commit to what is measured now: write the snapshot, and the table in the README."""
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text(json.dumps(_measure(), indent=2) + "\n")
    before, _, rest = README.read_text().partition(MARK)
    README.write_text(f"{before}{MARK}{committed_table()}\n{END_MARK}{rest.partition(END_MARK)[2]}")


def committed_table() -> str:
    """The table of the committed figures."""
    committed = _read(SNAPSHOT)
    return table(list(_rows(committed, committed)))


def _rows(measured: dict[str, str], committed: dict[str, str]) -> Iterator[Row]:
    for operation in OPERATIONS:
        yield Row(
            name=operation.name,
            value=_gas(measured, operation.name),
            unit="gas",
            target=Decimal(operation.target),
            committed=_gas(committed, operation.name),
            peer=operation.peer,
        )


def _gas(snapshot: dict[str, str], name: str) -> Decimal | None:
    return Decimal(snapshot[name]) if name in snapshot else None


def _read(snapshot: Path) -> dict[str, str]:
    return json.loads(snapshot.read_text()) if snapshot.exists() else {}


def _measure() -> dict[str, str]:
    """Gas of each operation that the tests record, by its name."""
    with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder:
        _forge("build")
        _forge(
            "test",
            "--match-path",
            "*/FeedGas.t.sol",
            FOUNDRY_PROFILE="tests",
            FOUNDRY_SNAPSHOTS=folder,
            FORGE_SNAPSHOT_CHECK="false",
            FORGE_SNAPSHOT_EMIT="true",
        )
        return _read(Path(folder) / SNAPSHOT.name)


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
