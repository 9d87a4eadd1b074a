import pytest

from enclave.domain.errors import SourceMalformed
from enclave.sources.document import Number, Value
from enclave.sources.times import FORMATS, parse_time

#: 2026-10-05T05:45:10Z.
AT = 1_791_179_110


@pytest.mark.parametrize(
    ("text", "form", "seconds"),
    [
        ("1791179110", "s", AT),
        ("1557906728.2054", "s", 1_557_906_728),
        ("1.79117911e9", "s", AT),
        ("1791179110999", "ms", AT),
        ("1791179110999.5", "ms", AT),
        ("1791179110999999", "us", AT),
        ("1791179110999999999", "ns", AT),
        ("4294967295", "s", 4_294_967_295),
        ("2026-10-05T05:45:10Z", "iso8601", AT),
        ("2026-10-05t05:45:10Z".upper(), "iso8601", AT),
        ("2026-10-05 05:45:10.999999999z", "iso8601", AT),
        ("2026-10-05T05:45:10,5+00:00", "iso8601", AT),
        ("2026-10-05T01:45:10.055122029-04:00", "iso8601", AT),
        ("2026-10-05T11:15:10+0530", "iso8601", AT),
        ("2026-10-05T05:45Z", "iso8601", AT - 10),
        ("2026-10-05T06:45:10+01", "iso8601", AT),
        ("2026-10-05 05:45", "utc", AT - 10),
        ("2026-10-05 05:45:10", "utc", AT),
        ("2026-10-05T05:45:10.5", "utc", AT),
        ("2026-10-05", "date", 1_791_158_400),
        ("2024-02-29", "date", 1_709_164_800),
        ("2100-01-01T00:00:00Z", "iso8601", 4_102_444_800),
    ],
)
def test_moments_are_read_as_whole_seconds(text: str, form: str, seconds: int) -> None:
    assert parse_time(text, form) == seconds
    assert parse_time(Number(text), form) == seconds


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, "s"),
        (True, "s"),
        ([], "date"),
        ("", "s"),
        ("0", "s"),
        ("-1", "s"),
        ("4294967296", "s"),
        ("999", "ms"),
        ("NaN", "s"),
        ("1e400", "s"),
        ("１７９１１７９１１０", "s"),
        ("1791179110 ", "s"),
        ("2026-10-05T05:45:10", "iso8601"),
        ("2026-10-05T05Z", "iso8601"),
        ("2026-10-05T05:45.5Z", "iso8601"),
        ("2026-10-05T05:45:10+0", "iso8601"),
        ("2026-10-05T05:45:10+", "iso8601"),
        ("2026-10-05T05:45:10.Z", "iso8601"),
        ("2026-10-05T05:45:60Z", "iso8601"),
        ("2026-10-05T24:00:00Z", "iso8601"),
        ("2026-13-05T05:45:10Z", "iso8601"),
        ("2026-02-29", "date"),
        ("0000-01-01", "date"),
        ("1970-01-01", "date"),
        ("1969-12-31T23:59:59Z", "iso8601"),
        ("0001-01-01T00:00:00+01:00", "iso8601"),
        ("9999-12-31T23:59:59-99:99", "iso8601"),
        ("2026-10-05T05:45:10Z", "utc"),
        ("2026-10-05", "utc"),
        ("2026-10-05 05:45:10", "date"),
        ("5 October 2026", "date"),
        ("２０２６-10-05", "date"),
        ("2026-10-05T05:45:10." + "0" * 100 + "Z", "iso8601"),
    ],
)
def test_other_spellings_are_refused(value: Value, form: str) -> None:
    with pytest.raises(SourceMalformed):
        parse_time(value, form)


def test_the_formats_are_these() -> None:
    assert FORMATS == ("s", "ms", "us", "ns", "iso8601", "utc", "date")
