"""Circuits and budgets of venues, on a clock that the tests move."""

import pytest

from enclave.circuit import Manners, Venue, Venues
from enclave.domain.errors import SourceUnavailable
from enclave.domain.wire import MAX_FEEDS, SourceHealth
from tests.fakes.process import FakeMonotonic

MANNERS = Manners(
    failures=3, pause_s=2.0, longest_pause_s=16.0, window_s=60.0, requests=10, bytes=1_000
)


def make_venue(seed: bytes = b"seed", manners: Manners = MANNERS) -> Venue:
    return Venue("a.example", manners, seed)


def fail(venue: Venue, now: float) -> None:
    venue.admit(now)
    venue.settle(is_good=False, started=now, now=now + 0.1)


def succeed(venue: Venue, now: float) -> None:
    venue.admit(now)
    venue.settle(is_good=True, started=now, now=now + 0.1)


def is_admitted(venue: Venue, now: float) -> bool:
    try:
        venue.admit(now)
    except SourceUnavailable:
        return False
    return True


def opened(seed: bytes = b"seed") -> Venue:
    """A venue whose circuit has opened at 102.1."""
    venue = make_venue(seed)
    for now in (100, 101, 102):
        fail(venue, now)
    return venue


def state(venue: Venue, now: float) -> str:
    return venue.health(now).state


def test_failures_in_a_row_open_the_circuit() -> None:
    venue = make_venue()
    for now in (100, 101):
        fail(venue, now)
    assert state(venue, 102) == "closed"
    fail(venue, 102)
    assert state(venue, 102.2) == "open"
    with pytest.raises(SourceUnavailable, match="left alone"):
        venue.admit(103)


def test_an_answer_between_failures_keeps_the_circuit_closed() -> None:
    venue = make_venue()
    for now in (100, 101, 103, 104):
        fail(venue, now)
        succeed(venue, now + 0.5)
    assert state(venue, 105) == "closed"


def test_requests_that_were_under_way_together_count_as_one_failure() -> None:
    venue = make_venue()
    for _ in range(5):
        venue.admit(100)
    for number in range(5):
        venue.settle(is_good=False, started=100, now=105 + number / 10)
    assert state(venue, 106) == "closed"
    fail(venue, 106)
    fail(venue, 107)
    assert state(venue, 108) == "open"
    assert venue.health(108).failures == 7


def test_after_its_pause_one_request_probes_and_an_answer_closes() -> None:
    venue = opened()
    assert not is_admitted(venue, 104)
    assert state(venue, 104.7) == "probing"
    venue.admit(104.7)
    assert not is_admitted(venue, 104.8)
    assert state(venue, 104.8) == "probing"
    venue.settle(is_good=True, started=104.7, now=104.9)
    assert state(venue, 104.9) == "closed"
    assert is_admitted(venue, 104.9)


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    venue = opened()
    now = 102.1
    for wanted in (2, 4, 8, 16, 16):
        assert not is_admitted(venue, now + wanted - 0.01)
        now += 1.25 * wanted
        venue.admit(now)
        venue.settle(is_good=False, started=now, now=now)


def test_after_an_answer_the_next_pause_is_the_first_again() -> None:
    venue = opened()
    fail(venue, 105)
    succeed(venue, 115)
    for now in (120, 121, 122):
        fail(venue, now)
    assert is_admitted(venue, 122.1 + 2.5)


def test_a_late_failure_from_before_the_pause_does_not_end_the_probe() -> None:
    venue = make_venue()
    venue.admit(100)
    for now in (100.5, 101.5, 102.5):
        fail(venue, now)
    venue.admit(105.5)
    venue.settle(is_good=False, started=100, now=105.6)
    assert not is_admitted(venue, 105.7)


def test_pauses_differ_by_enclave_by_no_more_than_a_quarter() -> None:
    def ends(seed: bytes) -> float:
        venue = opened(seed)
        return next(
            step for step in range(3_000) if state(venue, 102.1 + step / 1_000) == "probing"
        )

    seen = [ends(bytes((number,))) for number in range(40)]
    assert seen == [ends(bytes((number,))) for number in range(40)]
    assert all(2_000 <= end <= 2_501 for end in seen)
    assert max(seen) - min(seen) > 300


def test_a_spent_budget_of_requests_refuses_until_the_window_ends() -> None:
    venue = make_venue()
    for number in range(10):
        succeed(venue, 100 + number)
    with pytest.raises(SourceUnavailable, match="budget"):
        venue.admit(159)
    assert is_admitted(venue, 160)
    assert venue.health(160) == SourceHealth("a.example", "closed", 11, 0, 1, 0)


def test_a_spent_budget_is_no_failure_of_the_venue() -> None:
    venue = make_venue()
    for number in range(10):
        succeed(venue, 100 + number)
    for _ in range(5):
        assert not is_admitted(venue, 120)
    assert state(venue, 121) == "closed"


def test_a_spent_budget_of_bytes_breaks_off_and_refuses() -> None:
    venue = make_venue()
    venue.admit(100)
    assert venue.received(600, 100)
    assert venue.received(600, 101)
    assert not venue.received(1, 102)
    assert not is_admitted(venue, 103)
    assert venue.received(600, 160)


def test_a_stalled_request_is_made_again_only_at_a_venue_that_answers_and_when_alone() -> None:
    venue = make_venue()
    venue.under_way = 1
    venue.admit(100)
    assert venue.admit_hedge(101)
    assert venue.health(101) == SourceHealth("a.example", "closed", 2, 0, 0, 1)
    venue.under_way = 2
    assert not venue.admit_hedge(101)
    venue.under_way = 1
    fail(venue, 102)
    assert not venue.admit_hedge(103)
    succeed(venue, 104)
    for _ in range(6):
        venue.admit(105)
    assert not venue.admit_hedge(106)
    assert venue.health(106).hedges == 1


def test_requests_that_are_not_alone_start_within_the_spread() -> None:
    venue = make_venue()
    venue.under_way = 1
    assert venue.delay_s("/a") == 0
    venue.under_way = 2
    delays = [venue.delay_s(f"/{number}") for number in range(200)]
    assert delays == [venue.delay_s(f"/{number}") for number in range(200)]
    assert all(0 <= delay < MANNERS.spread_s for delay in delays)
    assert len(set(delays)) == 200
    assert delays != [make_spread(b"other", number) for number in range(200)]


def make_spread(seed: bytes, number: int) -> float:
    venue = make_venue(seed)
    venue.under_way = 2
    return venue.delay_s(f"/{number}")


def test_venues_are_told_apart_and_told_by_name() -> None:
    venues = Venues(b"seed", FakeMonotonic(), MANNERS)
    assert venues.venue("b.example") is venues.venue("b.example")
    venues.venue("a.example").admit(0)
    assert [(health.host, health.requests) for health in venues.health()] == [
        ("a.example", 1),
        ("b.example", 0),
    ]
    assert venues.received("a.example", 1_000)
    assert not venues.received("a.example", 1)
    assert venues.received("b.example", 1)


def test_memory_is_bounded_by_forgetting() -> None:
    venues = Venues(b"seed", FakeMonotonic())
    for number in range(MAX_FEEDS):
        venues.venue(f"v{number}.example")
    assert len(venues.health()) == MAX_FEEDS
    venues.venue("one-more.example")
    assert [health.host for health in venues.health()] == ["one-more.example"]
