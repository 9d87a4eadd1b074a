"""HTTPS price sources on loopback: one listener per host, each with that host's certificate."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from email.utils import formatdate
from enum import StrEnum

from aiohttp import web

from enclave.domain.errors import ConfigError
from oracle.devnet.market import Market
from oracle.devnet.pki import Pki
from oracle.devnet.venues import VENUES
from oracle.devnet.venues.base import Floor, VenueReply, VenueRequest

#: Host and request -> reply.
Respond = Callable[[str, VenueRequest], Awaitable[VenueReply]]
_STALE_MS = 3_600_000
_SHUTDOWN_S = 0.2


class Failure(StrEnum):
    """How an emulated venue can fail."""

    #: Status 503 with an HTML body.
    UNAVAILABLE = "unavailable"
    #: The request is never answered.
    STALLED = "stalled"
    #: Bodies whose own time lies an hour back.
    STALE = "stale"


class Exchange:
    """All emulated venues over one market.

    Args:
        market: The prices.
        now_ms: Wall clock, milliseconds since the epoch.
    """

    def __init__(self, market: Market, now_ms: Callable[[], int]) -> None:
        self._market = market
        self._clock_ms = now_ms
        self._offset_ms = 0
        self._floor = Floor(market, self.now_ms)
        self._stale = Floor(market, lambda: self.now_ms() - _STALE_MS)
        self._failures: dict[str, Failure] = {}

    def now_ms(self) -> int:
        """The venues' time, milliseconds since the epoch."""
        return self._clock_ms() + self._offset_ms

    def set_offset(self, offset_s: int) -> None:
        """Set the venues' clocks to the wall clock and so much more or less."""
        self._offset_ms = 1000 * offset_s

    def step(self, asset: str, bps: int) -> None:
        """Move an asset at every venue; see `Market.step`."""
        self._market.step(asset, bps)

    def fail(self, host: str, failure: Failure) -> None:
        """Let a venue fail until it is mended.

        Raises:
            ConfigError: No such venue.
        """
        if host not in VENUES:
            raise ConfigError(f"no emulated venue at {host!r}")
        self._failures[host] = failure

    def mend(self, host: str) -> None:
        """Let a venue answer again."""
        self._failures.pop(host, None)

    async def respond(self, host: str, request: VenueRequest) -> VenueReply:
        """Answer as the venue does, or fail as told."""
        failure = self._failures.get(host)
        if failure is Failure.STALLED:
            await asyncio.Event().wait()
        if failure is Failure.UNAVAILABLE:
            return VenueReply(503, "text/html", b"<html><body>Service Unavailable</body></html>")
        floor = self._stale if failure is Failure.STALE else self._floor
        return VENUES[host](request, floor)


@contextlib.asynccontextmanager
async def serve(
    pki: Pki, respond: Respond, now_ms: Callable[[], int]
) -> AsyncIterator[Mapping[str, int]]:
    """Serve every host of the authority for the length of the block.

    Replies carry one `Date`; a request for another host than the certificate's is refused.

    Args:
        pki: Hosts and their certificates.
        respond: Answers.
        now_ms: What the replies say of the time, milliseconds since the epoch.

    Yields:
        Host name -> TCP port on 127.0.0.1.
    """
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for host, certificate in pki.certificates.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            runner = web.AppRunner(
                _application(host, respond, now_ms), access_log=None, shutdown_timeout=_SHUTDOWN_S
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
            await site.start()
            ports[host] = int(runner.addresses[0][1])
        yield ports


def _application(host: str, respond: Respond, now_ms: Callable[[], int]) -> web.Application:
    async def handle(request: web.Request) -> web.Response:
        if request.host.partition(":")[0] != host:
            return web.Response(status=421, text="misdirected request")
        reply = await respond(host, VenueRequest(request.path, dict(request.query)))
        date = formatdate(now_ms() // 1000, usegmt=True)
        headers = {"Content-Type": reply.content_type, "Date": date}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    return application
