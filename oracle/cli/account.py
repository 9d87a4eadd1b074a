"""The account that pays for what a command sends, with its journal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enclave.domain.errors import ConfigError
from oracle.config import Config
from oracle.store import JournalLocked

if TYPE_CHECKING:
    from oracle.chain.evm import EvmChain
    from oracle.chain.keys import SubmitterKey
    from oracle.chain.rpc import Rpc
    from oracle.chain.transactions import EvmSubmitter
    from oracle.store import Journal

PayerOption = Annotated[
    Path | None,
    typer.Option(
        "--payer",
        metavar="KEYSTORE",
        help="Another account that pays, so that `oracle run` may go on; with --payer-password.",
    ),
]
PasswordOption = Annotated[
    Path | None, typer.Option("--payer-password", metavar="FILE", help="Its keystore's password.")
]


@dataclass(frozen=True, slots=True)
class Payer:
    """What the options say; neither: the account of the configuration."""

    keystore: Path | None = None
    password: Path | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An open account on the configured chain.

    Attributes:
        rpc: Endpoints.
        chain: The configured contracts.
        journal: Of its transactions.
        submitter: Sends them.
    """

    rpc: "Rpc"
    chain: "EvmChain"
    journal: "Journal"
    submitter: "EvmSubmitter"


async def load_own_key(settings: Config, wanted: str) -> "SubmitterKey":
    """The key of the configuration.

    Raises:
        ConfigError: None is configured, or it cannot be used.
    """
    from oracle.daemon.parts import load_key

    key = await load_key(settings)
    if key is None:
        raise ConfigError(f"keys.keystore is not set, wanted {wanted}")
    return key


@asynccontextmanager
async def open_account(settings: Config, payer: Payer) -> AsyncIterator[Account]:
    """Open the account of the configuration, or the one that the options name.

    Raises:
        ConfigError: Its key cannot be used.
        JournalLocked: It is the running node's.
        JournalError: Its journal cannot be used.
    """
    # Imported here: they bring aiohttp and the daemon's parts.
    from oracle.chain.abi_codec import load_abi
    from oracle.daemon.parts import open_chain, open_config_rpc, open_submitter
    from oracle.store import open_journal

    key, path = await _key_and_journal(settings, payer)
    try:
        async with open_journal(path) as journal, open_config_rpc(settings) as rpc:
            errors = load_abi("AttestationRegistry")
            async with open_submitter(settings, rpc, journal, key, errors) as submitter:
                yield Account(rpc, open_chain(settings, rpc), journal, submitter)
    except JournalLocked as error:
        raise JournalLocked(f"{error}; stop it, or let another account pay: --payer") from error


async def _key_and_journal(settings: Config, payer: Payer) -> "tuple[SubmitterKey, Path]":
    if payer.keystore is None and payer.password is None:
        return await load_own_key(settings, "a key that pays for transactions"), settings.store.path
    if payer.keystore is None or payer.password is None:
        raise ConfigError("--payer needs --payer-password, and the other way round")
    keys = settings.keys.model_copy(
        update={"keystore": payer.keystore, "password_file": payer.password}
    )
    key = await load_own_key(settings.model_copy(update={"keys": keys}), "a key that pays")
    return key, settings.store.path.with_suffix(".payer.db")
