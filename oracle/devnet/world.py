"""A whole world on one machine: chain, emulated silicon, contracts, and a node's configuration."""

import asyncio
import contextlib
import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_account import Account

from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.config import Config, load_config
from oracle.devnet.anvil import CHAIN_ID, DEFAULT_ANVIL, Anvil, anvil
from oracle.devnet.deploy import Deployment, Plan, deploy
from oracle.devnet.silicon.vendor import VendorConstants, measure_enclave, predict_image_id
from oracle.devnet.silicon_process import silicon

ENCLAVE: Final = Path(__file__).resolve().parents[2] / "enclave"
_HTTPS: Final = 443
_PRIVATE: Final = 0o600
#: Key derivation work of the throw-away keystore; a real one takes far more.
_KDF_ROUNDS: Final = 2


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
        settings: Sections of the node's configuration that differ from the world's own.
        block_time_s: Seconds between blocks; `None` mines each transaction at once.
        anvil: The native program.
        approve_image: Whether governance has approved the enclave's image.
        operator_wei: What the account that pays gas holds at first.
    """

    tee: TeeKind
    definitions: tuple[bytes, ...]
    settings: Mapping[str, Mapping[str, Any]]
    block_time_s: int | None = 1
    anvil: Path = DEFAULT_ANVIL
    approve_image: bool = True
    operator_wei: int = 10 * 10**18


@dataclass(frozen=True, slots=True)
class World:
    """A running world without its node.

    Attributes:
        config_file: The node's `oracle.toml`, in a private directory that goes with the world.
        chain: Client of the local chain.
        deployment: Addresses.
        config: What is in the file.
        resolve: `host:port` -> what the relay dials instead; empty: the real ones.
        image_id: Image that the enclave will attest, 32 bytes.
    """

    config_file: Path
    chain: Anvil
    deployment: Deployment
    config: Config
    resolve: Mapping[str, tuple[str, int]]
    image_id: bytes


@contextlib.asynccontextmanager
async def world(options: WorldOptions, sources: TlsSources | None) -> AsyncIterator[World]:
    """Build a world for the length of the block; nothing of it is left afterwards.

    Args:
        options: What kind of world.
        sources: Local price sources; `None` for the real ones.

    Raises:
        ConfigError: A part of it cannot be started.
        ChainError: The deployment failed.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oracle-")))
        socket = folder / "silicon" / "silicon.sock"
        await asyncio.to_thread(socket.parent.mkdir, mode=0o700)
        vendor = await stack.enter_async_context(silicon(socket))
        chain = await stack.enter_async_context(anvil(options.anvil))
        operator, keys = await asyncio.to_thread(_make_keystore, folder)
        measurement = await asyncio.to_thread(_measure, sources)
        image_id = predict_image_id(options.tee, measurement)
        plan = _plan(options, vendor, operator, image_id, keccak256(measurement))
        deployment = await deploy(chain, plan)
        await _set_pace(chain, options.block_time_s)
        sections = _settings(options, sources, chain, deployment, socket) | {"keys": keys}
        config_file = folder / "oracle.toml"
        await asyncio.to_thread(config_file.write_text, _to_toml(sections))
        config = load_config(config_file)
        yield World(config_file, chain, deployment, config, _resolve(sources), image_id)


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
    operator: bytes,
    image_id: bytes,
    build_digest: bytes,
) -> Plan:
    return Plan(
        definitions=options.definitions,
        operator=operator,
        operator_wei=options.operator_wei,
        image_id=image_id if options.approve_image else None,
        tee=options.tee,
        build_digest=build_digest,
        anchor=vendor.constructor_args(),
        reseat_interval_s=0,
    )


def _make_keystore(folder: Path) -> tuple[bytes, dict[str, str]]:
    """A fresh key in an encrypted keystore; returns its address and the section `keys`."""
    account = Account.create()
    password = secrets.token_hex(16)
    keystore = Account.encrypt(account.key, password, kdf="pbkdf2", iterations=_KDF_ROUNDS)
    paths = {"keystore": folder / "keystore.json", "password_file": folder / "password"}
    for path, text in zip(paths.values(), (json.dumps(keystore), password), strict=True):
        path.touch(mode=_PRIVATE)
        path.write_text(text)
    return bytes.fromhex(account.address[2:]), {name: str(path) for name, path in paths.items()}


def _settings(
    options: WorldOptions,
    sources: TlsSources | None,
    chain: Anvil,
    deployment: Deployment,
    socket: Path,
) -> dict[str, Any]:
    """The configuration file as an operator would write it for this world."""
    at = {name: f"0x{address.hex()}" for name, address in deployment.contracts.items()}
    enclave = {"tee": options.tee.name.lower(), "silicon": str(socket), "runtime_dir": "run"}
    if sources is not None:
        enclave["extra_ca"] = str(sources.ca)
    sections: dict[str, dict[str, Any]] = {
        "chain": {
            "network": "anvil",
            "rpc_urls": [chain.url],
            "chain_id": CHAIN_ID,
            "registry": at["AttestationRegistry"],
            "signer_set": at["SignerSet"],
            "hub": at["FeedHub"],
        },
        "enclave": enclave,
        "http": {"port": 0},
    }
    for section, values in options.settings.items():
        sections[section] = sections.get(section, {}) | dict(values)
    return sections


def _to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections of text, numbers and lists of text; JSON spells these as TOML does."""
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _resolve(sources: TlsSources | None) -> dict[str, tuple[str, int]]:
    ports = {} if sources is None else sources.ports
    return {f"{host}:{_HTTPS}": ("127.0.0.1", port) for host, port in ports.items()}
