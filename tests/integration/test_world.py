"""The generated world as an operator would find it."""

import asyncio
import sys
from pathlib import Path

from enclave.domain.evidence import TeeKind
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed


def options(feeds: tuple[Feed, ...], *, nodes: int = 1, quorum: int = 1) -> WorldOptions:
    definitions = tuple(feed.canonical for feed in feeds)
    settings = {"feeds": {"catalogue": ["eth-usd"]}}
    return WorldOptions(
        TeeKind.TDX, definitions, settings, block_time_s=None, nodes=nodes, quorum=quorum
    )


async def oracle(command: str, config_file: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oracle", command, "-c", str(config_file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def modes(local: World) -> dict[str, int]:
    folder = local.config_file.parent
    found = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    return {name: found[name] for name in (folder.name, "keystore.json", "password")}


async def test_its_configuration_is_valid_and_its_secrets_are_private(
    sources: PriceSources, feeds: tuple[Feed, ...]
) -> None:
    async with world(options(feeds), TlsSources(sources.ca, sources.ports)) as local:
        status, output = await oracle("validate", local.config_file)
        assert status == 0, output
        assert "ETH/USD" in output
        folder = local.config_file.parent
        assert modes(local) == {folder.name: 0o700, "keystore.json": 0o600, "password": 0o600}
    assert not is_there(folder)


async def test_nodes_that_share_a_quorum_are_configured_as_peers(
    sources: PriceSources, feeds: tuple[Feed, ...]
) -> None:
    wanted = options(feeds, nodes=3, quorum=2)
    async with world(wanted, TlsSources(sources.ca, sources.ports)) as local:
        assert len({node.operator.port for node in local.nodes}) == 3
        for node in local.nodes:
            quorum = node.config.quorum
            assert quorum is not None
            others = {other.operator.address for other in local.nodes if other is not node}
            assert {bytes.fromhex(peer.operator[2:]) for peer in quorum.peers} == others
        status, output = await oracle("validate", local.nodes[1].config_file)
        assert status == 0, output


def is_there(path: Path) -> bool:
    return path.exists()
