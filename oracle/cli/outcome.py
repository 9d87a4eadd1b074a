"""How commands end: one line for each error, and the exit status that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from enclave.domain.errors import AttestationError, ChainError, ConfigError, OracleError
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.cli.output import Output
from oracle.store import JournalError, JournalLocked

__all__ = ["ConfigPath", "ExitStatus", "Output", "OutputOption", "ends_with_status", "exit_status"]


class ExitStatus(IntEnum):
    """What the operator should do; the table is in `oracle/README.md`."""

    OK = 0
    FAILURE = 1
    CONFIGURATION = 2
    NOT_READY = 3
    JOURNAL_LOCKED = 4
    JOURNAL_UNUSABLE = 5


ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="Configuration file; see oracle/README.md.")
]
OutputOption = Annotated[
    Output, typer.Option("--output", help="text for people, json for machines.")
]


def exit_status(error: OracleError) -> ExitStatus:
    """The exit status for an error that ends a command."""
    kinds: tuple[tuple[type[OracleError], ExitStatus], ...] = (
        (ConfigError, ExitStatus.CONFIGURATION),
        (JournalLocked, ExitStatus.JOURNAL_LOCKED),
        (JournalError, ExitStatus.JOURNAL_UNUSABLE),
        (ChainError, ExitStatus.NOT_READY),
        (AttestationError, ExitStatus.NOT_READY),
        (CollateralUnavailable, ExitStatus.NOT_READY),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), ExitStatus.FAILURE)


@contextmanager
def ends_with_status() -> Iterator[None]:
    """Turn the errors that are raised on purpose into lines and a status; no traceback."""
    try:
        yield
    except OracleError as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(exit_status(error)) from None
