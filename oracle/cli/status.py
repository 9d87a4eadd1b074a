"""`oracle status`: the running node, or what its journal holds."""

import asyncio
import json
from pathlib import Path
from typing import Any

import typer

from oracle.cli.outcome import ConfigPath, ExitStatus, Output, OutputOption, ends_with_status
from oracle.config import Config, load_chains
from oracle.store import read_summary

_LIMIT_S = 5.0
_MAX_BYTES = 4_194_304


def status(config: ConfigPath = Path("oracle.toml"), output: OutputOption = Output.TEXT) -> None:
    """Show how the running node is doing.

    Asks its /ready; if nobody answers there, shows what the journal holds. Exit status 0: it can
    sign and is accepted on-chain. 3: it is not ready or not running; the reasons are listed.
    """
    with ends_with_status():
        settings = load_chains(config)[0]
        ready = asyncio.run(_ask(settings))
        journal = read_summary(settings.store.path) if settings.store.path.exists() else None
    view = {"running": ready is not None, "node": ready, "journal": journal}
    if output is Output.JSON:
        typer.echo(json.dumps(view, indent=2))
    else:
        _print(view, settings)
    if ready is None or not ready["ready"]:
        raise typer.Exit(ExitStatus.NOT_READY)


async def _ask(settings: Config) -> dict[str, Any] | None:
    """What `/ready` answers; `None` if nobody does."""
    import aiohttp

    url = f"http://{settings.http.host}:{settings.http.port}/ready"
    try:
        limit = aiohttp.ClientTimeout(total=_LIMIT_S)
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as response:
            view = json.loads(await response.content.read(_MAX_BYTES))
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return view if isinstance(view, dict) and "ready" in view else None


def _print(view: dict[str, Any], settings: Config) -> None:
    node = view["node"]
    if node is None:
        typer.echo(f"not running: nobody answers on {settings.http.host}:{settings.http.port}")
    else:
        _print_node(node)
    if view["journal"] is not None:
        counts = view["journal"]["transactions"]
        typer.echo("journal: " + (", ".join(f"{n} {s}" for s, n in counts.items()) or "empty"))
        for row in view["journal"]["last"][:5]:
            which = f"  chain {row['chain_id']} nonce {row['nonce']:>5}"
            line = f"{which}  {row['purpose']:<10} {row['state']:<9}"
            typer.echo(f"{line} 0x{(row['hash'] or '').lower()[:16]} {row['note']}".rstrip())


def _print_node(node: dict[str, Any]) -> None:
    typer.echo("ready" if node["ready"] else "NOT ready")
    for reason in node["reasons"]:
        typer.echo(f"  reason: {reason}")
    for notice in node["notices"]:
        typer.echo(f"  notice: {notice}")
    signer = node["signer"]
    typer.echo(
        f"signer {signer['address'] or '-'}  {signer['tee']}; rounds {node['rounds']}, enclave"
        f" starts {node['enclave_starts']}"
    )
    _print_sources(node["sources"])
    for feed in node["feeds"]:
        answer = feed["answer"] or "-"
        typer.echo(
            f"  {feed['name']:<10} {answer:>20}  {feed['sources_used']}/{feed['sources_asked']}"
            f"  {feed['failure']}".rstrip()
        )
    for chain in node["chains"]:
        _print_chain(chain)


def _print_chain(chain: dict[str, Any]) -> None:
    standing = chain["standing"]
    typer.echo(
        f"chain {chain['name']}: {'ready' if chain['ready'] else 'NOT ready'}; tier"
        f" {standing['tier'] or '-'}, expires at {standing['expires_at']}; landed"
        f" {chain['reports_landed']}, refused {chain['reports_refused']}"
    )
    for endpoint in chain["endpoints"]:
        _print_endpoint(endpoint)
    if chain["quorum"] is not None:
        _print_quorum(chain["quorum"])
    for feed in chain["feeds"]:
        landed = feed["landed_answer"] or "-"
        typer.echo(f"  {feed['name']:<10} {landed:>20}  landed {feed['landed_at'] or '-'}")


def _print_sources(sources: list[dict[str, Any]]) -> None:
    """Those that are left alone now."""
    for source in sources:
        if source["state"] != "closed":
            typer.echo(
                f"  source {source['host']} fails: {source['failures']} of {source['requests']}"
                f" requests, {source['refused']} not made"
            )


def _print_endpoint(endpoint: dict[str, Any]) -> None:
    errors = ", ".join(f"{count} {kind}" for kind, count in endpoint["errors"].items())
    typer.echo(
        f"rpc {endpoint['number']} {endpoint['health']}, block {endpoint['head'] or '-'},"
        f" {endpoint['answer_s']:.3f} s, {endpoint['calls']} calls, errors: {errors or 'none'}"
    )


def _print_quorum(quorum: dict[str, Any]) -> None:
    turn = {None: "no seat", 0: "this node leads"}.get(
        quorum["rank"], f"{quorum['leader']} leads, this node is {quorum['rank']} after it"
    )
    typer.echo(
        f"quorum {quorum['signatures']} signatures of {quorum['vendors']} vendors; {turn};"
        f" led {quorum['collected']}, missed {quorum['missed']}, cosigned {quorum['cosigned']}"
    )
    for peer in quorum["peers"]:
        ago = peer["answered_s_ago"]
        seen = peer["failure"] or ("not asked yet" if ago is None else f"answered {ago} s ago")
        typer.echo(f"  {peer['operator']}  {peer['url']}  {seen}")
