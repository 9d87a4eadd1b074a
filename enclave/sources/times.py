"""How venues spell a moment, read as whole seconds since the epoch, rounded down."""

import re
from calendar import timegm
from datetime import UTC, datetime, timedelta

from enclave.domain.fixed_point import FixedPoint
from enclave.sources.document import Value
from enclave.sources.failures import refused

#: Format name -> power of ten that turns the number into seconds.
_EPOCH = {"s": 0, "ms": -3, "us": -6, "ns": -9}
#: `iso8601` needs an offset or Z; `utc` has none and means UTC; `date` means midnight UTC.
FORMATS = (*_EPOCH, "iso8601", "utc", "date")

_DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_CLOCK = r"[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]{1,9})?)?"
_CALENDAR = {
    "iso8601": re.compile(_DATE + _CLOCK + r"(?:[Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)", re.ASCII),
    "utc": re.compile(_DATE + _CLOCK, re.ASCII),
    "date": re.compile(_DATE, re.ASCII),
}
_MAX_TIME = 2**32


def parse_time(value: Value, form: str) -> int:
    """Read a moment.

    Args:
        value: Number or text of the body.
        form: One of `FORMATS`.

    Returns:
        Seconds since the epoch, 1 to 2**32 - 1; fractions of a second are cut.

    Raises:
        SourceMalformed: Another form, or a moment outside that range.
    """
    if not isinstance(value, str):
        raise refused(f"time is not a number or text, wanted {form}")
    seconds: int
    if form in _EPOCH:
        number = FixedPoint.parse(value, exponent=_EPOCH[form])
        seconds = number.units // 10**number.scale
    else:
        seconds = _calendar_seconds(value, form)
    if not 0 < seconds < _MAX_TIME:
        raise refused("time is no time of a price, wanted one between 1970 and 2106")
    return seconds


def _calendar_seconds(text: str, form: str) -> int:
    match = _CALENDAR[form].fullmatch(text[:64])
    if match is None:
        raise refused(f"time is not of the form {form}")
    # Parts that the form or the text does not have count as zero.
    year, month, day, hour, minute, second, sign, *offset = (*match.groups("0"), *("0",) * 6)[:9]
    try:
        moment = datetime(
            *(int(year), int(month), int(day), int(hour), int(minute), int(second)), tzinfo=UTC
        )
        ahead = timedelta(hours=int(offset[0]), minutes=int(offset[1]))
        moment += ahead if sign == "-" else -ahead
    except (ValueError, OverflowError) as error:
        raise refused(f"time of the form {form} is not in the calendar") from error
    return timegm(moment.utctimetuple())
