"""`oracle collateral`: what the chain keeps of what Intel signs, and bringing what it lacks."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enclave.domain.errors import ConfigError
from enclave.domain.evidence import TeeKind
from oracle.cli.account import PasswordOption, Payer, PayerOption, open_account
from oracle.cli.arguments import DEFAULT_CONFIG, ChainOption, load_settings
from oracle.cli.outcome import ConfigPath, ExitStatus, Output, OutputOption, ends_with_status
from oracle.config import Config, checksum_address, parse_source

if TYPE_CHECKING:
    from oracle.attestation.endorsements.documents import Document
    from oracle.attestation.endorsements.pcs import Platform
    from oracle.chain.collateral import EvmCollateral
    from oracle.chain.rpc import Rpc
    from oracle.collateral.plan import ChainState

app = typer.Typer(
    no_args_is_help=True,
    help="What Intel signs about platforms (TCB info, identities, revocation lists), as the chain"
    " keeps it.\n\n`oracle run` keeps it fresh by itself. The platform is that of this host's last"
    " registration, unless --quote or --platform names another one.",
)

FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="DIR|URL", help="Source instead of collateral.source."),
]
PlatformOption = Annotated[
    str | None,
    typer.Option(
        "--platform",
        metavar="TEE:FMSPC:CA",
        help="sgx or tdx, 12 hexadecimal digits, and platform or processor.",
    ),
]
QuoteOption = Annotated[
    Path | None, typer.Option("--quote", metavar="FILE", help="A whole quote of the platform.")
]
NumberOption = Annotated[
    list[int] | None,
    typer.Option("--number", min=0, help="TCB evaluation data number besides the standard one."),
]
ContractOption = Annotated[
    str | None,
    typer.Option("--contract", metavar="ADDRESS", help="IntelCollateral, if not the verifier's."),
]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options say."""

    source: str | None
    platform: str | None
    quote: Path | None
    numbers: tuple[int, ...]
    contract: str | None


@app.command("status")
def status(
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    source: FromOption = None,
    platform: PlatformOption = None,
    quote: QuoteOption = None,
    number: NumberOption = None,
    contract: ContractOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what the chain keeps of each document, until when, and what the source has.

    Exit status 3 if any of them cannot be used now. Sends nothing, needs no key.
    """
    wish = Wish(source, platform, quote, tuple(number or ()), contract)
    with ends_with_status():
        view = asyncio.run(_status(load_settings(config, chain), wish))
    if output is Output.JSON:
        typer.echo(json.dumps(view, indent=2))
    else:
        from oracle.cli.collateral_view import table

        for line in table(view):
            typer.echo(line)
    if not view["usable"]:
        raise typer.Exit(ExitStatus.NOT_READY)


@app.command("update")
def update(
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    source: FromOption = None,
    platform: PlatformOption = None,
    quote: QuoteOption = None,
    number: NumberOption = None,
    contract: ContractOption = None,
    payer: PayerOption = None,
    password: PasswordOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Bring each document that the chain lacks, or of which the source has a newer one.

    One transaction each, with the key of the configuration; none if nothing is newer. The account
    and the journal belong to one process: stop `oracle run` first, which does the same by itself,
    or let another account pay. Exit status 3 if a document cannot be used even so.
    """
    wish = Wish(source, platform, quote, tuple(number or ()), contract)
    is_text = output is Output.TEXT
    say = typer.echo if is_text else _unsaid
    with ends_with_status():
        settings = load_settings(config, chain)
        view = asyncio.run(_update(settings, wish, Payer(payer, password), say))
    from oracle.cli.collateral_view import closing

    typer.echo(closing(view) if is_text else json.dumps(view, indent=2))
    if not view["usable"]:
        raise typer.Exit(ExitStatus.NOT_READY)


async def _status(settings: Config, wish: Wish) -> dict[str, Any]:
    # Imported here, as below: it brings aiohttp and the daemon's parts.
    from oracle.cli.collateral_view import view
    from oracle.daemon.parts import open_config_rpc

    documents, machine = await _documents(settings, wish)
    async with open_config_rpc(settings) as rpc:
        chain = await _contract(settings, rpc, wish)
        return view(machine, chain.address, documents, await _look(settings, rpc, chain, documents))


async def _update(
    settings: Config, wish: Wish, payer: Payer, say: Callable[[str], None]
) -> dict[str, Any]:
    from oracle.cli.collateral_view import Deliveries, view
    from oracle.collateral.plan import plan
    from oracle.collateral.update import bring

    documents, machine = await _documents(settings, wish)
    async with open_account(settings, payer) as account:
        chain = await _contract(settings, account.rpc, wish)
        due = plan(documents, await _look(settings, account.rpc, chain, documents))
        deliveries = Deliveries(say)
        await bring(chain, account.submitter, due, note=deliveries.note)
        state = await _look(settings, account.rpc, chain, documents)
        return view(machine, chain.address, documents, state) | deliveries.view()


async def _documents(settings: Config, wish: Wish) -> "tuple[tuple[Document, ...], Platform]":
    from oracle.collateral.source import open_source

    machine = _machine(settings, wish)
    try:
        source = settings.collateral.source if wish.source is None else parse_source(wish.source)
    except ValueError as error:
        raise ConfigError(f"--from: {error}") from None
    opened = open_source(source, timeout_s=settings.collateral.timeout_s)
    return await opened.fetch(machine, lambda table, standard: wish.numbers), machine


async def _contract(settings: Config, rpc: "Rpc", wish: Wish) -> "EvmCollateral":
    from oracle.chain.collateral import EvmCollateral
    from oracle.daemon.parts import open_chain

    if wish.contract is None:
        return await open_chain(settings, rpc).collateral()
    try:
        return EvmCollateral(rpc, checksum_address(wish.contract))
    except ValueError as error:
        raise ConfigError(f"--contract: {error}") from None


async def _look(
    settings: Config, rpc: "Rpc", chain: "EvmCollateral", documents: "tuple[Document, ...]"
) -> "ChainState":
    from oracle.collateral.update import look
    from oracle.daemon.parts import open_chain

    head = await open_chain(settings, rpc).head()
    return await look(chain, documents, now=head.timestamp)


def _machine(settings: Config, wish: Wish) -> "Platform":
    """The platform that is named, or that of the last registration."""
    from oracle.attestation.codecs.dcap import split_quote
    from oracle.attestation.endorsements.pcs import platform_of
    from oracle.store import read_last_evidence

    if wish.platform is not None:
        return parse_platform(wish.platform)
    if wish.quote is not None:
        try:
            return platform_of(split_quote(wish.quote.read_bytes()))
        except OSError as error:
            raise ConfigError(f"{wish.quote}: {error.strerror}") from error
    chain = settings.chain
    raw = read_last_evidence(settings.store.path, chain_id=chain.chain_id, registry=chain.registry)
    if raw is None:
        raise ConfigError(
            f"{settings.store.path} has no evidence of this host yet: say --platform or --quote"
        )
    return platform_of(split_quote(raw))


def parse_platform(text: str) -> "Platform":
    """A platform on the command line, `TEE:FMSPC:CA`.

    Raises:
        ConfigError: It is none.
    """
    from oracle.attestation.endorsements.pcs import PckCa, Platform

    tees = {"sgx": TeeKind.SGX, "tdx": TeeKind.TDX}
    try:
        tee, fmspc, ca = text.split(":")
        raw = bytes.fromhex(fmspc) if len(fmspc) == 12 else b""
        found = Platform(tees[tee.lower()], raw, PckCa(ca.lower()))
    except (ValueError, KeyError):
        found = None
    if found is None or len(found.fmspc) != 6:
        raise ConfigError(
            f"--platform is {text!r}, wanted TEE:FMSPC:CA, such as tdx:b0c06f000000:platform"
        )
    return found


def _unsaid(_: str) -> None:
    return
