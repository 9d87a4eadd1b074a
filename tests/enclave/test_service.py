"""The request loop answers, refuses, or closes the connection; it never guesses."""

from typing import Any

import pytest

from enclave.domain.errors import ConfigError, ProtocolError, QuorumNotReached
from enclave.domain.wire import Done, Health, HealthResult, Shutdown, to_map
from enclave.service import Handler, Service
from tests.fakes.process import FakeChannel, MemoryLog

COUNTS = HealthResult(uptime_s=1, rounds=2, reports=3, feeds=4, connections=5, sources=())


class World:
    """A service whose health handler does what the test says."""

    def __init__(self, outcome: object = COUNTS) -> None:
        self.outcome = outcome
        self.seen: list[object] = []
        self.stops = 0
        self.log = MemoryLog()
        handlers: dict[str, Handler] = {"health": self.health, "shutdown": self.shutdown}
        self.service = Service(handlers, stop=self.stop, log=self.log)

    async def health(self, request: Health) -> object:
        self.seen.append(request)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    async def shutdown(self, request: Shutdown) -> Done:
        self.seen.append(request)
        return Done()

    def stop(self) -> None:
        self.stops += 1

    async def serve(self, *frames: dict[str, Any] | ProtocolError) -> list[dict[str, Any]]:
        channel = FakeChannel(list(frames))
        await self.service.serve(channel)
        return channel.sent


def request(operation: object = "health", **changes: object) -> dict[str, Any]:
    return {"id": 7, "op": operation, "args": {}, **changes}


async def test_a_request_is_decoded_and_its_result_encoded() -> None:
    world = World()
    assert await world.serve(request()) == [{"id": 7, "ok": to_map(COUNTS)}]
    assert world.seen == [Health()]


async def test_requests_of_one_connection_are_answered_in_order() -> None:
    answers = await World().serve(*(request(id=number) for number in (3, 1, 2)))
    assert [answer["id"] for answer in answers] == [3, 1, 2]


@pytest.mark.parametrize(
    ("error", "view"),
    [
        (
            ConfigError("definition is not ASCII JSON"),
            {"type": "ConfigError", "message": "definition is not ASCII JSON", "retry": False},
        ),
        (
            QuorumNotReached("1 fresh sources, wanted 2\n" + "x" * 500),
            {
                "type": "QuorumNotReached",
                "message": ("1 fresh sources, wanted 2?" + "x" * 500)[:160],
                "retry": True,
            },
        ),
    ],
)
async def test_a_refusal_is_answered_and_the_connection_goes_on(
    error: Exception, view: dict[str, Any]
) -> None:
    world = World(error)
    assert await world.serve(request(), request(id=8)) == [
        {"id": 7, "error": view},
        {"id": 8, "error": view},
    ]
    assert world.log.lines[0]["event"] == "request_refused"
    assert world.log.lines[0]["error"] == view["type"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ({}, "request has 0 other keys"),
        ({"id": 7, "op": "health"}, "request has 2 other keys"),
        (request(extra=1), "request has 4 other keys"),
        (request(id=-1), "id is not a uint64"),
        (request(id=2**64), "id is not a uint64"),
        (request(id=True), "id is not a uint64"),
        (request(id="7"), "id is not a uint64"),
        (request("no-such"), "unknown operation"),
        (request(b"health"), "unknown operation"),
        (request(["health"]), "unknown operation"),
        (request(args={"extra": 1}), "Health has other keys"),
        (request(args=[]), "Health has other keys"),
        (ProtocolError("frame is not CBOR"), "frame is not CBOR"),
    ],
)
async def test_what_is_malformed_closes_the_connection_unanswered(
    frame: dict[str, Any] | ProtocolError, reason: str
) -> None:
    world = World()
    assert await world.serve(frame, request()) == []
    assert world.seen == []
    (line,) = world.log.lines
    assert line["event"] == "connection_closed"
    assert reason in line["reason"]


async def test_arguments_that_only_the_function_can_refuse_close_the_connection_too() -> None:
    world = World(ProtocolError("address of 19 bytes"))
    assert await world.serve(request(), request()) == []
    assert world.log.events == ["connection_closed"]


async def test_an_unexpected_exception_is_not_caught() -> None:
    with pytest.raises(ZeroDivisionError):
        await World(ZeroDivisionError()).serve(request())


async def test_shutdown_is_answered_before_the_end_and_ends_the_loop() -> None:
    world = World()
    answers = await world.serve(request("shutdown"), request())
    assert answers == [{"id": 7, "ok": {}}]
    assert (world.stops, world.seen) == (1, [Shutdown()])


async def test_a_host_that_closes_ends_the_loop_without_a_word() -> None:
    world = World()
    assert await world.serve() == []
    assert (world.log.lines, world.stops) == ([], 0)
