"""The command line; one file for each group of commands, imported only when it is called."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

_HELP = """\
Price feeds from trusted execution environments, attested and verified on-chain.

A first look, with nothing configured:  oracle demo --rounds 3

An operator's way:  write oracle.toml (oracle/README.md has one to copy)  →  oracle validate
→  oracle doctor  →  oracle run.  Without a gas key `oracle run` is a dry run.

Exit status: 0 done, 1 failure, 2 configuration or arguments, 3 something to mend or not ready,
4 another daemon holds the journal, 5 the journal is unusable, 130 interrupted. `oracle attest` has
its own: 0 accepted, 1 refused, 2 unusable input.
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One command and where it lives: a module with a function or sub-application `attribute`.

    A command that `reads_words` is a function of its words that returns the exit status: neither
    typer nor pydantic, which typer needs to convert words, is loaded for it.
    """

    module: str
    attribute: str
    help: str
    reads_words: bool = False

    def load(self) -> Any:
        """The function or sub-application."""
        return getattr(importlib.import_module(f"oracle.cli.{self.module}"), self.attribute)


COMMANDS = {
    "run": _Entry("run", "run", "Run the node until it is told to stop."),
    "validate": _Entry("validate", "validate", "Check the configuration and show what it means."),
    "doctor": _Entry("doctor", "doctor", "Check everything the node needs; say how to mend it."),
    "rotate": _Entry("rotate", "rotate", "Replace the enclave and its key while reports go on."),
    "status": _Entry("status", "status", "How the running node is doing."),
    "feeds": _Entry("feeds", "app", "Feed definitions: show, hash; add, pause, remove."),
    "quorum": _Entry("quorum", "app", "Nodes that make reports together: certificates."),
    "registry": _Entry("registry", "app", "Registered signers: list, show with evidence, revoke."),
    "collateral": _Entry("collateral", "app", "What Intel signs about platforms: status, update."),
    "attest": _Entry(
        "attest", "attest", "Evidence of trusted hardware: verify, show, explain.", reads_words=True
    ),
    "demo": _Entry("demo", "demo", "The whole main job on this machine, with emulated hardware."),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the program `oracle`; exits with the command's status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    wanted = next((word for word in given if not word.startswith("-")), "")
    if given[:1] == [wanted] and wanted in COMMANDS and COMMANDS[wanted].reads_words:
        sys.exit(COMMANDS[wanted].load()(given[1:]))
    build_app(wanted)(args=given, prog_name="oracle")


def build_app(wanted: str) -> "typer.Typer":
    """The application with one real command; the others are there for `--help` alone.

    Importing them all would take a second, and one that cannot be imported would break the rest.
    """
    import typer

    app = typer.Typer(
        help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    version = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    )

    @app.callback()
    def root(is_version: bool = version) -> None:
        del is_version  # its callback has done the work

    for name, entry in COMMANDS.items():
        if name == wanted and not entry.reads_words:
            _add(app, name, entry)
        else:
            app.command(name, help=entry.help)(_absent)
    return app


def _add(app: "typer.Typer", name: str, entry: _Entry) -> None:
    import typer

    found = entry.load()
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        import typer

        typer.echo(version("confidential-oracle"))
        raise typer.Exit


def _absent() -> None:
    raise AssertionError("a command that was not asked for")
