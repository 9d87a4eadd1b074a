"""`oracle registry`: who was registered, what became of each, and revoking one's own."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enclave.domain.errors import ChainError, ConfigError
from oracle.cli.account import Payer, load_own_key, open_account
from oracle.cli.arguments import (
    DEFAULT_CONFIG,
    ChainOption,
    FromBlock,
    SignerArgument,
    load_settings,
    parse_signer,
)
from oracle.cli.outcome import ConfigPath, ExitStatus, Output, OutputOption, ends_with_status
from oracle.cli.renewal import known_signer, recheck, register, renew
from oracle.config import Config

if TYPE_CHECKING:
    from oracle.chain.base import SignerStatus
    from oracle.chain.keys import SubmitterKey
    from oracle.cli.registry_view import Dossier

app = typer.Typer(
    no_args_is_help=True,
    help="The on-chain registry: list signers, show one with its evidence, revoke one's own,"
    " re-check anyone's.\n\n`oracle run` registers and renews its signer by itself; register and"
    " renew do it by hand, with the enclave of the running node.",
)

_STOPPED = """\
every hub of the signer set was stopped and takes no reports until it is rebuilt: any operator's
running node does that, or anyone by FeedHub.rebuild()"""
_GO_ON = "no hub was stopped: this signer never had a seat"


class ListOutput(StrEnum):
    """Form of the list."""

    TABLE = "table"
    JSON = "json"


for _name, _command in (("register", register), ("renew", renew), ("recheck", recheck)):
    app.command(_name)(_command)


@app.command("list")
def list_signers(
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    from_block: FromBlock = 0,
    output: Annotated[
        ListOutput, typer.Option("--output", help="table for people, json for machines.")
    ] = ListOutput.TABLE,
) -> None:
    """Show every signer that was ever registered, and its state now.

    States: valid, expired, revoked, image withdrawn. SEAT is the bit in a report's mask.
    """
    with ends_with_status():
        settings = load_settings(config, chain)
        views = [each.view() for each in asyncio.run(_read(settings, from_block, None))]
    if output is ListOutput.JSON:
        typer.echo(json.dumps(views, indent=2))
        return
    from oracle.cli.registry_view import table

    for line in table(views):
        typer.echo(line)


@app.command("show")
def show(
    signer: SignerArgument,
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    from_block: FromBlock = 0,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="FILE", help="Write the evidence to this new file."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show one signer in full: its last registration, its evidence, its state and why.

    Days left count to the end of the registration, which the policy's age or the evidence's
    certificate limits. `--evidence` writes the exact bytes of the event.
    """
    with ends_with_status():
        address = parse_signer(signer)
        settings = load_settings(config, chain)
        dossier = asyncio.run(_read_one(settings, from_block, address))
        if evidence is not None:
            _write_new(evidence, dossier.history.latest.evidence)
    view = dossier.view()
    if output is Output.JSON:
        typer.echo(json.dumps(view, indent=2))
        return
    from oracle.cli.registry_view import lines

    for line in lines(view):
        typer.echo(line)


@app.command("revoke")
def revoke(
    signer: SignerArgument,
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Revoke a signer at once and for good, with the key of the configuration.

    Only the signer's operator, governance and the guardian may. The account and the journal belong
    to one process: stop `oracle run` first. If the signer ever had a seat, all hubs of the signer
    set stop until somebody rebuilds them; any operator's running node does.
    """
    with ends_with_status():
        address = parse_signer(signer)
        settings = load_settings(config, chain)
        key = asyncio.run(load_own_key(settings, "the key of the signer's operator"))
        status = asyncio.run(_status(settings, address))
        if not status.is_revoked and not (is_sure or _is_confirmed(address, status, key)):
            typer.echo("nothing was sent", err=True)
            raise typer.Exit(ExitStatus.FAILURE)
        view = {"signer": address, "sent": not status.is_revoked}
        if not status.is_revoked:
            view |= asyncio.run(_revoke(settings, key, address))
    print_revoked(view, output)


def _is_confirmed(address: str, status: "SignerStatus", key: "SubmitterKey") -> bool:
    standing = "valid" if status.is_valid else "not valid"
    typer.echo(f"{address} of operator {status.operator} is {standing}.", err=True)
    typer.echo(f"The key of the configuration is {key.address}.", err=True)
    typer.echo("Revoking is for good; hubs that know it stop until they are rebuilt.", err=True)
    return typer.confirm("Revoke it?", err=True)


def print_revoked(view: dict[str, Any], output: Output) -> None:
    """Say what was done, and what it means for the hubs."""
    if output is Output.JSON:
        typer.echo(json.dumps(view, indent=2))
    elif not view["sent"]:
        typer.echo(f"{view['signer']} was revoked before; nothing was sent")
    else:
        typer.echo(
            f"revoked {view['signer']} in block {view['block']}, transaction"
            f" {view['transaction']}, {view['gas_used']} gas"
        )
        typer.echo(_STOPPED if view["hubs_stopped"] else _GO_ON)


async def _read(settings: Config, from_block: int, signer: str | None) -> "list[Dossier]":
    # Imported here, as below: it brings aiohttp and the daemon's parts.
    from oracle.cli.registry_view import read_dossiers
    from oracle.daemon.parts import open_chain, open_config_rpc

    async with open_config_rpc(settings) as rpc:
        chain = open_chain(settings, rpc)
        return await read_dossiers(rpc, chain, settings, from_block=from_block, signer=signer)


async def _read_one(settings: Config, from_block: int, address: str) -> "Dossier":
    await _status(settings, address)
    found = await _read(settings, from_block, address)
    if not found:
        raise ChainError(
            f"{address} is registered, but the endpoint has no such event from block {from_block}"
            " on: give an earlier --from-block, or an endpoint that keeps old events"
        )
    return found[0]


async def _status(settings: Config, address: str) -> "SignerStatus":
    """What the registry says of a signer that it knows."""
    from oracle.daemon.parts import open_chain, open_config_rpc

    async with open_config_rpc(settings) as rpc:
        return await known_signer(open_chain(settings, rpc), settings, address)


async def _revoke(settings: Config, key: "SubmitterKey", address: str) -> dict[str, Any]:
    """Send the revocation and wait for its receipt."""
    from oracle.chain.abi_codec import load_abi

    async with open_account(settings, Payer()) as account:
        call = account.chain.revoke(bytes.fromhex(address[2:]))
        receipt = await account.submitter.send(call)
    cleared = next(
        topic for topic, item in load_abi("SignerSet").events.items() if item.name == "HubsCleared"
    )
    return {
        "by": key.address,
        "block": receipt.block,
        "transaction": "0x" + receipt.hash.hex(),
        "gas_used": receipt.gas_used,
        "hubs_stopped": any(log.topics[:1] == (cleared,) for log in receipt.logs),
    }


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; wanted a new file") from error
