"""What hostile sources can do: nothing but be left out, and not beyond the round's time."""

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from enclave.circuit import Manners, Venues
from enclave.domain.errors import SourceError, SourceUnavailable
from enclave.domain.feed import feed_id
from enclave.domain.observation import Quote
from enclave.egress import Egress, Reply
from enclave.guard import Guard
from enclave.round import DEADLINES, Deadlines, Rounds
from enclave.sources import ADAPTERS
from enclave.sources.base import HttpRequest
from tests.fakes.bad_certificates import Wrong, WrongServers
from tests.fakes.feeds import aggregation, definition, source
from tests.fakes.hostile_sources import Fault, HostileRelay, HostileSource, honest_body
from tests.fakes.process import FakeMonotonic, MemoryLog
from tests.fakes.relayed_tls import RelayedVenue, response, serving, unmetered
from tests.fakes.specs import http_json

HOST = "api.venue.test"
REQUEST = HttpRequest(HOST, "/ticker")
SPEC = http_json()
ADAPTER = ADAPTERS["http_json/1"]
#: Their replies are well-formed: what is wrong with them only the clock or the median can tell.
WELL_FORMED = {
    Fault.HONEST,
    Fault.TWO_REPLIES,
    Fault.NO_DATE,
    Fault.TWO_DATES,
    Fault.LONG_AGO,
    Fault.FAR_AHEAD,
    Fault.CACHED,
    Fault.MADE_UP_DATE,
}
#: They never end by themselves.
STALLING = {
    Fault.SILENT,
    Fault.DRIPS_STATUS,
    Fault.DRIPS_HEADERS,
    Fault.DRIPS_BODY,
    Fault.STALLS_IN_BODY,
    Fault.ENDLESS_INFORMATION,
    Fault.LONG_EXTENSION,
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> WrongServers:
    return WrongServers(tmp_path_factory.mktemp("tls"), HOST)


@pytest.fixture(scope="module")
def any_venue(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, bytes]:
    """The server's side of every host below `venue.test`, and its root."""
    made = WrongServers(tmp_path_factory.mktemp("tls"), "*.venue.test")
    return made.context(Wrong.NOTHING), made.root_pem


@pytest.fixture
def _old_tls() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "ssl.TLSVersion", DeprecationWarning)
        yield


def _careless_client() -> ssl.SSLContext:
    """Takes every version, suite and certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    return context


async def _ask_carelessly(path: Path) -> bytes:
    """The status line that a client without any check gets."""
    reader, writer = await asyncio.open_unix_connection(path)
    target = f"{HOST}:443".encode()
    writer.write(len(target).to_bytes(2, "big") + target)
    assert await reader.readexactly(1) == b"\0"
    await writer.start_tls(_careless_client(), server_hostname=HOST)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


@pytest.mark.usefixtures("_old_tls")
@pytest.mark.parametrize("wrong", Wrong)
async def test_only_the_good_server_is_heard(
    wrong: Wrong, servers: WrongServers, tmp_path: Path
) -> None:
    requests: list[bytes] = []
    path = tmp_path / "relay.sock"
    handler = serving(response(b"{}"), requests=requests)
    async with (
        RelayedVenue(path, servers.context(wrong), handler),
        Egress(f"unix:{path}", ca_pem=servers.root_pem, extra_ca=None, meter=unmetered) as egress,
    ):
        # The server does serve, so that what follows is the client's doing.
        assert b"200 OK" in await _ask_carelessly(path)
        requests.clear()
        if wrong is Wrong.NOTHING:
            assert (await egress.fetch(REQUEST, deadline_s=10)).status == 200
            return
        with pytest.raises(SourceError):
            await egress.fetch(REQUEST, deadline_s=10)
    assert not requests


def test_there_are_many_kinds_of_wrong_servers() -> None:
    assert len(Wrong) - 1 >= 25
    assert len(Fault) - 1 >= 50


@asynccontextmanager
async def _one_source(
    any_venue: tuple[ssl.SSLContext, bytes], tmp_path: Path, fault: Fault
) -> AsyncIterator[tuple[Egress, HostileSource, HostileRelay]]:
    tls, root = any_venue
    source = HostileSource(tls, honest_body("100"), fault)
    path = tmp_path / "relay.sock"
    async with (
        HostileRelay(path, {HOST: source}) as relay,
        Egress(f"unix:{path}", ca_pem=root, extra_ca=None, meter=unmetered) as egress,
    ):
        yield egress, source, relay


def _read(reply: Reply) -> Quote | SourceError:
    try:
        return ADAPTER.parse(SPEC, reply.status, reply.body)
    except SourceError as error:
        return error


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in STALLING])
async def test_a_fault_gives_a_price_or_a_typed_error_and_one_request(
    fault: Fault, any_venue: tuple[ssl.SSLContext, bytes], tmp_path: Path
) -> None:
    async with _one_source(any_venue, tmp_path, fault) as (egress, source, relay):
        try:
            seen = _read(await egress.fetch(REQUEST, deadline_s=30))
        except SourceError as error:
            seen = error
    assert isinstance(seen, Quote) == (fault in WELL_FORMED), seen
    assert isinstance(seen, SourceError) or seen.price.units == 100
    assert "30 s" not in str(seen)
    # The client library asks again, once, over a new connection, if one ends without an answer.
    most = 2 if fault in (Fault.HANGS_UP, Fault.RESETS, Fault.CUT_IN_HEADERS) else 1
    assert 1 <= len(source.requests) <= most
    assert set(relay.targets) == {f"{HOST}:443"}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault in STALLING])
async def test_a_source_that_stalls_is_given_up_at_the_deadline(
    fault: Fault, any_venue: tuple[ssl.SSLContext, bytes], tmp_path: Path
) -> None:
    async with _one_source(any_venue, tmp_path, fault) as (egress, source, _):
        with pytest.raises(SourceError, match=r"^no complete answer within 0.5 s$"):
            await egress.fetch(REQUEST, deadline_s=0.5)
    assert len(source.requests) <= 1


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault in WELL_FORMED])
async def test_a_kept_connection_gives_the_next_request_its_own_reply(
    fault: Fault, any_venue: tuple[ssl.SSLContext, bytes], tmp_path: Path
) -> None:
    """Above all after a source that answers twice: the second reply must not be the next one's."""
    async with _one_source(any_venue, tmp_path, fault) as (egress, source, _):
        await egress.fetch(REQUEST, deadline_s=30)
        source.fault = Fault.HONEST
        for price in ("200", "300"):
            source.body = honest_body(price)
            seen = _read(await egress.fetch(REQUEST, deadline_s=30))
            assert isinstance(seen, Quote)
            assert seen.price.units == int(price)


@pytest.mark.parametrize("fault", [Fault.ENDLESS_INFORMATION, Fault.LONG_EXTENSION])
async def test_a_flood_within_every_limit_of_http_ends_with_the_budget_of_bytes(
    fault: Fault, any_venue: tuple[ssl.SSLContext, bytes], tmp_path: Path
) -> None:
    tls, root = any_venue
    source = HostileSource(tls, honest_body("100"), fault)
    path = tmp_path / "relay.sock"
    venues = Venues(b"seed", FakeMonotonic(), Manners(bytes=2_000_000))
    async with (
        HostileRelay(path, {HOST: source}) as relay,
        Egress(f"unix:{path}", ca_pem=root, extra_ca=None, meter=venues.received) as egress,
    ):
        guard = Guard(egress, venues, FakeMonotonic())
        with pytest.raises(SourceUnavailable, match="connection failed"):
            await guard.fetch(REQUEST, deadline_s=30)
        asked = len(relay.targets)
        with pytest.raises(SourceUnavailable, match="budget"):
            await guard.fetch(REQUEST, deadline_s=30)
        assert len(relay.targets) == asked


async def test_a_venue_that_never_answers_delays_no_more_than_the_first_rounds(
    any_venue: tuple[ssl.SSLContext, bytes], tmp_path: Path
) -> None:
    async with _one_source(any_venue, tmp_path, Fault.SILENT) as (egress, source, _):
        clock = FakeMonotonic()
        guard = Guard(egress, Venues(b"seed", clock), clock)
        rounds = Rounds(
            fetcher=guard,
            adapters=ADAPTERS,
            monotonic=clock,
            log=MemoryLog(),
            deadlines=Deadlines(request_s=0.5),
        )
        canonical = definition([_source("api"), _source("other")])
        rounds.load([canonical])
        for _ in range(6):
            await rounds.run([feed_id(canonical)])
            clock.now += 0.1
    assert len(source.requests) <= 3


def _source(name: str) -> dict[str, Any]:
    params = dict(SPEC.params) | {"host": f"{name}.venue.test"}
    return source(name, adapter="http_json/1", params=params)


async def test_two_hostile_sources_of_five_neither_move_nor_delay_a_round(
    any_venue: tuple[ssl.SSLContext, bytes], tmp_path: Path
) -> None:
    """Every fault at once, each twice in a feed of its own beside the same three honest ones."""
    tls, root = any_venue
    honest = {"a": "100", "b": "100.1", "c": "100.2"}
    sources = {
        f"{name}.venue.test": HostileSource(tls, honest_body(price))
        for name, price in honest.items()
    }
    feeds: dict[Fault, bytes] = {}
    for number, fault in enumerate(Fault):
        pair = [f"x{number}", f"y{number}"]
        for name in pair:
            sources[f"{name}.venue.test"] = HostileSource(tls, honest_body("1000000"), fault)
        rules = aggregation(min_sources="3")
        feeds[fault] = definition([_source(name) for name in [*honest, *pair]], rules)
    path, log, venues = tmp_path / "relay.sock", MemoryLog(), Venues(b"seed", time.monotonic)
    async with (
        HostileRelay(path, sources) as relay,
        Egress(f"unix:{path}", ca_pem=root, extra_ca=None, meter=venues.received) as egress,
    ):
        guard = Guard(egress, venues, time.monotonic)
        rounds = Rounds(fetcher=guard, adapters=ADAPTERS, monotonic=FakeMonotonic(), log=log)
        among_themselves = definition([_source(name) for name in honest])
        rounds.load([*feeds.values(), among_themselves])
        # From here on the honest ones have connections, as in every round but the first.
        assert (await rounds.run([feed_id(among_themselves)])).answers
        async with asyncio.timeout(DEADLINES.round_s + 20):
            result = await rounds.run([feed_id(canonical) for canonical in feeds.values()])
        fault_of = {feed_id(canonical): fault for fault, canonical in feeds.items()}
        values = {fault_of[view.feed_id]: view for view in result.answers}
    assert set(values) == set(Fault), result.failed
    for fault, view in values.items():
        assert 100 * 10**8 <= view.value <= 100.2 * 10**8, fault
        assert view.sources_used == 3, fault
        # What is well-formed and of now may be heard, and is an outlier.
        assert fault in (Fault.HONEST, Fault.TWO_REPLIES) or len(view.failures) == 2, fault
    assert {target.partition(":")[0] for target in relay.targets} == set(sources)
