"""Time comes from the sources' replies, and no minority of them moves it."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.clock import (
    MAX_OFFSET_S,
    Stamp,
    check_report_time,
    observed_at,
    parse_date,
    price_age_s,
    read_stamp,
)
from enclave.domain.errors import QuorumNotReached, SourceMalformed, SourceUnavailable

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
MOMENT = 784_111_777


def test_the_date_of_the_standard_is_read() -> None:
    assert parse_date(DATE) == MOMENT


@given(st.integers(1, 2**32 - 1))
def test_every_second_of_the_range_is_read_as_the_library_writes_it(moment: int) -> None:
    text = format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)
    assert parse_date(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "sun, 06 nov 1994 08:49:37 gmt",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_another_form_of_date_is_refused(text: str) -> None:
    with pytest.raises(SourceMalformed, match="wanted like"):
        parse_date(text)


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 30 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sat, 31 Dec 2016 23:59:60 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
    ],
)
def test_a_date_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(SourceMalformed, match="does not exist"):
        parse_date(text)


def test_a_weekday_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SourceMalformed, match="is a Sun"):
        parse_date(DATE.replace("Sun", "Mon"))


@pytest.mark.parametrize(
    "text",
    [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sun, 07 Feb 2106 06:28:16 GMT",
    ],
)
def test_a_date_that_the_chain_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(SourceMalformed, match="outside 1970 to 2106"):
        parse_date(text)


def test_the_last_second_that_the_chain_can_hold_is_read() -> None:
    assert parse_date("Sun, 07 Feb 2106 06:28:15 GMT") == 2**32 - 1


@pytest.mark.parametrize(("ages", "age_s"), [((), 0), (("0",), 0), (("59",), 59)])
def test_a_stamp_is_date_and_age(ages: tuple[str, ...], age_s: int) -> None:
    assert read_stamp((DATE,), ages) == Stamp(MOMENT, age_s)


@pytest.mark.parametrize("dates", [(), (DATE, DATE)])
def test_a_reply_without_exactly_one_date_is_refused(dates: tuple[str, ...]) -> None:
    with pytest.raises(SourceMalformed, match=f"{len(dates)} Date headers, wanted 1"):
        read_stamp(dates, ())


@pytest.mark.parametrize("ages", [("1", "1"), ("-1",), ("1.5",), ("",), ("x",), ("9999999999",)])
def test_a_malformed_age_is_refused(ages: tuple[str, ...]) -> None:
    with pytest.raises(SourceMalformed, match="wanted one whole number"):
        read_stamp((DATE,), ages)


@pytest.mark.parametrize(
    ("dates", "expected"), [([7], 7), ([9, 7], 7), ([9, 8, 7], 8), ([9, 6, 8, 7], 7)]
)
def test_the_time_is_the_lower_median(dates: list[int], expected: int) -> None:
    assert observed_at(dates) == expected


def test_no_date_is_no_time() -> None:
    with pytest.raises(QuorumNotReached, match="no source gave a price with a time"):
        observed_at([])


@given(
    honest=st.lists(st.integers(1_000, 1_010), min_size=1, max_size=9),
    liars=st.lists(st.integers(1, 2**32 - 1), max_size=8),
)
def test_a_minority_of_liars_cannot_move_time_out_of_the_honest_range(
    honest: list[int], liars: list[int]
) -> None:
    liars = liars[: len(honest) - 1]
    assert min(honest) <= observed_at(honest + liars) <= max(honest)


def test_a_second_with_a_report_gives_no_other() -> None:
    check_report_time(MOMENT, 0)
    check_report_time(MOMENT, MOMENT - 1)
    check_report_time(MOMENT, MOMENT + 1)
    with pytest.raises(QuorumNotReached, match=f"second {MOMENT} has a report already"):
        check_report_time(MOMENT, MOMENT)


def age(
    *, date: int = MOMENT, age_s: int = 0, published_at: int | None = None, max_age_s: int = 60
) -> int:
    stamp = Stamp(date, age_s)
    return price_age_s(stamp, published_at=published_at, moment=MOMENT, max_age_s=max_age_s)


@pytest.mark.parametrize("offset", [-MAX_OFFSET_S, MAX_OFFSET_S])
def test_a_date_five_seconds_off_is_taken(offset: int) -> None:
    assert age(date=MOMENT + offset) == max(0, -offset)


@pytest.mark.parametrize("offset", [-MAX_OFFSET_S - 1, MAX_OFFSET_S + 1])
def test_a_date_further_off_drops_the_source(offset: int) -> None:
    with pytest.raises(SourceUnavailable, match=f"Date is \\{offset:+d} s off the round"):
        age(date=MOMENT + offset)


def test_the_age_header_is_bounded_by_the_source() -> None:
    assert age(age_s=60) == 60
    with pytest.raises(SourceUnavailable, match="Age is 61 s, wanted at most 60"):
        age(age_s=61)


def test_the_age_header_counts_even_where_the_source_states_a_time() -> None:
    with pytest.raises(SourceUnavailable, match="Age is 61 s"):
        age(age_s=61, published_at=MOMENT)


def test_without_a_stated_time_the_larger_of_age_and_delay_counts() -> None:
    assert age(date=MOMENT - 4, age_s=2) == 4
    assert age(date=MOMENT - 2, age_s=4) == 4


def test_a_stated_time_counts_from_the_rounds_time() -> None:
    assert age(published_at=MOMENT - 60) == 60
    with pytest.raises(SourceUnavailable, match="price is 61 s old, wanted at most 60"):
        age(published_at=MOMENT - 61)


def test_a_delayed_reply_without_a_stated_time_can_be_too_old() -> None:
    with pytest.raises(SourceUnavailable, match="price is 5 s old, wanted at most 3"):
        age(date=MOMENT - 5, max_age_s=3)


def test_a_price_from_the_near_future_has_age_zero() -> None:
    assert age(published_at=MOMENT + MAX_OFFSET_S) == 0


def test_a_price_from_the_future_is_refused() -> None:
    with pytest.raises(SourceUnavailable, match="6 s in the future, wanted at most 5"):
        age(published_at=MOMENT + MAX_OFFSET_S + 1)
