"""`oracle validate`: what the configuration means, without touching anything."""

import json
from pathlib import Path
from typing import Any

import typer

from oracle.cli.outcome import ConfigPath, Output, OutputOption, ends_with_status
from oracle.config import config_hash, load_config, masked
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import configured_feeds


def validate(config: ConfigPath = Path("oracle.toml"), output: OutputOption = Output.TEXT) -> None:
    """Check the configuration and print what it means.

    Prints every setting with its default filled in and secrets masked, the id of every feed (the
    hash of its definition), and the hash of the configuration that the node also logs. Exit status
    2 names file, line, key and the nearest right key.
    """
    with ends_with_status():
        settings = load_config(config)
        feeds = configured_feeds(settings)
        view = {
            "config_hash": config_hash(settings),
            "dry_run": settings.keys.keystore is None,
            "config": masked(settings),
            "feeds": [_feed(feed) for feed in feeds],
        }
    if output is Output.JSON:
        typer.echo(json.dumps(view, indent=2))
    else:
        _print(view)


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
        if values is None:
            continue
        typer.echo(f"[{section}]")
        for key, value in values.items():
            typer.echo(f"  {key} = {json.dumps(value)}")
    typer.echo(f"[feeds] {len(view['feeds'])}")
    for feed in view["feeds"]:
        typer.echo(
            f"  {feed['name']:<10} {feed['feed_id']}  {feed['deviation_bps']} bps,"
            f" {feed['heartbeat_s']} s, {len(feed['sources'])} sources"
        )
    typer.echo(f"configuration {view['config_hash']}")
    if view["dry_run"]:
        typer.echo("no gas key ([keys] is empty): `oracle run` would be a dry run")
