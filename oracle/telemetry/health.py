"""HTTP for operators and their machines: `/live`, `/ready`, `/metrics`. No secret, no control."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from aiohttp import web

from enclave.domain.errors import ConfigError
from oracle.telemetry.metrics import render_metrics
from oracle.telemetry.state import (
    ChainState,
    EndpointState,
    FeedState,
    HubFeed,
    NodeState,
    PeerState,
    QuorumState,
)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def serve_health(
    state: NodeState, *, host: str, port: int, round_limit_s: float
) -> AsyncIterator[int]:
    """Serve until the end of the block.

    Args:
        state: What to tell.
        host: Address to listen on.
        port: 0 takes a free one.
        round_limit_s: Longest time since the last round of a ready node.

    Returns:
        The port.

    Raises:
        ConfigError: The port is taken.
    """

    async def ready(_: web.Request) -> web.Response:
        view = ready_view(state, asyncio.get_running_loop().time(), round_limit_s)
        return web.json_response(view, status=200 if view["ready"] else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=render_metrics(state), headers={"Content-Type": METRICS_TYPE})

    app = web.Application()
    app.add_routes(
        [web.get("/live", _live), web.get("/ready", ready), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or "cannot listen"
            raise ConfigError(f"http: {host}:{port}: {reason}; set http.port") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"live": True})


def ready_view(state: NodeState, now: float, round_limit_s: float) -> dict[str, Any]:
    """What `/ready` answers: whether it can sign and is accepted on-chain, and if not, why."""
    reasons = state.unready(now, round_limit_s=round_limit_s)
    signer = state.signer
    return {
        "ready": not reasons,
        "reasons": reasons,
        "notices": state.all_notices(),
        "sandboxed": signer.is_sandboxed,
        "signer": {"address": signer.address, "tee": signer.tee, "attester": signer.attester},
        "config": {
            "hash": state.config.digest,
            "reloads": state.config.reloads,
            "fault": state.config.fault,
            "needs_restart": list(state.config.needs_restart),
        },
        "rotation": {"attempts": state.rotation.attempts, "fault": state.rotation.fault},
        "enclave_starts": state.enclave_starts,
        "rounds": state.rounds,
        "sources": [asdict(source) for source in state.sources],
        "feeds": [_feed_view(feed) for feed in state.feeds.values()],
        "chains": [_chain_view(chain, now) for chain in state.chains],
    }


def _chain_view(chain: ChainState, now: float) -> dict[str, Any]:
    standing, reasons = chain.standing, chain.unready()
    return {
        "name": chain.name,
        "ready": not reasons,
        "reasons": reasons,
        "notices": list(chain.notices.values()),
        "dry_run": chain.is_dry_run,
        "standing": {
            "tier": standing.tier,
            "image_id": "0x" + standing.image_id.hex(),
            "operator": standing.operator,
            "expires_at": standing.expires_at,
            "limited_by": standing.limited_by,
        },
        "collateral": chain.collateral,
        "reports_landed": chain.reports_landed,
        "reports_refused": chain.reports_refused,
        "balance_wei": None if chain.balance_wei is None else str(chain.balance_wei),
        "endpoints": [_endpoint_view(endpoint) for endpoint in chain.endpoints],
        "quorum": None if chain.quorum is None else _quorum_view(chain.quorum, now),
        "feeds": [_hub_feed_view(feed) for feed in chain.feeds.values()],
    }


def _hub_feed_view(feed: HubFeed) -> dict[str, Any]:
    return {
        "name": feed.name,
        "feed_id": "0x" + feed.feed_id.hex(),
        "index": feed.index,
        "landed_answer": None if feed.landed_answer is None else str(feed.landed_answer),
        "landed_at": feed.landed_at,
        "transaction": feed.transaction,
    }


def _endpoint_view(endpoint: EndpointState) -> dict[str, Any]:
    return {
        "number": endpoint.number,
        "health": endpoint.health,
        "head": endpoint.head,
        "calls": endpoint.calls,
        "errors": endpoint.errors,
        "answer_s": round(endpoint.answer_s, 3),
    }


def _quorum_view(quorum: QuorumState, now: float) -> dict[str, Any]:
    return {
        "signatures": quorum.signatures,
        "vendors": quorum.vendors,
        "leader": quorum.leader,
        "rank": quorum.rank,
        "collected": quorum.collected,
        "missed": quorum.missed,
        "taken_over": quorum.taken_over,
        "retried": quorum.retried,
        "cosigned": quorum.cosigned,
        "peers": [_peer_view(peer, now) for peer in quorum.peers.values()],
    }


def _peer_view(peer: PeerState, now: float) -> dict[str, Any]:
    return {
        "operator": peer.operator,
        "url": peer.url,
        "failure": peer.failure,
        "answered_s_ago": round(now - peer.answered_at, 1) if peer.answered_at else None,
        "calls": peer.calls,
        "failures": peer.failures,
        "served": peer.served,
        "refused": peer.refused,
    }


def _feed_view(feed: FeedState) -> dict[str, Any]:
    return {
        "name": feed.name,
        "feed_id": "0x" + feed.feed_id.hex(),
        "paused": feed.is_paused,
        "source_failures": dict(feed.source_failures),
        "decimals": feed.decimals,
        "answer": None if feed.answer is None else str(feed.answer),
        "sources_used": feed.sources_used,
        "sources_asked": feed.sources_asked,
        "dispersion_bps": feed.dispersion / 10,
        "failure": feed.failure,
    }
