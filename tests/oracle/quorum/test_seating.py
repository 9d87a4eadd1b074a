"""Whose observations and signatures count."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import QuorumNotReached, RequestRefused
from enclave.domain.wire import SignedObservation
from oracle.chain.base import SeatedSigner
from oracle.quorum.seating import check_observers, choose_signers, find_seated

NOW = 1_000.0
INTEL, AMD, AWS = 1, 2, 3


def _seated(
    position: int, *, vendor: int = INTEL, tier: int = 1, expires_at: int = 2_000
) -> SeatedSigner:
    signer = bytes([position + 1]) * 20
    return SeatedSigner(position, signer, f"0x{position // 2}", expires_at, vendor, tier)


def _observation(position: int) -> SignedObservation:
    return SignedObservation(bytes([position + 1]) * 20, 999, bytes(32), bytes(14), bytes(64))


def _free(_: SeatedSigner) -> int:
    return 0


def _positions(*candidates: SeatedSigner, m: int, d: int = 1) -> list[int]:
    chosen = choose_signers(candidates, signatures=m, vendors=d, cost=_free)
    return [one.position for one in chosen]


def test_a_signer_is_found_by_its_address() -> None:
    signers = [_seated(0), _seated(3)]
    assert find_seated(signers, b"\x04" * 20, now=NOW) is signers[1]


def test_a_signer_without_a_seat_is_refused_by_name() -> None:
    with pytest.raises(RequestRefused, match=r"0x0505.* is in no live seat"):
        find_seated([_seated(0)], b"\x05" * 20, now=NOW)


def test_a_signer_counts_until_the_moment_it_expires() -> None:
    find_seated([_seated(0, expires_at=1_001)], b"\x01" * 20, now=NOW)
    with pytest.raises(RequestRefused, match="expired at 1000"):
        find_seated([_seated(0, expires_at=1_000)], b"\x01" * 20, now=NOW)


def test_observers_in_seats_of_their_own_are_accepted() -> None:
    signers = [_seated(0), _seated(3), _seated(4)]
    check_observers(signers, [_observation(3), _observation(0)], now=NOW)
    check_observers(signers, [], now=NOW)


def test_an_observer_without_a_seat_is_refused() -> None:
    with pytest.raises(RequestRefused, match="is in no live seat"):
        check_observers([_seated(0)], [_observation(0), _observation(9)], now=NOW)


def test_two_observers_of_one_seat_are_refused() -> None:
    signers = [_seated(2), _seated(3)]
    with pytest.raises(RequestRefused, match=r"share seat 1, wanted one observation a seat"):
        check_observers(signers, [_observation(2), _observation(3)], now=NOW)


def test_exactly_as_many_as_wanted_are_chosen_by_position() -> None:
    assert _positions(_seated(8), _seated(1), _seated(4), _seated(6), m=3) == [1, 4, 6]


def test_the_choice_does_not_depend_on_who_answered_first() -> None:
    candidates = [_seated(0), _seated(2, vendor=AMD), _seated(4), _seated(6, vendor=AWS, tier=2)]
    choices = {tuple(_positions(*order, m=2, d=2)) for order in itertools.permutations(candidates)}
    assert choices == {(0, 2)}


def test_stronger_tiers_come_first() -> None:
    assert _positions(_seated(0, tier=3), _seated(2), _seated(4), m=2) == [2, 4]


def test_vendors_are_diverse_before_positions_are_low() -> None:
    candidates = (_seated(0), _seated(2), _seated(4), _seated(6, vendor=AMD))
    assert _positions(*candidates, m=2, d=2) == [0, 6]
    assert _positions(*candidates, m=3, d=2) == [0, 2, 6]
    assert _positions(*candidates, m=2, d=1) == [0, 2]


def test_an_unknown_vendor_adds_no_diversity() -> None:
    with pytest.raises(QuorumNotReached, match="signatures of 1 hardware vendors, wanted 2"):
        _positions(_seated(0), _seated(2, vendor=0), m=2, d=2)


def test_too_few_are_refused() -> None:
    with pytest.raises(QuorumNotReached, match="2 of 3 signatures"):
        _positions(_seated(0), _seated(2), m=3)


def test_a_seat_counts_once() -> None:
    assert _positions(_seated(2), _seated(3), _seated(4), m=2) == [2, 4]
    with pytest.raises(QuorumNotReached, match="1 of 2 signatures"):
        _positions(_seated(2), _seated(3), m=2)


def test_who_asks_for_least_to_be_given_up_comes_first() -> None:
    candidates = [_seated(0), _seated(2), _seated(4)]
    chosen = choose_signers(candidates, signatures=2, vendors=1, cost=lambda one: 4 - one.position)
    assert [one.position for one in chosen] == [2, 4]


def test_the_leaders_seat_and_those_after_it_come_first() -> None:
    candidates = [_seated(0), _seated(2), _seated(4), _seated(6, tier=4)]
    for first, wanted in ((0, [0, 2]), (1, [2, 4]), (2, [0, 4]), (3, [0, 2])):
        chosen = choose_signers(candidates, signatures=2, vendors=1, cost=_free, first=first)
        assert [one.position for one in chosen] == wanted


@given(
    seats=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), min_size=1, max_size=12),
    m=st.integers(1, 12),
    d=st.integers(1, 4),
)
def test_what_is_chosen_always_satisfies_the_hub(
    seats: list[tuple[int, int]], m: int, d: int
) -> None:
    candidates = [
        _seated(2 * number, vendor=vendor, tier=tier) for number, (vendor, tier) in enumerate(seats)
    ]
    known = {one.vendor for one in candidates} - {0}
    try:
        chosen = choose_signers(candidates, signatures=m, vendors=min(d, m), cost=_free)
    except QuorumNotReached:
        assert len(candidates) < m or len(known) < min(d, m)
        return
    assert len(chosen) == len({one.seat for one in chosen}) == m
    assert len({one.vendor for one in chosen} - {0}) >= min(d, m)
    assert [one.position for one in chosen] == sorted(one.position for one in chosen)
