"""`oracle demo`: the whole main job on one machine, with emulated hardware and local venues."""

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from enclave.domain.errors import AttestationError, ChainError, ConfigError
from enclave.domain.evidence import TeeKind
from oracle.cli.demo_nodes import Nodes
from oracle.cli.demo_scenarios import SCENARIO_FEED, Narrator, ScenarioName
from oracle.cli.demo_view import (
    EMULATED,
    LIVE_SOURCES,
    LOCAL_SOURCES,
    QuorumView,
    RoundView,
    document,
    screen,
    signed_by,
)
from oracle.cli.outcome import ExitStatus, ends_with_status
from oracle.devnet.anvil import DEFAULT_ANVIL
from oracle.devnet.price_sources import price_sources
from oracle.devnet.scenarios import SCENARIOS, ScenarioFailed, ScenarioOptions, perform
from oracle.devnet.world import MAX_NODES, TlsSources, World, WorldOptions, check_quorum, world
from oracle.feeds.catalogue import Feed, load_catalogue, select
from oracle.telemetry.logging import configure_logging

EXIT_INTERRUPTED = 130
#: Longest wait for a report to land.
ROUND_LIMIT_S = 60.0
#: How long a wait goes on before the next line says what is waited for.
_PATIENCE_S = 5.0
_SEED = 1
#: With several nodes: the more there are, the more seldom each makes a round, so that they do not
#: ask more of the machine. Enclaves compare rounds that are at most 10 s apart.
_POLL_S_PER_NODE = 0.3
_POLL_MAX_S = 5.0
#: A node leads for so many of its rounds, so that each has one in its turn.
_ROUNDS_LED = 1.5


class Tee(StrEnum):
    """Platforms that the emulated silicon can play."""

    TDX = "tdx"
    SGX = "sgx"
    BOTH = "both"


class Output(StrEnum):
    """Forms of the result."""

    TABLE = "table"
    JSON = "json"


class Level(StrEnum):
    """How much the node logs."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What to show.

    Attributes:
        rounds: How many; `None` goes on until interrupted.
        tee: Platform that the emulated silicon plays.
        second_tee: For every second node; `None` for the same.
        nodes: How many operators have one.
        quorum: How many of them must sign.
        is_live: Whether the price sources are the real venues.
        feeds: Of the catalogue, with all that they convert by.
        block_time_s: Seconds between blocks.
        anvil: The native program.
    """

    rounds: int | None
    tee: TeeKind
    second_tee: TeeKind | None
    nodes: int
    quorum: int
    is_live: bool
    feeds: tuple[Feed, ...]
    block_time_s: int
    anvil: Path


class Stage:
    """Shows the demo: progress on standard error, the result on standard output."""

    def __init__(self, *, output: Output, is_live: bool) -> None:
        self.rounds: list[RoundView] = []
        self.quorum = QuorumView(1, ())
        self._output = output
        self._is_live = is_live
        self._console = Console()
        self._errors = Console(stderr=True)
        self._stack = ExitStack()
        self._live: Live | None = None
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def notice(self) -> None:
        """Say what is emulated, before anything else."""
        console = self._errors if self._output is Output.JSON else self._console
        for text in (EMULATED, LIVE_SOURCES if self._is_live else LOCAL_SOURCES):
            console.print(text, style="yellow", highlight=False, soft_wrap=True)

    def progress(self, text: str) -> None:
        """One line about what takes a moment now."""
        elapsed = f"{time.monotonic() - self._started:5.1f} s"
        self._errors.print(f"demo {elapsed}  {text}", highlight=False, soft_wrap=True)

    def show(self, view: RoundView, quorum: QuorumView) -> None:
        """A round has ended."""
        self.rounds.append(view)
        self.quorum = quorum
        if self._output is Output.TABLE and self._console.is_terminal:
            if self._live is None:
                live = Live(console=self._console, get_renderable=self._screen)
                self._live = self._stack.enter_context(live)
            self._live.refresh()
        else:
            self.progress(_line(view, is_alone=len(quorum.nodes) == 1))

    def finish(self) -> bool:
        """Print the result; whether every round landed."""
        elapsed_s = time.monotonic() - self._started
        result = document(self.rounds, self.quorum, is_live=self._is_live, elapsed_s=elapsed_s)
        if self._output is Output.JSON:
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
        elif self._live is None and self.rounds:
            self._console.print(self._screen(), soft_wrap=True)
        return bool(result["ok"])

    def _screen(self) -> RenderableType:
        return screen(self.rounds[-1], self.quorum)


def _line(view: RoundView, *, is_alone: bool) -> str:
    if view.problem:
        return f"round {view.number}: {view.problem}"
    equal = sum(row.matches for row in view.feeds)
    signed = "the enclave signed" if is_alone else f"{len(view.signers)} enclaves signed"
    told = "" if is_alone else f", led by node {view.leader}, {signed_by(view)}"
    return (
        f"round {view.number}: {equal} of {len(view.feeds)} consumers read what {signed},"
        f" {view.gas_used:,} gas{told}"
    )


NodeCount = Annotated[
    int, typer.Option(help=f"Operators, each with a node and a seat; at most {MAX_NODES}.")
]
SignatureCount = Annotated[
    int | None, typer.Option(help="Nodes that must sign a report; default: more than half.")
]
EmulatedTee = Annotated[
    Tee, typer.Option(help="Platform to emulate; both: SGX on every second node.")
]
RealVenues = Annotated[
    bool, typer.Option("--live", help="Ask the real venues instead of local stand-ins.")
]
FeedNames = Annotated[
    str,
    typer.Option(help="Names of the catalogue, with commas; default: all, in scenarios eth-usd."),
]
LogLevel = Annotated[Level, typer.Option(help="Of the node's logs, on standard error.")]
Played = Annotated[
    ScenarioName | None,
    typer.Option(
        help="tcb-recovery: a vulnerability becomes public, the machine is updated late;"
        " revocation: the vendor revokes the machine's certificate; expiry: the vendor stops"
        " publishing; upgrade: a new enclave image takes over."
    ),
]


def demo(
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many rounds; default: on Ctrl-C.")
    ] = None,
    nodes: NodeCount = 1,
    quorum: SignatureCount = None,
    tee: EmulatedTee = Tee.TDX,
    live: RealVenues = False,
    output: Annotated[Output, typer.Option(help="Form of the result.")] = Output.TABLE,
    feeds: FeedNames = "",
    block_time: Annotated[int, typer.Option(min=1, max=60, help="Seconds between blocks.")] = 1,
    anvil: Annotated[
        Path, typer.Option(envvar="ORACLE_ANVIL", help="The program that plays the chain.")
    ] = DEFAULT_ANVIL,
    log_level: LogLevel = Level.ERROR,
    scenario: Played = None,
) -> None:
    """Run the whole main job on this machine: enclaves price feeds, a contract reads them.

    The hardware is emulated: see the notice that it prints. Exit status 0 only if every round
    landed and every consumer read exactly what the quorum of enclaves signed.

    --scenario plays what may happen to a registration, and says what the chain makes of it. Exit
    status 0 only if all is as it must be.
    """
    configure_logging(sys.stderr, level=log_level.value, style="auto")
    if scenario is not None:
        is_plain = (rounds, nodes, quorum, live) == (None, 1, None, False)
        with ends_with_status():
            place = _place(tee, feeds or SCENARIO_FEED, block_time, anvil, is_plain=is_plain)
            _play(scenario, place, Narrator(scenario, is_json=output is Output.JSON))
        return
    stage = Stage(output=output, is_live=live)
    with ends_with_status():
        catalogue = load_catalogue()
        chosen = select(catalogue, feeds.split(",") if feeds else catalogue)
        wanted = nodes // 2 + 1 if quorum is None else quorum
        check_quorum(nodes=nodes, quorum=wanted)
        options = DemoOptions(
            rounds=rounds,
            tee=TeeKind.SGX if tee is Tee.SGX else TeeKind.TDX,
            second_tee=TeeKind.SGX if tee is Tee.BOTH else None,
            nodes=nodes,
            quorum=wanted,
            is_live=live,
            feeds=chosen,
            block_time_s=block_time,
            anvil=anvil,
        )
        _show(options, stage)
    if not stage.finish():
        raise typer.Exit(ExitStatus.FAILURE)


def _show(options: DemoOptions, stage: Stage) -> None:
    """Run to the last round or a signal; without a number of rounds a signal is how it ends."""
    try:
        with stage:
            asyncio.run(_perform(options, stage))
    except asyncio.CancelledError:
        if options.rounds is not None or not stage.rounds:
            raise typer.Exit(EXIT_INTERRUPTED) from None


def _place(
    tee: Tee, feeds: str, block_time: int, anvil: Path, *, is_plain: bool
) -> ScenarioOptions:
    """Where a scenario is played.

    Raises:
        ConfigError: Options that no scenario has, or unknown feeds.
    """
    if tee is Tee.BOTH or not is_plain:
        raise ConfigError("--scenario has one node, its own rounds and local sources")
    chosen = select(load_catalogue(), feeds.split(","))
    return ScenarioOptions(TeeKind[tee.name], chosen, block_time, anvil)


def _play(name: ScenarioName, options: ScenarioOptions, narrator: Narrator) -> None:
    """Play a scenario to its end, a failure or a signal."""

    async def play() -> None:
        _end_on_signals()
        narrator.begin()
        await perform(SCENARIOS[name], options, narrator.tell)

    try:
        asyncio.run(play())
    except asyncio.CancelledError:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (ScenarioFailed, ChainError, AttestationError) as error:
        narrator.fail(str(error))
    if not narrator.finish():
        raise typer.Exit(ExitStatus.FAILURE)


async def _perform(options: DemoOptions, stage: Stage) -> None:
    _end_on_signals()
    stage.notice()
    async with _sources(options, stage) as sources:
        stage.progress("starting chain and emulated silicon, deploying the contracts")
        definitions = tuple(feed.canonical for feed in options.feeds)
        wanted = WorldOptions(
            tee=options.tee,
            definitions=definitions,
            settings=_settings(options),
            block_time_s=options.block_time_s,
            anvil=options.anvil,
            nodes=options.nodes,
            quorum=options.quorum,
            second_tee=options.second_tee,
        )
        async with world(wanted, sources) as local:
            who = "the node; it registers the enclave's signer"
            if options.nodes > 1:
                who = f"{options.nodes} nodes; each registers its enclave's signer"
            stage.progress(f"starting {who} on the chain")
            await _follow(options, local, stage)


def _settings(options: DemoOptions) -> dict[str, dict[str, Any]]:
    """What the nodes' configuration files say besides where they are."""
    if options.nodes == 1:
        return {"daemon": {"poll_s": 1.0}}
    poll_s = min(_POLL_MAX_S, max(1.0, _POLL_S_PER_NODE * options.nodes))
    return {"daemon": {"poll_s": poll_s}, "quorum": {"lead_s": _ROUNDS_LED * poll_s}}


def _end_on_signals() -> None:
    """Have a signal end this task as its own end would: everything is stopped on the way out."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


@asynccontextmanager
async def _sources(options: DemoOptions, stage: Stage) -> AsyncIterator[TlsSources | None]:
    if options.is_live:
        yield None
        return
    stage.progress("starting local price sources")
    with tempfile.TemporaryDirectory(prefix="oracle-pki-") as folder:
        async with price_sources(Path(folder), seed=_SEED) as sources:
            yield TlsSources(sources.ca, sources.ports)


async def _follow(options: DemoOptions, local: World, stage: Stage) -> None:
    """Run the nodes until enough rounds have ended."""
    nodes = Nodes(local, options.feeds, quorum=options.quorum, on_ready=stage.progress)
    async with nodes.running():
        while options.rounds is None or len(stage.rounds) < options.rounds:
            view = await _next(nodes, stage)
            stage.show(view, nodes.view())
            if view.problem and options.rounds is not None:
                break
        stage.progress("stopping")


async def _next(nodes: Nodes, stage: Stage) -> RoundView:
    """The next round; says every few seconds what it waits for."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ROUND_LIMIT_S
    while loop.time() < deadline:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await nodes.watch.next_round()
        except TimeoutError:
            stage.progress(f"waiting: {nodes.obstacle()}")
    return nodes.watch.failed_round(f"no report within {ROUND_LIMIT_S:.0f} s: {nodes.obstacle()}")
