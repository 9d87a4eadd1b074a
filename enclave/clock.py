"""The enclave's view of time: what the sources' TLS replies say, never the host's clock.

A round's time is the lower median of the `Date` headers of the replies that gave a price. With
at most f liars among 2f+1 replies it lies between two honest dates. A source far from it, or one
that cannot say its time, is dropped; so the host can withhold replies but cannot move time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from enclave.domain.errors import QuorumNotReached, SourceMalformed, SourceUnavailable

#: Farthest a reply's `Date` may lie from the round's time, seconds, either way.
MAX_OFFSET_S = 5
#: `observedAt` is a uint32 on the chain.
MAX_MOMENT = 2**32 - 1

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_FIXDATE = re.compile(
    rf"({'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT",
    re.ASCII,
)
_AGE = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What one reply says about time.

    Attributes:
        date: Its `Date`, seconds since the epoch.
        age_s: Its `Age`, 0 if it has none.
    """

    date: int
    age_s: int


# The replies of one round share a few dates.
@lru_cache(maxsize=64)
def parse_date(text: str) -> int:
    """Read an HTTP date, seconds since the epoch.

    Only the IMF-fixdate form is read; leap seconds and a weekday that does not fit are refused.

    Raises:
        SourceMalformed: Another form, an impossible date, or one outside 1970 to 2106.

    Reference:
        RFC 9110, section 5.6.7.
    """
    match = _IMF_FIXDATE.fullmatch(text)
    if match is None:
        raise SourceMalformed(f"Date is {text[:40]!r}, wanted like 'Sun, 06 Nov 1994 08:49:37 GMT'")
    weekday, day, month, year, hour, minute, second = match.groups()
    try:
        moment = datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise SourceMalformed(f"Date {text!r} does not exist") from error
    if _DAYS[moment.weekday()] != weekday:
        raise SourceMalformed(f"Date {text!r} is a {_DAYS[moment.weekday()]}")
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    if not 0 < seconds <= MAX_MOMENT:
        raise SourceMalformed(f"Date {text!r} is outside 1970 to 2106")
    return seconds


def read_stamp(dates: Sequence[str], ages: Sequence[str]) -> Stamp:
    """Read a reply's `Date` and `Age` headers.

    Args:
        dates: Every `Date` header, verbatim.
        ages: Every `Age` header, verbatim.

    Raises:
        SourceMalformed: Not exactly one `Date`, more than one `Age`, or either malformed.
    """
    if len(dates) != 1:
        raise SourceMalformed(f"reply has {len(dates)} Date headers, wanted 1")
    if not ages:
        return Stamp(parse_date(dates[0]), 0)
    if len(ages) != 1 or not _AGE.fullmatch(ages[0]):
        raise SourceMalformed(f"Age is {[age[:20] for age in ages[:4]]}, wanted one whole number")
    return Stamp(parse_date(dates[0]), int(ages[0]))


def observed_at(dates: Sequence[int]) -> int:
    """The round's time: the lower median of the replies' dates.

    Raises:
        QuorumNotReached: There is no reply.
    """
    if not dates:
        raise QuorumNotReached("no source gave a price with a time")
    return sorted(dates)[(len(dates) - 1) // 2]


def check_report_time(moment: int, last_report_at: int) -> None:
    """A second gives one report.

    Establishes nothing about order: the signer refuses what is not newer, feed by feed.

    Args:
        moment: The round's time.
        last_report_at: Time of the last signed report, 0 if there is none.

    Raises:
        QuorumNotReached: Both are the same second.
    """
    if moment == last_report_at:
        raise QuorumNotReached(f"second {moment} has a report already, wanted a later one")


def price_age_s(stamp: Stamp, *, published_at: int | None, moment: int, max_age_s: int) -> int:
    """Age of a price at the round's time, in seconds, never negative; refuses an old one.

    Steps: 1. `Date` within 5 s of the round's time. 2. `Age` within the source's maximum. 3. The
    price's own time, if the source states one, not in the future; else the larger of `Age` and
    the reply's delay. 4. That age within the source's maximum.

    Args:
        stamp: Of the reply.
        published_at: The source's own time of the price, seconds since the epoch.
        moment: The round's time.
        max_age_s: The source's maximum age.

    Raises:
        SourceUnavailable: A step fails; a later reply may do better.
    """
    # 1. and 2.
    if abs(stamp.date - moment) > MAX_OFFSET_S:
        raise SourceUnavailable(
            f"Date is {stamp.date - moment:+d} s off the round, wanted at most {MAX_OFFSET_S}"
        )
    if stamp.age_s > max_age_s:
        raise SourceUnavailable(f"Age is {stamp.age_s} s, wanted at most {max_age_s}")
    # 3.
    if published_at is None:
        age_s = max(stamp.age_s, moment - stamp.date)
    elif published_at > moment + MAX_OFFSET_S:
        raise SourceUnavailable(
            f"price is {published_at - moment} s in the future, wanted at most {MAX_OFFSET_S}"
        )
    else:
        age_s = max(moment - published_at, 0)
    # 4.
    if age_s > max_age_s:
        raise SourceUnavailable(f"price is {age_s} s old, wanted at most {max_age_s}")
    return age_s
