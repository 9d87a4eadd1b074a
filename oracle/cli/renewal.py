"""`oracle registry register`, `renew` and `recheck`: what else `oracle run` or anyone does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enclave.domain.errors import ChainError, ConfigError, SignatureInvalid
from enclave.domain.report import keccak256
from oracle.cli.account import (
    Account,
    PasswordOption,
    Payer,
    PayerOption,
    load_own_key,
    open_account,
)
from oracle.cli.arguments import (
    DEFAULT_CONFIG,
    ChainOption,
    FromBlock,
    SignerArgument,
    load_settings,
    parse_signer,
)
from oracle.cli.outcome import ConfigPath, Output, OutputOption, ends_with_status
from oracle.config import Config

if TYPE_CHECKING:
    from oracle.attestation.codecs.dcap import DcapQuote
    from oracle.chain.base import Receipt, SignerStatus
    from oracle.chain.evm import EvmChain
    from oracle.chain.signers import RegisteredEvent
    from oracle.enclave_link import EnclaveClient

NOTHING_TO_CHANGE = "AttestationRegistry_NothingToChange"
EvidenceOption = Annotated[
    Path | None,
    typer.Option(
        "--evidence",
        metavar="FILE",
        help="The whole quote that it was registered with; else from the chain's events.",
    ),
]


def register(
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    payer: PayerOption = None,
    password: PasswordOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Register the signer of the enclave that runs on this host.

    Brings the collateral that it takes. Seat and hubs are left to the node. The account of the
    configuration belongs to the running node: let another one pay.
    """
    with ends_with_status():
        view = _renewed(config, chain, Payer(payer, password), is_known=False)
    _print("registered", view, output)


def renew(
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    payer: PayerOption = None,
    password: PasswordOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Renew the registration of the enclave that runs on this host, with new evidence.

    `oracle run` does that by itself, `daemon.renew_before_s` before the end. The account of the
    configuration belongs to the running node: let another one pay.
    """
    with ends_with_status():
        view = _renewed(config, chain, Payer(payer, password), is_known=True)
    _print("renewed", view, output)


def recheck(
    signer: SignerArgument,
    config: ConfigPath = DEFAULT_CONFIG,
    chain: ChainOption = None,
    from_block: FromBlock = 0,
    evidence: EvidenceOption = None,
    payer: PayerOption = None,
    password: PasswordOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have anyone's signer appraised again, with the collateral of now.

    A platform that is good enough stays registered as long as a new registration would, or longer;
    one that is not, under the lowest TCB evaluation number that the policy takes, is suspended, and
    the hubs stop if it ever had a seat. Brings the collateral that it takes.
    """
    with ends_with_status():
        address = parse_signer(signer)
        settings = load_settings(config, chain)
        work = _recheck(settings, Payer(payer, password), address, from_block, evidence)
        view = asyncio.run(work)
    _print(view["outcome"], view, output)


def _print(outcome: str, view: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(view, indent=2))
        return
    from oracle.cli.registry_view import moment

    typer.echo(f"{outcome}: {view['signer']}")
    if view["refusal"]:
        typer.echo(f"refused: {view['refusal']}")
    typer.echo(f"it ends at {moment(view['expires_at'])} by {view['limited_by']}")
    if view["transaction"] is not None:
        sent = f"block {view['block']}, transaction {view['transaction']}, {view['gas_used']} gas"
        typer.echo(sent)


async def known_signer(chain: "EvmChain", settings: Config, address: str) -> "SignerStatus":
    """What the registry says of a signer that it knows.

    Raises:
        ConfigError: It knows no such signer.
    """
    status = await chain.signer(bytes.fromhex(address[2:]))
    if not int(status.operator, 16):
        raise ConfigError(
            f"SIGNER: {address} was never registered at {settings.chain.registry}, wanted a signer"
            " of `oracle registry list`"
        )
    return status


def _renewed(config: Path, chain: str | None, payer: Payer, *, is_known: bool) -> dict[str, Any]:
    return asyncio.run(_renew(load_settings(config, chain), payer, is_known=is_known))


async def _renew(settings: Config, payer: Payer, *, is_known: bool) -> dict[str, Any]:
    from oracle.daemon.parts import open_keeper
    from oracle.registration import Identity, Registrar

    operator = await load_own_key(settings, "the key of the operator, whom evidence names")
    async with _running_enclave(settings) as enclave, open_account(settings, payer) as account:
        hello = await enclave.hello()
        identity = Identity(hello.signer, hello.hpke_public_key)
        _check_standing(await account.chain.signer(identity.signer), identity.address, is_known)
        registrar = Registrar(
            account.chain,
            account.submitter,
            account.journal,
            open_keeper(settings, account.chain, account.submitter),
            chain_id=settings.chain.chain_id,
            registry=settings.chain.registry,
            operator=operator.address,
        )
        receipt = await registrar.register(identity, enclave)
        status = await account.chain.signer(identity.signer)
    return _view(identity.address, status, receipt)


@asynccontextmanager
async def _running_enclave(settings: Config) -> "AsyncIterator[EnclaveClient]":
    from oracle.enclave_link import EnclaveClient, EnclaveLost
    from oracle.enclave_process import FOLDERS, SOCKET_NAME

    client = None
    for folder in FOLDERS:
        path = settings.enclave.runtime_dir / folder / SOCKET_NAME
        with suppress(EnclaveLost):
            client = await EnclaveClient.connect(f"unix:{path}")
            break
    if client is None:
        raise ChainError(
            f"no enclave runs in {settings.enclave.runtime_dir}: start `oracle run`, which"
            " registers its signer by itself"
        )
    try:
        yield client
    finally:
        await client.close()


def _check_standing(status: "SignerStatus", address: str, is_known: bool) -> None:
    if is_known and not int(status.operator, 16):
        raise ConfigError(f"{address} was never registered: `oracle registry register`")
    if not is_known and status.is_valid:
        raise ConfigError(f"{address} is registered and valid: `oracle registry renew`")


async def _recheck(
    settings: Config, payer: Payer, address: str, from_block: int, evidence: Path | None
) -> dict[str, Any]:
    from oracle.chain.base import CallReverted, Recheck
    from oracle.daemon.parts import open_keeper
    from oracle.registration import send_first

    async with open_account(settings, payer) as account:
        chain = account.chain
        await known_signer(chain, settings, address)
        event = await _latest_event(settings, account, address, from_block)
        quote = await _quote(account, event, from_block, evidence)
        keeper = open_keeper(settings, chain, account.submitter)
        endorsed = await keeper.endorse(quote)
        ref_block_hash = (await chain.block(event.ref_block)).hash
        rechecks = [
            Recheck(
                verifier_id=settings.chain.verifier_id,
                signer=bytes.fromhex(address[2:]),
                hpke_key_hash=keccak256(event.hpke_public_key),
                ref_block_hash=ref_block_hash,
                evidence=event.evidence,
                hints=hints.packed,
                endorsements=endorsed.endorsements,
            )
            for hints in endorsed.hints
        ]
        try:
            calls = [chain.recheck(each) for each in rechecks]
            receipt = await send_first(account.submitter, calls)
        except CallReverted as error:
            if error.name != NOTHING_TO_CHANGE:
                raise
            receipt = None
        status = await chain.signer(bytes.fromhex(address[2:]))
    return _view(address, status, receipt)


async def _latest_event(
    settings: Config, account: Account, address: str, from_block: int
) -> "RegisteredEvent":
    from oracle.chain.signers import read_histories

    head = await account.chain.head()
    histories = await read_histories(
        account.rpc,
        settings.chain.registry,
        from_block=from_block,
        to_block=head.number,
        signer=address,
    )
    if address not in histories:
        raise ChainError(
            f"{address} is registered, but the endpoint has no such event from block {from_block}"
            " on: give an earlier --from-block, or an endpoint that keeps old events"
        )
    return histories[address].latest


async def _quote(
    account: Account, event: "RegisteredEvent", from_block: int, file: Path | None
) -> "DcapQuote":
    """The evidence with its certificates: from a file, or from the events of who verified it."""
    from oracle.attestation.codecs.dcap import parse_certificate, parse_evidence
    from oracle.chain.certificates import read_authority, read_machine_certificates

    if file is not None:
        return _quote_of(file, event)
    span = {"from_block": from_block, "to_block": (await account.chain.head()).number}
    verifier = await account.chain.verifier()
    collateral = (await account.chain.collateral()).address
    found = await read_machine_certificates(account.rpc, verifier, event.hardware_id, **span)
    for certificate, ca_id in found:
        ca = await read_authority(account.rpc, collateral, ca_id, **span)
        if ca is None:
            continue
        chain = {"pck": parse_certificate(certificate), "ca": parse_certificate(ca)}
        try:
            return parse_evidence(event.evidence, **chain)
        except SignatureInvalid:
            # The machine has another certificate since.
            continue
    raise ChainError(
        f"the endpoint has no certificate of {event.signer}'s machine from block {from_block} on:"
        " give an earlier --from-block, or --evidence"
    )


def _quote_of(file: Path, event: "RegisteredEvent") -> "DcapQuote":
    from oracle.attestation.codecs.dcap import split_quote

    try:
        quote = split_quote(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    if quote.evidence != event.evidence:
        raise ConfigError(f"{file} is not what {event.signer} was last registered with")
    return quote


def _view(address: str, status: "SignerStatus", receipt: "Receipt | None") -> dict[str, Any]:
    outcome, refusal = _outcome(receipt)
    return {
        "signer": address,
        "outcome": outcome,
        "refusal": refusal,
        "expires_at": status.expires_at,
        "limited_by": status.cause.words,
        "valid": status.is_valid,
        "block": None if receipt is None else receipt.block,
        "transaction": None if receipt is None else "0x" + receipt.hash.hex(),
        "gas_used": None if receipt is None else receipt.gas_used,
    }


def _outcome(receipt: "Receipt | None") -> tuple[str, str]:
    """What a transaction did to a signer, and why if it was refused."""
    from oracle.chain.abi_codec import decode_revert, load_abi

    abi = load_abi("AttestationRegistry")
    words = {"SignerRegistered": "registered", "SignerExtended": "extended"}
    for log in receipt.logs if receipt is not None else ():
        if not log.topics or log.topics[0] not in abi.events:
            continue
        name, fields = abi.decode_event(log.topics, log.data)
        if name == "SignerSuspended":
            return "suspended", decode_revert(abi, fields["refusal"])
        if name in words:
            return words[name], ""
    return "nothing to change", ""
