"""Arguments that several commands take, and how they are read."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from enclave.domain.errors import ConfigError
from oracle.config import Config, checksum_address, load_config
from oracle.telemetry.logging import configure_logging

DEFAULT_CONFIG = Path("oracle.toml")

ChainOption = Annotated[
    str | None,
    typer.Option("--chain", metavar="NAME", help="Which chain, if the configuration has several."),
]

SignerArgument = Annotated[str, typer.Argument(metavar="SIGNER", help="0x and 40 digits.")]
FromBlock = Annotated[
    int,
    typer.Option("--from-block", min=0, help="First block to read; that of the deployment is best"),
]


def load_settings(path: Path, chain: str | None) -> Config:
    """The configuration of one chain; from here on only errors are logged, on standard error.

    Args:
        path: The file.
        chain: Its name; may be left out if there is but one.
    """
    settings = load_config(path, chain)
    configure_logging(sys.stderr, level="error", style="text")
    return settings


def parse_signer(text: str) -> str:
    """The EIP-55 spelling of an address on the command line.

    Raises:
        ConfigError: It is none.
    """
    try:
        return checksum_address(text)
    except ValueError as error:
        raise ConfigError(
            f"SIGNER: {error}; wanted 0x and 40 digits, in EIP-55 spelling or in one case"
        ) from None
