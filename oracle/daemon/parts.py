"""The parts of a running daemon that outlive any one enclave."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from enclave.domain.errors import ConfigError
from oracle.chain.abi_codec import ContractAbi, load_abi
from oracle.chain.base import Submitter
from oracle.chain.evm import EvmChain
from oracle.chain.fees import FeePolicy, FeeStrategy
from oracle.chain.keys import SubmitterKey, unlock
from oracle.chain.rpc import Rpc, open_rpc
from oracle.chain.transactions import EvmSubmitter
from oracle.collateral.keeper import CollateralKeeper
from oracle.collateral.source import open_source
from oracle.config import Config, KeysConfig, read_private_file
from oracle.daemon.quorum import Membership
from oracle.egress_proxy import EgressProxy, RelayStatus
from oracle.feeds.catalogue import Feed
from oracle.feeds.endpoints import targets
from oracle.quorum.certificates import load_identity, load_peers
from oracle.store import Journal, open_journal
from oracle.telemetry.state import NodeState

RELAY_FOLDER = "relay"
RELAY_NAME = "relay.sock"


@dataclass(frozen=True, slots=True)
class ChainParts:
    """What is open for one chain while the daemon runs.

    Attributes:
        rpc: Endpoints of the chain.
        chain: Its contracts.
        journal: `None` in a dry run.
        submitter: `None` in a dry run.
        keeper: Keeps the chain's collateral; `None` in a dry run.
        membership: Who takes part in making reports; `None` without peers.
    """

    rpc: Rpc
    chain: EvmChain
    journal: Journal | None
    submitter: EvmSubmitter | None
    keeper: CollateralKeeper | None
    membership: Membership | None

    @property
    def account(self) -> str:
        """The submitter's address; empty in a dry run."""
        return "" if self.submitter is None else self.submitter.address


@dataclass(frozen=True, slots=True)
class Parts:
    """What is open while the daemon runs.

    Attributes:
        relay: The enclave's way out.
        chains: One for each configuration, in their order.
    """

    relay: EgressProxy
    chains: tuple[ChainParts, ...]


async def open_parts(
    stack: AsyncExitStack,
    configs: Sequence[Config],
    feeds: Sequence[Feed],
    resolve: Mapping[str, tuple[str, int]],
    state: NodeState,
) -> Parts:
    """Open journal, endpoints and relay; the stack closes them. No endpoint is asked for anything.

    Args:
        stack: Holds them.
        configs: One for each chain, alike in what chains share.
        feeds: To be served.
        resolve: `host:port` -> address that the relay dials instead.
        state: Written; it has the chains of `configs`.

    Raises:
        ConfigError: A key file is not private, the keystore cannot be unlocked, or a certificate
            of the quorum cannot be used.
        JournalError: The journal is locked, corrupt, or cannot be written.
    """
    keys = await _load_keys(configs)
    memberships = [load_membership(*pair) for pair in zip(configs, keys, strict=True)]
    first, journal = configs[0], None
    if any(key is not None for key in keys):
        journal = await stack.enter_async_context(open_journal(first.store.path))
    chains = []
    for config, key, membership, at in zip(configs, keys, memberships, state.chains, strict=True):
        opened = await _open_chain_parts(stack, config, key, journal, membership)
        at.counters |= _chain_counters(opened.rpc, opened.submitter)
        at.endpoints = tuple(endpoint.state for endpoint in opened.rpc.endpoints)
        chains.append(opened)
    folder = first.enclave.runtime_dir / RELAY_FOLDER
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    allow = targets(feed.definition for feed in feeds)
    relay = EgressProxy(folder / RELAY_NAME, allow, resolve)
    await stack.enter_async_context(relay)
    state.counters |= _relay_counters(relay)
    return Parts(relay, tuple(chains))


async def _load_keys(configs: Sequence[Config]) -> list[SubmitterKey | None]:
    """Of each chain; a key that several chains share is unlocked once."""
    known: dict[KeysConfig, SubmitterKey | None] = {}
    for config in configs:
        if config.keys not in known:
            known[config.keys] = await load_key(config)
    return [known[config.keys] for config in configs]


async def _open_chain_parts(
    stack: AsyncExitStack,
    config: Config,
    key: SubmitterKey | None,
    journal: Journal | None,
    membership: Membership | None,
) -> ChainParts:
    rpc = await stack.enter_async_context(open_config_rpc(config))
    chain = open_chain(config, rpc)
    if key is None or journal is None:
        return ChainParts(rpc, chain, None, None, None, membership)
    opened = open_submitter(config, rpc, journal, key, load_abi("FeedHub"))
    submitter = await stack.enter_async_context(opened)
    keeper = open_keeper(config, chain, submitter)
    return ChainParts(rpc, chain, journal, submitter, keeper, membership)


def open_config_rpc(config: Config) -> AbstractAsyncContextManager[Rpc]:
    """Endpoints of the configured chain."""
    chain = config.chain
    return open_rpc(
        chain.rpc_urls,
        chain_id=chain.chain_id,
        timeout_s=chain.rpc_timeout_s,
        block_s=chain.block_s,
    )


@asynccontextmanager
async def open_submitter(
    config: Config, rpc: Rpc, journal: Journal, key: SubmitterKey, errors: ContractAbi
) -> AsyncIterator[EvmSubmitter]:
    """The account's only sender, with the session to its private relay if one is configured."""
    chain, policy = config.chain, fee_policy(config)
    if chain.relay_url is None:
        yield EvmSubmitter(rpc, journal, key, policy, errors)
        return
    opened = open_rpc(
        [chain.relay_url],
        chain_id=chain.chain_id,
        timeout_s=chain.rpc_timeout_s,
        block_s=chain.block_s,
    )
    async with opened as relay:
        yield EvmSubmitter(rpc, journal, key, policy, errors, relay=relay)


def open_chain(config: Config, rpc: Rpc) -> EvmChain:
    """The configured contracts."""
    chain = config.chain
    return EvmChain(
        rpc,
        registry=chain.registry,
        signer_set=chain.signer_set,
        hub=chain.hub,
        verifier_id=chain.verifier_id,
    )


def open_keeper(config: Config, chain: EvmChain, submitter: Submitter) -> CollateralKeeper:
    """Who keeps the chain's collateral from the configured source."""
    collateral = config.collateral
    return CollateralKeeper(
        chain,
        submitter,
        open_source(collateral.source, timeout_s=collateral.timeout_s),
        renew_before_s=collateral.renew_before_s,
        clock=time.monotonic,
    )


async def load_key(config: Config) -> SubmitterKey | None:
    """The submitter's key; `None` if none is configured: a dry run.

    Raises:
        ConfigError: A file is missing or not private, or the password is wrong.
    """
    keystore, password_file = config.keys.keystore, config.keys.password_file
    if keystore is None or password_file is None:
        return None
    encrypted, password = read_private_file(keystore), read_private_file(password_file)
    # Deriving the key takes a second by design.
    return await asyncio.to_thread(unlock, encrypted, password)


def load_membership(config: Config, key: SubmitterKey | None) -> Membership | None:
    """Certificates of this node and its peers; `None` if none are configured.

    Raises:
        ConfigError: A file cannot be used, or a peer is this node.
    """
    quorum = config.quorum
    if quorum is None or key is None:
        return None
    own = load_identity(quorum)
    peers = load_peers(quorum, own.certificate)
    if any(peer.operator == key.address for peer in peers):
        raise ConfigError(f"quorum.peers names {key.address}, which is this node's own operator")
    return Membership(quorum, own, peers, key.address)


def fee_policy(config: Config) -> FeePolicy:
    """What the submitter may pay and how long it waits."""
    return FeePolicy(
        max_fee_wei=config.gas.max_fee_wei,
        max_priority_fee_wei=config.gas.max_priority_fee_wei,
        bump_percent=config.gas.bump_percent,
        confirm_timeout_s=config.chain.confirm_timeout_s,
        receipt_poll_s=min(1.0, config.chain.block_s / 10),
        strategies=tuple(FeeStrategy(name) for name in config.gas.strategies),
        constant_price_wei=config.gas.constant_price_wei,
        daily_budget_wei=config.gas.daily_budget_wei,
    )


def _relay_counters(relay: EgressProxy) -> dict[str, Callable[[], float]]:
    counted = relay.counters
    refusals = (RelayStatus.NOT_ALLOWED, RelayStatus.MALFORMED, RelayStatus.TOO_MANY)
    return {
        "relay_sent_bytes": lambda: counted.sent_bytes,
        "relay_received_bytes": lambda: counted.received_bytes,
        "relay_streams": lambda: counted.accepted,
        "relay_unreachable": lambda: counted.answers[RelayStatus.UNREACHABLE],
        "relay_refused": lambda: sum(counted.answers[status] for status in refusals),
    }


def _chain_counters(rpc: Rpc, submitter: EvmSubmitter | None) -> dict[str, Callable[[], float]]:
    counters: dict[str, Callable[[], float]] = {
        "rpc_calls": lambda: sum(each.state.calls for each in rpc.endpoints),
        "rpc_errors": lambda: sum(sum(each.state.errors.values()) for each in rpc.endpoints),
    }
    if submitter is not None:
        stats = submitter.stats
        counters |= {
            "transactions_sent": lambda: stats.sent,
            "transactions_mined": lambda: stats.mined,
            "transactions_reverted": lambda: stats.reverted,
            "transactions_bumped": lambda: stats.bumped,
            "transactions_superseded": lambda: stats.superseded,
            "transactions_dropped": lambda: stats.dropped,
            "transactions_reopened": lambda: stats.reopened,
            "transactions_replaced": lambda: stats.replaced,
            "gas_used": lambda: stats.gas_used,
            "gas_spent_wei": lambda: stats.spent_wei,
        }
    return counters
