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
from typing import Annotated, Self

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from enclave.domain.evidence import TeeKind
from oracle.cli.demo_view import (
    EMULATED,
    LIVE_SOURCES,
    LOCAL_SOURCES,
    RoundView,
    SignerView,
    document,
    screen,
)
from oracle.cli.demo_watch import Watch
from oracle.cli.outcome import ExitStatus, ends_with_status
from oracle.daemon import Daemon, every_answer
from oracle.daemon.tasks import leading_error
from oracle.devnet.anvil import DEFAULT_ANVIL
from oracle.devnet.deploy import read_price
from oracle.devnet.price_sources import price_sources
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed, load_catalogue, select
from oracle.telemetry.logging import configure_logging
from oracle.telemetry.state import NodeState

EXIT_INTERRUPTED = 130
#: Longest wait for a report to land.
ROUND_LIMIT_S = 60.0
#: How long a wait goes on before the next line says what is waited for.
_PATIENCE_S = 5.0
_SEED = 1


class Tee(StrEnum):
    """Platforms that the emulated silicon can play."""

    TDX = "tdx"
    SGX = "sgx"


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
        is_live: Whether the price sources are the real venues.
        feeds: Of the catalogue, with all that they convert by.
        block_time_s: Seconds between blocks.
        anvil: The native program.
    """

    rounds: int | None
    tee: TeeKind
    is_live: bool
    feeds: tuple[Feed, ...]
    block_time_s: int
    anvil: Path


class Stage:
    """Shows the demo: progress on standard error, the result on standard output."""

    def __init__(self, *, output: Output, is_live: bool) -> None:
        self.rounds: list[RoundView] = []
        self.signer: SignerView | None = None
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

    def show(self, view: RoundView, signer: SignerView | None) -> None:
        """A round has ended."""
        self.rounds.append(view)
        self.signer = signer
        if self._output is Output.TABLE and self._console.is_terminal:
            if self._live is None:
                live = Live(console=self._console, get_renderable=self._screen)
                self._live = self._stack.enter_context(live)
            self._live.refresh()
        else:
            self.progress(_line(view))

    def finish(self) -> bool:
        """Print the result; whether every round landed."""
        elapsed_s = time.monotonic() - self._started
        result = document(self.rounds, self.signer, is_live=self._is_live, elapsed_s=elapsed_s)
        if self._output is Output.JSON:
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
        elif self._live is None and self.rounds:
            self._console.print(self._screen(), soft_wrap=True)
        return bool(result["ok"])

    def _screen(self) -> RenderableType:
        return screen(self.rounds[-1], self.signer)


def _line(view: RoundView) -> str:
    if view.problem:
        return f"round {view.number}: {view.problem}"
    equal = sum(row.matches for row in view.feeds)
    return (
        f"round {view.number}: {equal} of {len(view.feeds)} consumers read what the enclave signed,"
        f" {view.gas_used:,} gas"
    )


def demo(
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many rounds; default: on Ctrl-C.")
    ] = None,
    tee: Annotated[Tee, typer.Option(help="Platform to emulate.")] = Tee.TDX,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the real venues instead of local stand-ins.")
    ] = False,
    output: Annotated[Output, typer.Option(help="Form of the result.")] = Output.TABLE,
    feeds: Annotated[
        str, typer.Option(help="Names of the catalogue, with commas; default: all.")
    ] = "",
    block_time: Annotated[int, typer.Option(min=1, max=60, help="Seconds between blocks.")] = 1,
    anvil: Annotated[
        Path, typer.Option(envvar="ORACLE_ANVIL", help="The program that plays the chain.")
    ] = DEFAULT_ANVIL,
    log_level: Annotated[
        Level, typer.Option(help="Of the node's logs, on standard error.")
    ] = Level.ERROR,
) -> None:
    """Run the whole main job on this machine: an enclave prices feeds, a contract reads them.

    The hardware is emulated: see the notice that it prints. Exit status 0 only if every round
    landed and every consumer read exactly what the enclave signed.
    """
    configure_logging(sys.stderr, level=log_level.value, style="auto")
    stage = Stage(output=output, is_live=live)
    with ends_with_status():
        catalogue = load_catalogue()
        chosen = select(catalogue, feeds.split(",") if feeds else catalogue)
        options = DemoOptions(rounds, TeeKind[tee.name], live, chosen, block_time, anvil)
        try:
            with stage:
                asyncio.run(_perform(options, stage))
        except asyncio.CancelledError:
            # A signal. Without a number of rounds this is how a demo ends.
            if rounds is not None or not stage.rounds:
                raise typer.Exit(EXIT_INTERRUPTED) from None
    if not stage.finish():
        raise typer.Exit(ExitStatus.FAILURE)


async def _perform(options: DemoOptions, stage: Stage) -> None:
    _end_on_signals()
    stage.notice()
    async with _sources(options, stage) as sources:
        stage.progress("starting chain and emulated silicon, deploying the contracts")
        settings = {"daemon": {"poll_s": 1.0}}
        definitions = tuple(feed.canonical for feed in options.feeds)
        wanted = WorldOptions(
            tee=options.tee,
            definitions=definitions,
            settings=settings,
            block_time_s=options.block_time_s,
            anvil=options.anvil,
        )
        async with world(wanted, sources) as local:
            stage.progress("starting the node; it registers the enclave's signer on the chain")
            await _follow(options, local, stage)


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
    """Run the node until enough rounds have ended."""

    def is_sandboxed() -> bool:
        return daemon.state.signer.is_sandboxed

    async def read(consumer: bytes, block: int) -> tuple[int, int, int]:
        return await read_price(local.chain, consumer, block=block)

    watch = Watch(read, local.deployment.feeds, is_sandboxed)
    daemon = Daemon(
        local.config,
        options.feeds,
        resolve=local.resolve,
        schedule=every_answer,
        observer=watch.observe,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.run())
            while options.rounds is None or len(stage.rounds) < options.rounds:
                view = await _next(watch, daemon, stage)
                stage.show(view, watch.signer)
                if view.problem and options.rounds is not None:
                    break
            stage.progress("stopping")
            daemon.stop()
    except BaseExceptionGroup as group:
        raise leading_error(group) from group


async def _next(watch: Watch, daemon: Daemon, stage: Stage) -> RoundView:
    """The next round; says every few seconds what it waits for."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ROUND_LIMIT_S
    while loop.time() < deadline:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await watch.next_round()
        except TimeoutError:
            stage.progress(f"waiting: {_obstacle(daemon.state)}")
    return watch.failed_round(f"no report within {ROUND_LIMIT_S:.0f} s: {_obstacle(daemon.state)}")


def _obstacle(state: NodeState) -> str:
    """What keeps a report from landing, as far as the node knows."""
    lost = [feed for feed in state.feeds.values() if feed.failure]
    if state.problems:
        return "; ".join(state.problems.values())
    if lost:
        reasons = {feed.failure for feed in lost}
        reasons |= {reason for feed in lost for reason in feed.source_failures.values()}
        names = ", ".join(feed.name for feed in lost)
        return f"no answer for {names}: {'; '.join(sorted(reasons))}"
    return "a report is on its way" if state.is_accepted else "the signer is being registered"
