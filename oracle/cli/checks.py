"""The checks of `oracle doctor`: each gives a finding; a failed one stops only what needs it."""

import asyncio
import fcntl
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from enclave.domain import wire
from enclave.domain.errors import ChainError, OracleError
from oracle.attestation.codecs.dcap import DcapQuote, split_quote
from oracle.chain.base import CallReverted
from oracle.chain.evm import EvmChain
from oracle.chain.keys import SubmitterKey
from oracle.chain.rpc import Health, Rpc
from oracle.cli.findings import Finding, Verdict, fail, guard, ok
from oracle.cli.platform_checks import check_platform
from oracle.cli.quorum_checks import check_peers, check_quorum, check_seats
from oracle.config import Config
from oracle.daemon.parts import RELAY_NAME, load_key, open_chain, open_config_rpc
from oracle.daemon.session import load_feeds
from oracle.daemon.supervisor import enclave_launch
from oracle.egress_proxy import EgressProxy
from oracle.enclave_process import Enclave, EnclaveLaunch, run_enclave
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import chain_feeds
from oracle.feeds.endpoints import targets

#: A head older than this many block times is a halted chain or a lagging endpoint.
_STALE_BLOCKS = 20
_REACH_S = 5.0


@dataclass(frozen=True, slots=True)
class _Checked:
    """A chain, open, with what was found of it so far.

    Attributes:
        config: Of this chain.
        label: What its checks are called by: empty where there is one chain.
        chain: Its contracts.
        key: That pays there; `None` for a dry run.
        findings: In the order in which they should be mended.
    """

    config: Config
    label: str
    chain: EvmChain
    key: SubmitterKey | None
    findings: list[Finding]

    def named(self, findings: Sequence[Finding]) -> list[Finding]:
        """Findings that say of which chain they are."""
        return [replace(each, check=f"{self.label}{each.check}") for each in findings]


async def check_all(configs: Sequence[Config], feeds: Sequence[Feed]) -> list[Finding]:
    """All findings, in the order in which they should be mended.

    Args:
        configs: One for each chain, alike in what chains share.
        feeds: To be served.
    """
    networks = ", ".join(config.chain.network for config in configs)
    findings = [ok("config", f"{len(feeds)} feeds, network {networks}")]
    findings.append(_check_journal(configs[0]))
    async with AsyncExitStack() as stack:
        labels = [f"{each.chain.name} " if len(configs) > 1 else "" for each in configs]
        chains = [
            await _check_one(stack, config, label, feeds)
            for config, label in zip(configs, labels, strict=True)
        ]
        findings += [finding for each in chains for finding in each.named(each.findings)]
        findings += await _check_relay(feeds)
        findings += await check_peers(configs[0])
        findings += await _check_enclave(configs[0], feeds, chains)
    return findings


async def _check_one(
    stack: AsyncExitStack, config: Config, label: str, feeds: Sequence[Feed]
) -> _Checked:
    """One chain, as far as that needs no enclave; it stays open."""
    key, finding = await _check_key(config)
    findings = [finding, *check_quorum(config, key)]
    rpc = await stack.enter_async_context(open_config_rpc(config))
    endpoints = await _check_endpoints(config, rpc)
    findings += endpoints
    chain = open_chain(config, rpc)
    if any(finding.verdict is not Verdict.FAIL for finding in endpoints):
        findings += await _check_chain(config, chain, chain_feeds(config, feeds), key)
    return _Checked(config, label, chain, key, findings)


async def _check_chain(
    config: Config, chain: EvmChain, feeds: Sequence[Feed], key: SubmitterKey | None
) -> list[Finding]:
    findings = [await guard("contracts", lambda: _check_contracts(config, chain, feeds))]
    if key is not None:
        findings.append(await guard("balance", lambda: _check_balance(config, chain, key)))
        findings.append(await guard("seat", lambda: _check_seat(chain, key)))
    quorum = config.quorum
    if quorum is not None:
        findings.append(await guard("seats", lambda: check_seats(quorum, chain)))
    return findings


def _check_journal(config: Config) -> Finding:
    path = config.store.path
    lock = path.with_name(path.name + ".lock")
    if not lock.exists():
        return ok("journal", f"none yet at {path}; the first run makes it")
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return Finding("journal", Verdict.NOTE, f"{path} is in use: a node is running")
    return ok("journal", f"{path} is free")


async def _check_key(config: Config) -> tuple[SubmitterKey | None, Finding]:
    try:
        key = await load_key(config)
    except OracleError as error:
        return None, fail("key", str(error), "set keys.keystore and keys.password_file, mode 0600")
    if key is None:
        return None, Finding(
            "key", Verdict.NOTE, "none: a dry run", "set keys.keystore to send transactions"
        )
    return key, ok("key", f"operator and submitter {key.address}")


async def _check_endpoints(config: Config, rpc: Rpc) -> list[Finding]:
    findings = []
    await rpc.look(max_age_s=0.0)
    for endpoint in rpc.endpoints:
        name = f"rpc {endpoint.number}"
        chain = open_chain(config, Rpc(rpc.chain_id, [endpoint]))
        mend = f"check chain.rpc_urls number {endpoint.number} and chain.chain_id"
        try:
            head = await chain.head()
        except ChainError as error:
            findings.append(fail(name, str(error), mend))
            continue
        age_s = int(time.time()) - head.timestamp
        if endpoint.health is Health.LAGGING:
            findings.append(fail(name, f"block {head.number} is behind the others'", mend))
        elif age_s > _STALE_BLOCKS * config.chain.block_s:
            findings.append(fail(name, f"block {head.number} is {age_s} s old", "wait, or " + mend))
        else:
            findings.append(ok(name, f"chain {rpc.chain_id}, block {head.number}, {age_s} s old"))
    if len(rpc.endpoints) > 1:
        findings.append(await guard("rpc", lambda: _check_agreement(rpc)))
    return findings


async def _check_agreement(rpc: Rpc) -> Finding:
    """Whether the endpoints tell of one chain."""
    number = (await rpc.agreed_block()).head.number
    alive = [str(each.number) for each in rpc.endpoints if each.health is Health.ALIVE]
    return ok("rpc", f"endpoints {', '.join(alive)} agree on block {number}")


async def _check_contracts(config: Config, chain: EvmChain, feeds: Sequence[Feed]) -> Finding:
    await chain.check_wiring()
    hub = await chain.hub()
    listed = set(await chain.feed_ids())
    missing = [feed.name for feed in feeds if feed.feed_id not in listed]
    live = "live" if hub.is_live else "not live"
    seen = f"hub {live}, m = {hub.signatures}, d = {hub.vendors}"
    nodes = 1 if config.quorum is None else 1 + len(config.quorum.peers)
    if hub.signatures > nodes:
        mend = "add the other operators' nodes: [quorum] in oracle/README.md"
        return fail("contracts", f"{seen}, and {nodes} node(s) are configured", mend)
    if missing:
        return Finding(
            "contracts",
            Verdict.NOTE,
            f"{seen}; not listed: {', '.join(missing)}",
            "governance lists a feed (FeedHub.listFeed), or leave it out of [feeds]",
        )
    return ok("contracts", f"{seen}, all {len(feeds)} feeds listed")


async def _check_balance(config: Config, chain: EvmChain, key: SubmitterKey) -> Finding:
    wei = await chain.balance(key.address)
    if wei == 0:
        return fail("balance", f"{key.address} is empty", f"send funds to {key.address}")
    if wei < config.gas.low_balance_wei:
        mend = f"send funds to {key.address}"
        return Finding("balance", Verdict.NOTE, f"{wei} wei is less than gas.low_balance", mend)
    return ok("balance", f"{wei} wei")


async def _check_seat(chain: EvmChain, key: SubmitterKey) -> Finding:
    try:
        seat = await chain.seat(key.address)
    except CallReverted as error:
        mend = f"governance seats the operator: SignerSet.addSeat({key.address})"
        return fail("seat", str(error), mend)
    signers = [signer for signer in seat.signers if signer] or ["nobody yet"]
    return ok("seat", f"number {seat.number}, held by {', '.join(signers)}")


async def _check_relay(feeds: Sequence[Feed]) -> list[Finding]:
    """Whether the relay could reach its hosts; TLS and bodies are the enclave's business."""
    wanted = sorted(targets(feed.definition for feed in feeds))

    async def reach(host: str, port: int) -> str:
        try:
            async with asyncio.timeout(_REACH_S):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return host
        writer.close()
        return ""

    async with asyncio.TaskGroup() as tasks:
        attempts = [tasks.create_task(reach(host, port)) for host, port in wanted]
    lost = [task.result() for task in attempts if task.result()]
    if not lost:
        return [ok("relay", f"all {len(wanted)} hosts reachable")]
    mend = "check DNS and the firewall: the relay must reach these hosts on port 443"
    return [fail("relay", f"{len(lost)} of {len(wanted)} not reachable: {', '.join(lost)}", mend)]


async def _check_enclave(
    config: Config, feeds: Sequence[Feed], chains: Sequence[_Checked]
) -> list[Finding]:
    mend = "check [enclave]: python, silicon, extra_ca, sandbox; see the log above"
    try:
        async with _own_enclave(config) as enclave:
            await load_feeds(enclave.client, feeds)
            findings = [_check_sandbox(enclave)]
            findings.append(ok("enclave", f"{enclave.hello.version}, {enclave.hello.attester}"))
            for each in chains:
                evidence = await _check_evidence(each.config, each.chain, enclave, each.key)
                findings += each.named(evidence)
    except OracleError as error:
        return [fail("enclave", str(error), mend)]
    return findings


def _check_sandbox(enclave: Enclave) -> Finding:
    if enclave.is_sandboxed:
        return ok("sandbox", "bubblewrap works")
    return Finding(
        "sandbox",
        Verdict.NOTE,
        "the enclave's process runs without bubblewrap",
        "install bubblewrap and allow user namespaces; enclave.sandbox = 'require' insists",
    )


async def _check_evidence(
    config: Config, chain: EvmChain, enclave: Enclave, key: SubmitterKey | None
) -> list[Finding]:
    """What this machine would attest, and whether the chain would take it."""
    try:
        head = await chain.head()
        operator = bytes.fromhex(key.address[2:]) if key else b"\x01" * 20
        registry = bytes.fromhex(config.chain.registry[2:])
        request = wire.Attest(config.chain.chain_id, registry, operator, head.number, head.hash)
        quote = split_quote((await enclave.client.attest(request)).evidence)
    except ChainError as error:
        return [fail("image", str(error), "see the finding; mend what stands above it first")]
    return [
        await guard("image", lambda: _check_image(chain, quote)),
        await check_platform(config, chain, quote, now=head.timestamp),
    ]


async def _check_image(chain: EvmChain, quote: DcapQuote) -> Finding:
    """Whether governance has approved what this machine would attest."""
    image = "0x" + quote.image_id.hex()
    if (await chain.image(quote.image_id)).is_live:
        return ok("image", f"{image} is approved")
    return fail(
        "image",
        f"{image} is not approved",
        "governance approves the image first (ImagePolicy.approveImage), then the node is started",
    )


@asynccontextmanager
async def _own_enclave(config: Config) -> AsyncIterator[Enclave]:
    """An enclave beside the node's own, with its own relay that reaches nothing."""
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        relay = Path(folder) / "relay" / RELAY_NAME
        await asyncio.to_thread(relay.parent.mkdir, mode=0o700)
        launch: EnclaveLaunch = replace(
            enclave_launch(config), listen_dir=Path(folder) / "enclave", relay=relay
        )
        async with EgressProxy(relay, set()), run_enclave(launch) as enclave:
            yield enclave
