"""What the enclave says of its sources, in the state and as notices."""

import asyncio

import pytest
from structlog.testing import capture_logs

from enclave.domain.feed import decode_definition
from enclave.domain.wire import HealthResult, SourceHealth
from oracle.daemon.problems import Problems
from oracle.daemon.sources import SourceWatch
from oracle.enclave_link import EnclaveLost
from oracle.telemetry.state import NodeState
from tests.fakes.feeds import definition, source
from tests.fakes.specs import http_json

FEED = decode_definition(
    definition(
        [
            source(name, adapter="http_json/1", params=dict(http_json().params) | {"host": host})
            for name, host in [("a", "a.example"), ("b", "b.example:8443")]
        ]
    )
)


def said(host: str, state: str = "closed") -> SourceHealth:
    return SourceHealth(host, state, 9, 3, 2, 1)


class FakeEnclave:
    """Says one list after the other, then is lost."""

    def __init__(self, *says: tuple[SourceHealth, ...]) -> None:
        self._says = list(says)
        self.state = NodeState(started_at=1)
        self.seen: list[tuple[SourceHealth, ...]] = []

    async def health(self) -> HealthResult:
        self.seen.append(self.state.sources)
        if not self._says:
            raise EnclaveLost("gone")
        return HealthResult(1, 2, 3, 4, 5, self._says.pop(0))


def make_watch(enclave: FakeEnclave, every_s: float = 0.0) -> SourceWatch:
    return SourceWatch(
        enclave,
        lambda: [FEED],
        state=enclave.state,
        problems=Problems(enclave.state),
        every_s=every_s,
    )


async def test_what_the_enclave_says_stands_in_the_state_until_it_ends() -> None:
    first, second = (said("a.example"),), (said("a.example"), said("b.example:8443", "open"))
    enclave = FakeEnclave(first, second)
    with pytest.raises(EnclaveLost):
        await make_watch(enclave).run()
    assert enclave.seen == [(), first, second]
    assert (enclave.state.sources, enclave.state.notices) == ((), {})


def test_all_sources_in_trouble_are_named() -> None:
    enclave = FakeEnclave()
    watch = make_watch(enclave)
    watch.note([said("a.example", "open"), said("b.example:8443", "probing")])
    assert enclave.state.notices["sources"].endswith(": a.example, b.example:8443")
    watch.note([said("a.example"), said("b.example:8443", "probing")])
    assert enclave.state.notices["sources"].endswith(": b.example:8443")


def test_a_source_in_trouble_is_a_notice_once_and_until_it_answers() -> None:
    enclave = FakeEnclave()
    watch = make_watch(enclave)
    with capture_logs() as logs:
        for state in ("open", "probing", "open"):
            watch.note([said("a.example", state), said("b.example:8443")])
            assert enclave.state.notices["sources"].endswith(": a.example")
        watch.note([said("a.example"), said("b.example:8443")])
    assert enclave.state.notices == {}
    assert [line["event"] for line in logs] == ["notice", "source_not_left_alone_any_more"]


def test_a_host_that_no_feed_in_force_names_is_left_out() -> None:
    enclave = FakeEnclave()
    watch = make_watch(enclave)
    watch.note([said("b.example", "open"), said("c.example", "open"), said("a.example")])
    assert enclave.state.sources == (said("a.example"),)
    assert enclave.state.notices == {}


async def test_a_cancelled_watch_leaves_nothing() -> None:
    enclave = FakeEnclave()
    watch = make_watch(enclave, every_s=3_600)
    watch.note([said("a.example", "open")])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await watch.run()
    assert (enclave.state.sources, enclave.state.notices) == ((), {})
