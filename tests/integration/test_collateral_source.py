"""The vendor's service over a socket: what it serves is read, and nothing may hang or flood."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.documents import DocumentKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import MAX_REPLY, PckCa, Platform
from oracle.collateral.source import Service
from oracle.devnet.silicon_process import silicon

#: What the emulated vendor calls its machines' family.
FMSPC = bytes.fromhex("e0e000000000")


@asynccontextmanager
async def _answering(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _fetch(url: str, *, tee: TeeKind = TeeKind.TDX, timeout_s: float = 5.0) -> int:
    machine = Platform(tee, FMSPC, PckCa.PLATFORM)
    documents = await Service(url, timeout_s).fetch(machine, lambda *_: ())
    assert [each.kind for each in documents] == list(DocumentKind)
    return len(documents)


@pytest.mark.parametrize("tee", [TeeKind.SGX, TeeKind.TDX])
async def test_everything_comes_from_the_vendors_service(short_tmp: Path, tee: TeeKind) -> None:
    async with silicon(short_tmp / "s.sock") as vendor:
        assert await _fetch(vendor.pcs, tee=tee) == 7
        assert await _fetch(vendor.pcs + "/", tee=tee) == 7


async def test_an_unknown_family_is_named(short_tmp: Path) -> None:
    async with silicon(short_tmp / "s.sock") as vendor:
        machine = Platform(TeeKind.TDX, bytes(6), PckCa.PLATFORM)
        with pytest.raises(CollateralUnavailable, match=r"fmspc=000000000000.*HTTP status 404"):
            await Service(vendor.pcs, 5.0).fetch(machine, lambda *_: ())


async def test_a_flood_ends_at_the_bound() -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))
            sent += 65_536

    async with _answering(flood) as url:
        with pytest.raises(CollateralUnavailable, match=f"more than {MAX_REPLY} bytes"):
            await _fetch(url)
    assert sent < 100 * MAX_REPLY


async def test_silence_ends_in_time() -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with _answering(never) as url:
        with pytest.raises(CollateralUnavailable, match="no answer in time"):
            await _fetch(url, timeout_s=0.2)


async def test_a_redirection_is_not_followed() -> None:
    asked: list[str] = []

    async def away(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with _answering(away) as url:
        with pytest.raises(CollateralUnavailable, match="HTTP status 302, wanted 200"):
            await _fetch(url)
    assert asked == ["/sgx/certification/v4/rootcacrl"]


async def test_nobody_there_is_said_without_a_traceback() -> None:
    with pytest.raises(CollateralUnavailable, match="not reachable"):
        await _fetch("http://127.0.0.1:1")
