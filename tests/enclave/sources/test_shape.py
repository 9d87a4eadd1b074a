import json
from typing import Any

import pytest

from enclave.domain.errors import ConfigError, SourceMalformed, SourceUnavailable
from enclave.domain.fixed_point import FixedPoint
from enclave.domain.observation import Quote
from enclave.sources.document import Number, Value
from enclave.sources.shape import make_shape, middle, read_price
from enclave.sources.strict_json import decode

FULL = make_shape(price="$.p", bid="$.b", ask="$.a", time="$.t", time_format="ms", exponent=-2)


def test_a_quote_is_read_with_every_digit_that_is_spelled() -> None:
    quote = FULL.read(decode(b'{"p": "100.50", "b": 100.4, "a": 1.006e2, "t": 1791179110999}'))
    assert quote == Quote(
        price=FixedPoint(10_050, 4),
        published_at=1_791_179_110,
        bid=FixedPoint(1_004, 3),
        ask=FixedPoint(1_006, 3),
    )


@pytest.mark.parametrize("side", ["null", "0", "0.0", '""', '"0"', "-1"])
def test_a_side_without_a_price_is_absent(side: str) -> None:
    quote = FULL.read(decode(f'{{"p": 1, "b": {side}, "a": {side}, "t": 1791179110999}}'.encode()))
    assert (quote.bid, quote.ask) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        '{"p": 0, "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": "-0.1", "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": null, "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": "", "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": true, "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": [1], "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": {"p": 1}, "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": "1,000.00", "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": "１", "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": 1e999999, "b": 1, "a": 1, "t": 1791179110999}',
        '{"p": 1, "b": "n/a", "a": 1, "t": 1791179110999}',
        '{"p": 1, "b": [], "a": 1, "t": 1791179110999}',
        '{"p": 1, "a": 1, "t": 1791179110999}',
        '{"p": 1, "b": 1, "a": 1, "t": null}',
        '{"p": 1, "b": 1, "a": 1, "t": 0}',
        '{"p": 1, "b": 1, "a": 1}',
        '{"b": 1, "a": 1, "t": 1791179110999}',
        "{}",
    ],
)
def test_a_value_that_is_missing_or_no_number_is_malformed(body: str) -> None:
    with pytest.raises(SourceMalformed):
        FULL.read(decode(body.encode()))


def test_an_empty_array_on_the_way_may_fill() -> None:
    with pytest.raises(SourceUnavailable, match=r"nothing at \$\.rows\[0\]"):
        make_shape(price="$.rows[0]").read(decode(b'{"rows": []}'))


@pytest.mark.parametrize("body", [b'{"p": null, "msg": "rate limit"}', b'{"msg": "rate limit"}'])
def test_a_document_without_a_price_may_explain_itself(body: bytes) -> None:
    with pytest.raises(SourceUnavailable, match="reports a rate limit"):
        make_shape(price="$.p").read(decode(body))


def test_without_a_price_the_middle_is_taken_exactly() -> None:
    book = make_shape(bid="$.b", ask="$.a")
    assert book.read(decode(b'{"b": "1.1287", "a": "1.13"}')).price == FixedPoint(112_935, 5)
    for body in (b'{"b": 0, "a": 1}', b'{"b": 1, "a": null}'):
        with pytest.raises(SourceUnavailable, match="no bid or no ask"):
            book.read(decode(body))


def test_the_middle_keeps_half_a_unit() -> None:
    assert middle(FixedPoint(1, 0), FixedPoint(2, 0)) == FixedPoint(15, 1)
    assert middle(FixedPoint(10, 1), FixedPoint(200, 2)) == FixedPoint(1_500, 3)


def test_a_price_is_positive() -> None:
    assert read_price(Number("1.50")) == FixedPoint(150, 2)
    assert read_price("15", exponent=-1) == FixedPoint(15, 1)
    refused: tuple[Value, ...] = ("0", "-1", None, False, ["1"])
    for value in refused:
        with pytest.raises(SourceMalformed):
            read_price(value)


PRIVATE = ("8675309x", "-8675309", "1e8675309", "8675309" * 5, "8675309" * 10, "8675-30-09")


@pytest.mark.parametrize("private", PRIVATE)
@pytest.mark.parametrize("form", ["ms", "date", "iso8601"])
@pytest.mark.parametrize("name", ["p", "b", "a", "t"])
def test_no_content_of_a_body_is_in_the_text_of_an_error(
    name: str, form: str, private: str
) -> None:
    if name in "ba":
        private = private.removeprefix("-") + "x"  # A negative side is none.
    times = {"ms": "1791179110999", "date": "2026-10-05", "iso8601": "2026-10-05T05:45:10Z"}
    fields = {"p": "1", "b": "1", "a": "1", "t": times[form], name: private}
    shape = make_shape(price="$.p", bid="$.b", ask="$.a", time="$.t", time_format=form, exponent=-4)
    with pytest.raises(SourceMalformed) as caught:
        shape.read(decode(json.dumps(fields).encode()))
    assert "8675" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ({}, "neither a price"),
        ({"bid": "$.b"}, "neither a price"),
        ({"ask": "$.a"}, "neither a price"),
        ({"price": "p"}, "path"),
        ({"price": "$.p", "time": "$.t"}, "time_format"),
        ({"price": "$.p", "time": "$.t", "time_format": "min"}, "time_format"),
        ({"price": "$.p", "time_format": "s"}, "time_format"),
        ({"price": "$.p", "exponent": 31}, "scale"),
        ({"price": "$.p", "exponent": -31}, "scale"),
    ],
)
def test_a_shape_that_cannot_work_is_refused(shape: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_shape(**shape)
