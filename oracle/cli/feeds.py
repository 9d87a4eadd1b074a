"""`oracle feeds`: definitions, their canonical form and their ids; which ones are served."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from enclave.domain.errors import ConfigError
from enclave.domain.feed import SourceSpec
from oracle.cli.feeds_change import add, pause, remove, resume
from oracle.feeds.catalogue import Feed, load_catalogue, load_feed

app = typer.Typer(
    no_args_is_help=True,
    help="Feed definitions: the catalogue, their canonical form, their ids; which ones are served.",
)
for _command in (add, remove, pause, resume):
    app.command()(_command)

#: Exit status for input that the operator must change.
EXIT_CONFIG = 2


@app.command("hash")
def hash_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="TOML definitions")],
) -> None:
    """Print the id of each definition."""
    with _faults():
        for file in files:
            typer.echo(f"0x{load_feed(file).feed_id.hex()}  {file}")


@app.command("show")
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="of the catalogue, or a TOML file")
    ] = None,
    canonical: Annotated[
        bool, typer.Option("--canonical", help="print the exact bytes that are hashed")
    ] = False,
) -> None:
    """Print what a feed is made of; every feed of the catalogue without a name."""
    with _faults():
        for feed in [_find(name)] if name else load_catalogue().values():
            typer.echo(feed.canonical.decode("ascii") if canonical else _describe(feed))


@app.command("list")
def list_feeds() -> None:
    """Print the catalogue: name, pair, number of sources, id."""
    with _faults():
        for feed in load_catalogue().values():
            definition = feed.definition
            typer.echo(
                f"{feed.name:<10} {definition.name:<9} {len(definition.sources):>2} sources"
                f"  0x{feed.feed_id.hex()}"
            )


def _find(name: str) -> Feed:
    if name.endswith(".toml"):
        return load_feed(Path(name))
    feeds = load_catalogue()
    if name not in feeds:
        raise ConfigError(
            f"feed {name!r} is not in the catalogue, wanted one of {', '.join(feeds)}"
        )
    return feeds[name]


def _describe(feed: Feed) -> str:
    definition = feed.definition
    rules = definition.aggregation
    lines = [
        f"{definition.name}  0x{feed.feed_id.hex()}",
        f"{definition.decimals} decimals, {definition.rounding.value}",
        f"due at {definition.deviation_bps} bps or {definition.heartbeat_s} s",
        f"{rules.algorithm} of at least {rules.min_sources} of {len(definition.sources)} sources",
        f"outliers beyond {rules.outlier_floor_bps} bps and {rules.outlier_mad} MAD",
        f"dispersion at most {rules.max_dispersion_bps} bps, jump gate {rules.jump_bps} bps",
        *(_source(source) for source in definition.sources),
    ]
    return "\n  ".join(lines)


def _source(source: SourceSpec) -> str:
    steps = ["inverted"] if source.invert else []
    steps += [f"{each.operation} by 0x{each.feed_id.hex()[:8]}…" for each in source.convert]
    return "  ".join(
        (
            f"{source.name:<12}{source.adapter:<12}{source.base}/{source.quote}",
            f"at most {source.max_age_s} s old",
            *steps,
        )
    )


@contextmanager
def _faults() -> Iterator[None]:
    """One line for what the operator must mend."""
    try:
        yield
    except ConfigError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_CONFIG) from error
