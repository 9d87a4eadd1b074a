import asyncio
import os
import ssl
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from enclave.domain.errors import ChainError, ConfigError
from oracle.devnet.anvil import anvil
from oracle.devnet.ports import reserved_ports
from oracle.devnet.price_sources import PriceSources, price_sources
from oracle.devnet.process import child
from oracle.devnet.servers import Failure
from oracle.devnet.silicon_process import silicon

KRAKEN = URL("https://api.kraken.com/0/public/Ticker?pair=XBTUSD")


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def fetch(
    sources: PriceSources, url: URL, *, host: str | None = None, ahead_s: int = 0
) -> tuple[int, str]:
    """GET from the local stand-in of a host, checked as that host."""
    assert url.host is not None
    context = ssl.create_default_context(cafile=sources.ca)
    local = url.with_host("127.0.0.1").with_port(sources.ports[url.host])
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
        session.get(
            local, ssl=context, server_hostname=url.host, headers={"Host": host or url.host}
        ) as reply,
    ):
        assert len(reply.headers.getall("Date")) == 1
        moment = parsedate_to_datetime(reply.headers["Date"]).timestamp()
        assert abs(moment - time.time() - ahead_s) < 3
        return reply.status, await reply.text()


async def test_anvil_answers_and_ends_with_its_block() -> None:
    async with anvil() as chain:
        assert await chain.call("eth_chainId") == "0x7a69"
        process_id = chain.process_id
        with pytest.raises(ChainError, match="eth_nonsense"):
            await chain.call("eth_nonsense")
    assert not is_running(process_id)
    with pytest.raises(ConfigError, match="run scripts/setup or set ORACLE_ANVIL"):
        async with anvil(Path("/nonexistent/anvil")):
            pass


async def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "process_id"
    parent = f"""
import asyncio, pathlib
from oracle.devnet.process import child
async def main():
    async with child(["sleep", "60"], name="sleeper") as process:
        pathlib.Path({str(told)!r}).write_text(str(process.process_id))
        await asyncio.sleep(60)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent)
    async with asyncio.timeout(10):
        while not told.exists() or not told.read_text():
            await asyncio.sleep(0.02)
        process_id = int(told.read_text())
        assert is_running(process_id)
        process.kill()
        await process.wait()
        while is_running(process_id):
            await asyncio.sleep(0.02)


async def test_a_child_that_ignores_its_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.devnet.process.STOP_S", 0.2)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    deaf += "; time.sleep(60)"
    async with child([sys.executable, "-c", deaf], name="deaf") as process:
        assert await process.line(within_s=5) == b"1\n"
    assert not is_running(process.process_id)


async def test_a_child_that_says_nothing_is_named() -> None:
    async with child(["sleep", "60"], name="sleeper") as process:
        with pytest.raises(ConfigError, match="sleeper said nothing"):
            await process.line(within_s=0.05)
    with pytest.raises(ConfigError, match="true ended early"):
        async with child(["true"], name="true") as process:
            await process.line(within_s=5)
    with pytest.raises(ConfigError, match="/nonexistent cannot be started"):
        async with child(["/nonexistent"], name="nothing"):
            pass


async def test_price_sources_speak_tls_as_the_venue_and_obey(tmp_path: Path) -> None:
    async with price_sources(tmp_path, seed=1) as sources:
        status, first = await fetch(sources, KRAKEN)
        assert status == 200
        assert await fetch(sources, KRAKEN) != (200, first)
        assert (await fetch(sources, KRAKEN, host="www.okx.com"))[0] == 421

        await sources.fail("api.kraken.com", Failure.UNAVAILABLE)
        assert (await fetch(sources, KRAKEN))[0] == 503
        await sources.fail("api.kraken.com", Failure.STALLED)
        with pytest.raises(TimeoutError):
            await fetch(sources, KRAKEN)
        await sources.mend("api.kraken.com")
        assert (await fetch(sources, KRAKEN))[0] == 200

        with pytest.raises(ConfigError, match="no emulated venue"):
            await sources.fail("example.com", Failure.STALE)
        with pytest.raises(ConfigError, match="cannot move 'USD'"):
            await sources.step("USD", 5)


async def test_a_stale_venue_states_an_old_time(tmp_path: Path) -> None:
    ticker = URL("https://www.bitstamp.net/api/v2/ticker/btcusd/")
    async with price_sources(tmp_path, seed=1) as sources:
        await sources.fail("www.bitstamp.net", Failure.STALE)
        _, body = await fetch(sources, ticker)
        stated = int(body.split('"timestamp":"')[1].split('"')[0])
        assert 3_590 < time.time() - stated < 3_620


async def test_venues_tell_the_time_of_their_own_clock(tmp_path: Path) -> None:
    ticker = URL("https://www.bitstamp.net/api/v2/ticker/btcusd/")
    async with price_sources(tmp_path, seed=1) as sources:
        for days in (3, 0):
            await sources.set_offset(days * 86_400)
            _, body = await fetch(sources, ticker, ahead_s=days * 86_400)
            stated = int(body.split('"timestamp":"')[1].split('"')[0])
            assert abs(stated - time.time() - days * 86_400) < 3


async def test_a_chain_begins_in_the_past_and_is_set_forward() -> None:
    async with anvil(began_s_ago=172_800) as chain:
        before = int(time.time())
        await chain.advance(86_400)
        block = await chain.call("eth_getBlockByNumber", "latest", False)
        assert before <= int(block["timestamp"], 16) + 86_400 <= time.time()


@pytest.mark.parametrize("began_s_ago", [0, 3600])
async def test_a_chain_is_never_a_second_behind(began_s_ago: int) -> None:
    await asyncio.sleep((1.98 - time.time() % 1) % 1)  # It starts as a second ends.
    async with anvil(began_s_ago=began_s_ago) as chain:
        before = int(time.time())
        await chain.call("evm_mine")
        block = await chain.call("eth_getBlockByNumber", "latest", False)
        assert before <= int(block["timestamp"], 16) + began_s_ago <= time.time()


async def test_silicon_starts_with_fresh_keys(tmp_path: Path) -> None:
    async with silicon(tmp_path / "a.sock") as first, silicon(tmp_path / "b.sock") as second:
        assert first.constants.root_certificate != second.constants.root_certificate
        assert first.pcs != second.pcs
        assert (tmp_path / "a.sock").stat().st_mode & 0o777 == 0o600


async def test_a_reserved_port_is_free_for_whoever_names_it_and_for_nobody_else() -> None:
    loop = asyncio.get_running_loop()
    with reserved_ports(2) as ports:
        assert len(set(ports)) == 2
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", ports[0])
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", ports[0])
            _, writer = await asyncio.open_connection("127.0.0.1", ports[0])
            writer.close()
            server.close()
            await server.wait_closed()
