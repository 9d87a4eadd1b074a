"""When a feed is due."""

from hypothesis import given
from hypothesis import strategies as st

from oracle.scheduler import (
    Candidate,
    Due,
    Landed,
    Reason,
    due_reason,
    fill_report,
    find_due,
    urgency,
)


def _candidate(
    answer: int = 10_000, age_s: int = 10, landed: int | None = 10_000, name: bytes = b"a"
) -> Candidate:
    return Candidate(
        feed_id=name,
        answer=answer,
        observed_at=1_000_000 + age_s,
        deviation_bps=50,
        heartbeat_s=3_600,
        landed=None if landed is None else Landed(landed, 1_000_000),
    )


def test_a_feed_without_an_answer_on_the_hub_is_due() -> None:
    assert due_reason(_candidate(landed=None), lead_s=0) is Reason.FIRST


def test_a_move_by_the_threshold_is_due_in_both_directions() -> None:
    assert due_reason(_candidate(answer=10_050), lead_s=0) is Reason.DEVIATION
    assert due_reason(_candidate(answer=9_950), lead_s=0) is Reason.DEVIATION


def test_a_move_just_below_the_threshold_is_not_due() -> None:
    assert due_reason(_candidate(answer=10_049), lead_s=0) is None
    assert due_reason(_candidate(answer=9_951), lead_s=0) is None


def test_the_heartbeat_makes_an_unmoved_feed_due() -> None:
    assert due_reason(_candidate(age_s=3_599), lead_s=0) is None
    assert due_reason(_candidate(age_s=3_600), lead_s=0) is Reason.HEARTBEAT


def test_the_lead_makes_it_due_earlier_so_that_it_lands_in_time() -> None:
    assert due_reason(_candidate(age_s=3_569), lead_s=30) is None
    assert due_reason(_candidate(age_s=3_570), lead_s=30) is Reason.HEARTBEAT


def test_a_lead_longer_than_the_heartbeat_counts_as_half_of_it() -> None:
    assert due_reason(_candidate(age_s=1_799), lead_s=10**6) is None
    assert due_reason(_candidate(age_s=1_800), lead_s=10**6) is Reason.HEARTBEAT


def test_an_answer_that_is_not_newer_is_never_due() -> None:
    assert due_reason(_candidate(answer=99_999, age_s=0), lead_s=0) is None
    assert due_reason(_candidate(answer=99_999, age_s=-1), lead_s=0) is None


def test_all_due_feeds_come_the_most_urgent_first() -> None:
    candidates = [
        _candidate(answer=10_100, name=b"c"),
        _candidate(name=b"a"),
        _candidate(age_s=5_400, name=b"late"),
        _candidate(answer=9_800, name=b"moved"),
        _candidate(landed=None, name=b"b"),
    ]
    assert find_due(candidates, lead_s=0) == (
        Due(b"b", Reason.FIRST),
        Due(b"moved", Reason.DEVIATION),
        Due(b"c", Reason.DEVIATION),
        Due(b"late", Reason.HEARTBEAT),
    )


def test_feeds_of_the_same_urgency_keep_their_order() -> None:
    candidates = [_candidate(answer=10_100, name=name) for name in (b"c", b"a", b"b")]
    assert [due.feed_id for due in find_due(candidates, lead_s=0)] == [b"c", b"a", b"b"]


def test_urgency_is_exact_beyond_what_a_double_holds() -> None:
    big = 2**62
    near, far = (
        Candidate(b"a", big + moved, 2, 1, 604_800, Landed(big, 1))
        for moved in (10**15, 10**15 + 1)
    )
    assert urgency(far) > urgency(near)


def test_a_threshold_of_nothing_divides_by_nothing() -> None:
    assert urgency(Candidate(b"a", 7, 2, 0, 10, Landed(0, 1))) == 70_000


def test_a_report_has_what_is_stuck_first_and_then_the_most_urgent_up_to_its_limit() -> None:
    answered = [b"a", b"b", b"c", b"d"]
    assert fill_report([b"d", b"a"], set(), answered, limit=9) == (b"d", b"a")
    assert fill_report([b"d", b"a"], {b"c", b"x"}, answered, limit=9) == (b"c", b"d", b"a")
    assert fill_report([b"d", b"c", b"a"], {b"c"}, answered, limit=2) == (b"c", b"d")


@given(answer=st.integers(1, 2**62), landed=st.integers(1, 2**62), bps=st.integers(1, 10_000))
def test_due_by_deviation_exactly_if_the_move_reaches_the_share(
    answer: int, landed: int, bps: int
) -> None:
    candidate = Candidate(b"a", answer, 2, bps, 604_800, Landed(landed, 1))
    moved = abs(answer - landed) * 10_000 >= bps * landed
    assert (due_reason(candidate, lead_s=0) is Reason.DEVIATION) == moved
