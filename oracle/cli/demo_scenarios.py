"""`oracle demo --scenario`: tells the steps as they happen, and shows all of them at the end."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oracle.cli.demo_view import EMULATED, LOCAL_SOURCES
from oracle.devnet.scenarios import SCENARIOS, Step

#: What is served unless feeds are named.
SCENARIO_FEED: Final = "eth-usd"


class ScenarioName(StrEnum):
    """Scenarios by what happens in them."""

    TCB_RECOVERY = "tcb-recovery"
    REVOCATION = "revocation"
    EXPIRY = "expiry"
    UPGRADE = "upgrade"


@dataclass(frozen=True, slots=True)
class Told:
    """A step, and when it was told.

    Attributes:
        at_s: Seconds since the start.
        step: The step.
    """

    at_s: str
    step: Step


class Narrator:
    """Tells steps: each on standard error when it happens, all on standard output at the end."""

    def __init__(self, name: ScenarioName, *, is_json: bool) -> None:
        self._name = name
        self._is_json = is_json
        self._console = Console()
        self._errors = Console(stderr=True)
        self._started = time.monotonic()
        self._told: list[Told] = []
        self._failure = ""

    def begin(self) -> None:
        """Say what is emulated and what is played."""
        console = self._errors if self._is_json else self._console
        for text in (EMULATED, LOCAL_SOURCES):
            console.print(text, style="yellow", highlight=False, soft_wrap=True)
        self._line(f"scenario {self._name.value}: {SCENARIOS[self._name].summary}")
        self._line("starting price sources, chain and emulated silicon, deploying the contracts")

    def tell(self, step: Step) -> None:
        """A step has happened."""
        self._told.append(Told(self._elapsed(), step))
        mark = "" if step.is_right else "NOT SO: "
        self._line(f"{step.who:>10}  {mark}{step.what}")

    def fail(self, reason: str) -> None:
        """The scenario ended before its end."""
        self._failure = reason
        self._line(f"FAILED: {reason}")

    def finish(self) -> bool:
        """Print the result; whether everything was as it must be."""
        is_right = not self._failure and all(each.step.is_right for each in self._told)
        if self._is_json:
            sys.stdout.write(json.dumps(self._document(is_right=is_right), indent=2) + "\n")
        else:
            self._console.print(_table(self._told), soft_wrap=True)
            self._console.print(self._verdict(is_right=is_right))
        return is_right

    def _document(self, *, is_right: bool) -> dict[str, Any]:
        return {
            "ok": is_right,
            "notice": EMULATED,
            "sources": LOCAL_SOURCES,
            "scenario": self._name.value,
            "summary": SCENARIOS[self._name].summary,
            "steps": [{"at_s": each.at_s, **asdict(each.step)} for each in self._told],
            "failure": self._failure,
            "elapsed_s": self._elapsed(),
        }

    def _verdict(self, *, is_right: bool) -> Text:
        if is_right:
            return Text(f"{self._name.value}: as it must be", style="green")
        return Text(f"{self._name.value}: {self._failure}", style="red")

    def _line(self, text: str) -> None:
        elapsed = f"{float(self._elapsed()):5.1f} s"
        self._errors.print(f"demo {elapsed}  {text}", highlight=False, soft_wrap=True, markup=False)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.1f}"


def _table(told: Sequence[Told]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("after", "who", "what", ""):
        table.add_column(title, justify="right" if title == "after" else "left")
    for each in told:
        step = each.step
        style = "" if step.is_right else "red"
        mark = "as it must be" if step.is_right else "NOT SO"
        table.add_row(f"{each.at_s} s", step.who, Text(step.what), mark, style=style)
    return table
