"""A whole world on one machine: chain, emulated silicon, contracts, the nodes' configurations."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from enclave.domain.errors import ConfigError
from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.config import Config, load_config
from oracle.devnet.anvil import CHAIN_ID, DEFAULT_ANVIL, Anvil, anvil
from oracle.devnet.deploy import REQUIREMENTS, Deployment, Plan, Requirements, deploy
from oracle.devnet.operators import Operator, make_operators
from oracle.devnet.ports import reserved_ports
from oracle.devnet.silicon.vendor import VendorConstants, measure_enclave, predict_image_id
from oracle.devnet.silicon_process import Silicon, silicon

ENCLAVE: Final = Path(__file__).resolve().parents[2] / "enclave"
_HTTPS: Final = 443
#: Seats that a hub's table can hold.
MAX_NODES: Final = 32


@dataclass(frozen=True, slots=True)
class TlsSources:
    """Local price sources.

    Attributes:
        ca: Certificate of their authority, PEM file.
        ports: Host name -> TCP port on 127.0.0.1.
    """

    ca: Path
    ports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """What kind of world.

    Attributes:
        tee: Platform that the silicon plays.
        definitions: Canonical feed definitions in the order of their index in the hub.
        settings: Sections of the nodes' configuration that differ from the world's own.
        block_time_s: Seconds between blocks; `None` mines each transaction at once.
        anvil: The native program.
        approve_image: Whether governance has approved the enclave's image.
        operator_wei: What each account that pays gas holds at first.
        nodes: How many operators have a seat and a node, 1 to 32.
        quorum: How many of them must sign a report.
        second_tee: Platform of every second node, where it is another one.
        requirements: What the machines must meet.
        policy_delay_s: How long an image waits for its approval.
        reseat_interval_s: Least time between two changes of a seat whose newest signer is valid.
    """

    tee: TeeKind
    definitions: tuple[bytes, ...]
    settings: Mapping[str, Mapping[str, Any]]
    block_time_s: int | None = 1
    anvil: Path = DEFAULT_ANVIL
    approve_image: bool = True
    operator_wei: int = 10 * 10**18
    nodes: int = 1
    quorum: int = 1
    second_tee: TeeKind | None = None
    requirements: Requirements = REQUIREMENTS
    policy_delay_s: int = 0
    reseat_interval_s: int = 0

    def tee_of(self, operator: Operator) -> TeeKind:
        """Platform of an operator's node."""
        is_second = operator.number % 2 == 0
        return self.second_tee if is_second and self.second_tee is not None else self.tee


@dataclass(frozen=True, slots=True)
class WorldNode:
    """One operator's node, not started.

    Attributes:
        config_file: Its `oracle.toml`, in a private directory that goes with the world.
        config: What is in the file.
        operator: Who runs it.
        image_id: Image that its enclave will attest, 32 bytes.
    """

    config_file: Path
    config: Config
    operator: Operator
    image_id: bytes


@dataclass(frozen=True, slots=True)
class World:
    """A running world without its nodes.

    Attributes:
        nodes: By number of their seat.
        chain: Client of the local chain.
        plan: What was deployed, and may be on another chain, too.
        deployment: Addresses.
        silicon: The emulated vendor.
        resolve: `host:port` -> what the relays dial instead; empty: the real ones.
    """

    nodes: tuple[WorldNode, ...]
    chain: Anvil
    plan: Plan
    deployment: Deployment
    silicon: Silicon
    resolve: Mapping[str, tuple[str, int]]

    @property
    def config_file(self) -> Path:
        """The first node's; see `WorldNode`."""
        return self.nodes[0].config_file

    @property
    def config(self) -> Config:
        """The first node's."""
        return self.nodes[0].config

    @property
    def image_id(self) -> bytes:
        """The first node's."""
        return self.nodes[0].image_id


@contextlib.asynccontextmanager
async def world(options: WorldOptions, sources: TlsSources | None) -> AsyncIterator[World]:
    """Build a world for the length of the block; nothing of it is left afterwards.

    Args:
        options: What kind of world.
        sources: Local price sources; `None` for the real ones.

    Raises:
        ConfigError: A part of it cannot be started, or the options contradict each other.
        ChainError: The deployment failed.
    """
    check_quorum(nodes=options.nodes, quorum=options.quorum)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oracle-")))
        socket = folder / "silicon" / "silicon.sock"
        await asyncio.to_thread(socket.parent.mkdir, mode=0o700)
        vendor = await stack.enter_async_context(silicon(socket))
        chain = await stack.enter_async_context(_chain(options))
        count = options.nodes
        ports = stack.enter_context(reserved_ports(count)) if count > 1 else (0,)
        operators = await asyncio.to_thread(make_operators, folder, ports)
        measurement = await asyncio.to_thread(_measure, sources)
        images = {tee: predict_image_id(tee, measurement) for tee in map(options.tee_of, operators)}
        plan = _plan(options, vendor.constants, operators, images, keccak256(measurement))
        deployment = await deploy(chain, plan)
        await _set_pace(chain, options.block_time_s)
        common = _settings(sources, chain, deployment, vendor)
        nodes = [_node(options, common, operator, operators, images) for operator in operators]
        yield World(tuple(nodes), chain, plan, deployment, vendor, _resolve(sources))


def check_quorum(*, nodes: int, quorum: int) -> None:
    """Check that so many nodes can bring so many signatures.

    Raises:
        ConfigError: They cannot, or need not.
    """
    if not 1 <= nodes <= MAX_NODES:
        raise ConfigError(f"{nodes} nodes, wanted 1 to {MAX_NODES}: the seats of a hub")
    if not 1 <= quorum <= nodes:
        raise ConfigError(f"a quorum of {quorum}, wanted 1 to {nodes}: the number of nodes")
    if quorum == 1 < nodes:
        raise ConfigError(
            f"a quorum of 1, wanted 2 to {nodes}: if one signature is enough, {nodes} nodes have"
            " nothing to agree on"
        )


def _chain(options: WorldOptions) -> AbstractAsyncContextManager[Anvil]:
    """A chain whose clock is right once the first images have waited for their approval."""
    return anvil(options.anvil, began_s_ago=options.policy_delay_s)


async def _set_pace(chain: Anvil, block_time_s: int | None) -> None:
    if block_time_s is None:
        await chain.call("evm_setAutomine", True)
    else:
        await chain.call("evm_setIntervalMining", block_time_s)


def _measure(sources: TlsSources | None) -> bytes:
    return measure_enclave(ENCLAVE, extra_ca=sources.ca.read_bytes() if sources else None)


def _plan(
    options: WorldOptions,
    vendor: VendorConstants,
    operators: Sequence[Operator],
    images: Mapping[TeeKind, bytes],
    build_digest: bytes,
) -> Plan:
    return Plan(
        definitions=options.definitions,
        operators=tuple(operator.address for operator in operators),
        operator_wei=options.operator_wei,
        images=images if options.approve_image else {},
        build_digest=build_digest,
        vendor=vendor,
        reseat_interval_s=options.reseat_interval_s,
        quorum=options.quorum,
        requirements=options.requirements,
        policy_delay_s=options.policy_delay_s,
    )


def _node(
    options: WorldOptions,
    common: Mapping[str, Mapping[str, Any]],
    operator: Operator,
    operators: Sequence[Operator],
    images: Mapping[TeeKind, bytes],
) -> WorldNode:
    """Write an operator's configuration file, as the operator would."""
    tee = options.tee_of(operator)
    own: dict[str, dict[str, Any]] = {
        "enclave": {"tee": tee.name.lower()},
        "keys": operator.keys(),
    }
    others = [other for other in operators if other is not operator]
    if others:
        own["quorum"] = operator.quorum(others)
    sections = _merged(_merged(common, own), options.settings)
    config_file = operator.folder / "oracle.toml"
    config_file.write_text(_to_toml(sections))
    return WorldNode(config_file, load_config(config_file), operator, images[tee])


def _settings(
    sources: TlsSources | None, chain: Anvil, deployment: Deployment, vendor: Silicon
) -> dict[str, dict[str, Any]]:
    """What the configuration files of all nodes have in common."""
    at = {name: f"0x{address.hex()}" for name, address in deployment.contracts.items()}
    enclave = {"silicon": str(vendor.socket), "runtime_dir": "run"}
    if sources is not None:
        enclave["extra_ca"] = str(sources.ca)
    return {
        "chain": {
            "network": "anvil",
            "rpc_urls": [chain.url],
            "chain_id": CHAIN_ID,
            "registry": at["AttestationRegistry"],
            "signer_set": at["SignerSet"],
            "hub": at["FeedHub"],
        },
        "enclave": enclave,
        "collateral": {"source": vendor.pcs},
        "http": {"port": 0},
    }


def _merged(
    sections: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys((*sections, *more))
    return {name: {**sections.get(name, {}), **more.get(name, {})} for name in names}


def _to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections of text, numbers, lists of text, and lists of tables.

    JSON spells all but the last as TOML does.
    """
    lines = []
    for section, values in sections.items():
        tables = {key: value for key, value in values.items() if _is_tables(value)}
        lines.append(f"[{section}]")
        lines += _assignments({key: values[key] for key in values if key not in tables})
        for key, rows in tables.items():
            for row in rows:
                lines += [f"[[{section}.{key}]]", *_assignments(row)]
    return "\n".join(lines) + "\n"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _assignments(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in values.items()]


def _resolve(sources: TlsSources | None) -> dict[str, tuple[str, int]]:
    ports = {} if sources is None else sources.ports
    return {f"{host}:{_HTTPS}": ("127.0.0.1", port) for host, port in ports.items()}
