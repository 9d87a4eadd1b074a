"""`oracle validate`: what the configuration means, without touching anything."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from enclave.domain.errors import ConfigError
from oracle.chain.keys import keystore_address
from oracle.cli.outcome import ConfigPath, Output, OutputOption, ends_with_status
from oracle.config import Config, config_hash, load_chains, masked_chains, read_private_file
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import node_feeds
from oracle.quorum.certificates import load_identity, load_peers


def validate(config: ConfigPath = Path("oracle.toml"), output: OutputOption = Output.TEXT) -> None:
    """Check the configuration and print what it means.

    Prints every setting with its default filled in and secrets masked, the id of every feed (the
    hash of its definition), the certificates of a quorum, and the hash of the configuration that
    the node also logs. Exit status 2 names file, line, key and the nearest right key.
    """
    with ends_with_status():
        settings = load_chains(config)
        feeds = node_feeds(settings)
        view = {
            "config_hash": config_hash(settings),
            "dry_run": [each.chain.name for each in settings if each.keys.keystore is None],
            "config": masked_chains(settings),
            "quorum": _quorum(settings[0]),
            "feeds": [_feed(feed) for feed in feeds],
        }
    if output is Output.JSON:
        typer.echo(json.dumps(view, indent=2))
    else:
        _print(view)


def _quorum(settings: Config) -> dict[str, Any] | None:
    """This node and its peers as they know each other.

    Raises:
        ConfigError: A certificate or the key cannot be used, or a peer is this node.
    """
    quorum, keystore = settings.quorum, settings.keys.keystore
    if quorum is None or keystore is None:
        return None
    own = load_identity(quorum).certificate
    peers = load_peers(quorum, own)
    operator = keystore_address(read_private_file(keystore)) if keystore.exists() else None
    if operator in [peer.operator for peer in peers]:
        raise ConfigError(f"quorum.peers names {operator}, which is this node's own operator")
    nodes = [(operator or "this node", "", own)]
    nodes += [(peer.operator, peer.url, peer.certificate) for peer in peers]
    return {
        "nodes": [
            {
                "operator": operator,
                "url": url,
                "sha256": certificate.sha256.hex(),
                "not_after": datetime.fromtimestamp(certificate.not_after, UTC).isoformat(),
            }
            for operator, url, certificate in nodes
        ]
    }


def _feed(feed: Feed) -> dict[str, Any]:
    definition = feed.definition
    return {
        "file": feed.name,
        "name": definition.name,
        "feed_id": "0x" + feed.feed_id.hex(),
        "decimals": definition.decimals,
        "deviation_bps": definition.deviation_bps,
        "heartbeat_s": definition.heartbeat_s,
        "sources": [source.name for source in definition.sources],
    }


def _print(view: dict[str, Any]) -> None:
    for section, values in view["config"].items():
        tables = values if isinstance(values, list) else [values]
        for table in tables:
            if table is not None:
                typer.echo(f"[[{section}]]" if tables is values else f"[{section}]")
                for key, value in table.items():
                    typer.echo(f"  {key} = {json.dumps(value)}")
    for node in (view["quorum"] or {"nodes": []})["nodes"]:
        typer.echo(f"[node] {node['operator']} {node['url']}".rstrip())
        typer.echo(f"  certificate {node['sha256']}, until {node['not_after']}")
    typer.echo(f"[feeds] {len(view['feeds'])}")
    for feed in view["feeds"]:
        typer.echo(
            f"  {feed['name']:<10} {feed['feed_id']}  {feed['deviation_bps']} bps,"
            f" {feed['heartbeat_s']} s, {len(feed['sources'])} sources"
        )
    typer.echo(f"configuration {view['config_hash']}")
    for name in view["dry_run"]:
        typer.echo(f"no gas key ([keys] is empty): `oracle run` would be a dry run on {name}")
