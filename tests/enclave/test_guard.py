"""The guard in front of a fetcher that does what the tests tell it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from enclave.circuit import Manners, Venues
from enclave.domain.errors import SourceError, SourceMalformed, SourceUnavailable
from enclave.domain.wire import SourceHealth
from enclave.egress import Reply
from enclave.guard import Guard
from enclave.sources.base import HttpRequest
from tests.fakes.process import FakeMonotonic
from tests.fakes.venues import reply

REQUEST = HttpRequest("a.example", "/price")
#: A second request at once, so that no test waits.
AT_ONCE = Manners(hedge_after_s=0.0)
#: None within any test.
NEVER = Manners(hedge_after_s=3_600.0)

Behaviour = Callable[[float], Awaitable[Reply]]


async def good(_: float) -> Reply:
    return reply("100")


async def stall(_: float) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def failing(error: Exception) -> Behaviour:
    async def fail(_: float) -> Reply:
        raise error

    return fail


class Script:
    """A fetcher whose n-th request behaves as the n-th behaviour; the last one again and again."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)
        self.deadlines_s: list[float] = []
        self.cancelled = 0

    async def fetch(self, request: HttpRequest, *, deadline_s: float) -> Reply:
        self.deadlines_s.append(deadline_s)
        more = len(self._behaviours) > 1
        behaviour = self._behaviours.pop(0) if more else self._behaviours[0]
        try:
            return await behaviour(deadline_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class World:
    def __init__(self, *behaviours: Behaviour, manners: Manners = NEVER) -> None:
        self.clock = FakeMonotonic()
        self.script = Script(*behaviours)
        self.venues = Venues(b"seed", self.clock, manners)
        self.guard = Guard(self.script, self.venues, self.clock)

    async def fetch(self) -> Reply:
        self.clock.now += 1
        return await self.guard.fetch(REQUEST, deadline_s=5.0)

    async def refusal(self) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await self.fetch()
        return caught.value

    @property
    def health(self) -> SourceHealth:
        (health,) = self.venues.health()
        return health


async def test_a_reply_passes_and_is_counted() -> None:
    world = World(good)
    assert await world.fetch() == reply("100")
    assert world.health == SourceHealth("a.example", "closed", 1, 0, 0, 0)
    assert world.script.deadlines_s == [5.0]


@pytest.mark.parametrize("error", [SourceUnavailable("down"), SourceMalformed("broken")])
async def test_errors_pass_and_open_the_circuit(error: SourceError) -> None:
    world = World(failing(error))
    for _ in range(3):
        assert await world.refusal() is error
    assert "left alone" in str(await world.refusal())
    assert len(world.script.deadlines_s) == 3
    assert world.health == SourceHealth("a.example", "open", 3, 3, 1, 0)


@pytest.mark.parametrize("status", [418, 429, 500, 503])
async def test_replies_of_a_venue_in_trouble_pass_and_open_the_circuit(status: int) -> None:
    world = World(failing(AssertionError()))
    world.script = Script(lambda _: _ready(reply("", status=status)))
    world.guard = Guard(world.script, world.venues, world.clock)
    for _ in range(3):
        assert (await world.fetch()).status == status
    assert world.health.state == "open"


async def _ready(answer: Reply) -> Reply:
    return answer


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404])
async def test_other_replies_keep_the_circuit_closed(status: int) -> None:
    world = World(lambda _: _ready(reply("", status=status)))
    for _ in range(5):
        await world.fetch()
    assert world.health.state == "closed"


async def test_after_the_pause_the_venue_is_probed_and_back() -> None:
    down = failing(SourceUnavailable("down"))
    world = World(down, down, down, good)
    for _ in range(3):
        await world.refusal()
    world.clock.now += 2.5
    assert (await world.fetch()).status == 200
    assert world.health.state == "closed"


async def test_a_cancelled_request_is_a_failure() -> None:
    world = World(stall)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await world.fetch()
    assert world.health.state == "open"


async def test_an_unforeseen_error_is_not_swallowed() -> None:
    world = World(failing(ZeroDivisionError()))
    with pytest.raises(ExceptionGroup) as caught:
        await world.fetch()
    assert caught.group_contains(ZeroDivisionError)


async def test_a_request_that_stalls_is_made_again_and_given_up_for_the_second() -> None:
    world = World(stall, good, manners=AT_ONCE)
    assert (await world.fetch()).body == b"100"
    assert (len(world.script.deadlines_s), world.script.cancelled) == (2, 1)
    assert world.health == SourceHealth("a.example", "closed", 2, 0, 0, 1)


async def test_both_requests_end_within_the_deadline() -> None:
    world = World(stall, stall, manners=Manners(hedge_after_s=0.25))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await world.fetch()
    assert world.script.deadlines_s == [5.0, 4.75]
    assert world.script.cancelled == 2


async def test_if_the_second_request_fails_the_first_is_still_waited_for() -> None:
    answer = asyncio.Event()

    async def late(_: float) -> Reply:
        await answer.wait()
        return reply("100")

    async def fail(_: float) -> Reply:
        asyncio.get_running_loop().call_soon(answer.set)
        raise SourceUnavailable("down")

    world = World(late, fail, manners=AT_ONCE)
    assert (await world.fetch()).status == 200


async def test_if_both_requests_fail_it_is_one_failure() -> None:
    async def fail_later(_: float) -> Reply:
        for _ in range(10):
            await asyncio.sleep(0)
        raise SourceUnavailable("down")

    world = World(fail_later, manners=AT_ONCE)
    assert str(await world.refusal()) == "down"
    assert world.health == SourceHealth("a.example", "closed", 2, 1, 0, 1)


async def test_a_venue_that_failed_last_is_not_asked_twice() -> None:
    async def fail_later(_: float) -> Reply:
        await asyncio.sleep(0)
        raise SourceUnavailable("down")

    world = World(failing(SourceUnavailable("down")), fail_later, manners=AT_ONCE)
    await world.refusal()
    hedges = world.health.hedges
    await world.refusal()
    assert world.health.hedges == hedges


async def test_requests_to_one_venue_do_not_start_together() -> None:
    world = World(good, manners=Manners(spread_s=0.05))
    world.clock.now += 1
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            request = HttpRequest("a.example", f"/{number}")
            group.create_task(world.guard.fetch(request, deadline_s=5.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(world.script.deadlines_s) <= 1
    first, *others = world.script.deadlines_s
    assert first == 5.0
    assert len(set(others)) == 9
    assert all(4.95 < deadline_s < 5.0 for deadline_s in others)
