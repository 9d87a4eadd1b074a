import json
import traceback

import pytest

from enclave.domain.errors import ConfigError, SourceMalformed, SourceUnavailable
from enclave.domain.feed import Json
from enclave.domain.fixed_point import FixedPoint
from enclave.sources import ADAPTERS
from enclave.sources.base import HttpRequest
from tests.fakes.canary import search, text_canary
from tests.fakes.specs import http_json, spec

ADAPTER = ADAPTERS["http_json/1"]


def test_the_path_is_filled_with_the_sources_own_symbols() -> None:
    path = "/{base}-{quote}/{base_lower}{quote_lower}?x={base}"
    request = ADAPTER.request(http_json(path=path))
    assert request == HttpRequest("api.venue.test", "/BTC-USD/btcusd?x=BTC")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"host": "192.0.2.1"}, "host"),
        ({"host": True}, "params.host"),
        ({"path": "ticker"}, "path"),
        ({"path": "/{symbol}"}, r"unknown slots \['symbol'\]"),
        ({"price": ""}, "neither a price"),
        ({"price": "price"}, "path"),
        ({"bid": "$..a"}, "path"),
        ({"price": ["$.a"]}, "params.price"),
        ({"price": "$.a" * 200}, "params.price"),
        ({"time": "$.t"}, "time_format"),
        ({"scale": "8.0"}, "params.scale"),
        ({"scale": "-0"}, "params.scale"),
        ({"scale": "31"}, "scale is 31"),
        ({"auth": "key"}, "params.auth"),
        ({"require": "none"}, "params.require is not a list"),
        ({"require": [{"path": "$.a", "equals": "1"}] * 9}, "at most 8"),
        ({"require": ["$.a"]}, "wanted path and equals"),
        ({"require": [{"path": "$.a"}]}, "wanted path and equals"),
        ({"require": [{"path": "$.a", "equals": "1", "else": "2"}]}, "wanted path and equals"),
        ({"require": [{"path": True, "equals": "1"}]}, "wanted path and equals"),
        ({"require": [{"path": "$.a", "equals": ["1"]}]}, "wanted path and equals"),
        ({"require": [{"path": "a", "equals": "1"}]}, "path"),
        ({"extra": "1"}, r"unknown \['extra'\]"),
    ],
)
def test_a_definition_that_cannot_work_is_refused_when_it_is_loaded(
    changes: dict[str, Json], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        ADAPTER.request(http_json(**changes))


@pytest.mark.parametrize(
    "form", ["{}", "header:X-Api-Key:{}", "Bearer {}\n", ["{}"], {"key": "{}"}]
)
def test_a_key_in_place_of_no_key_is_refused_and_not_shown(form: Json) -> None:
    canary = text_canary("key of a source")
    auth = json.loads(json.dumps(form).replace("{}", canary.text))
    with pytest.raises(ConfigError, match=r"params\.auth") as caught:
        ADAPTER.request(http_json(auth=auth))
    said = "".join(traceback.format_exception(caught.value)).encode()
    assert search(said, [canary]) == []
    assert search(json.dumps(auth).encode(), [canary])


def test_every_parameter_must_be_there() -> None:
    with pytest.raises(ConfigError, match=r"missing \['ask', 'auth', 'bid'"):
        ADAPTER.request(spec("http_json/1", params={"host": "a.test"}))


def test_refusals_name_the_source() -> None:
    with pytest.raises(ConfigError, match="source s: host is"):
        ADAPTER.request(http_json(host="A"))


def test_a_quote_is_read_by_its_paths() -> None:
    source = http_json(
        price="/data/0/price",
        bid="$.data[0].bid",
        ask="$.data[0].ask",
        time="$.at",
        time_format="utc",
        scale="-8",
        require=[
            {"path": "$.expo", "equals": "-8"},
            {"path": "$.code", "equals": "0"},
            {"path": "$.ok", "equals": True},
        ],
    )
    body = (
        b'{"expo": -8, "code": "0", "ok": true, "at": "2026-10-05 05:45:10",'
        b' "data": [{"price": "6140993501000", "bid": 1, "ask": 2}]}'
    )
    quote = ADAPTER.parse(source, 200, body)
    assert quote.price == FixedPoint(6_140_993_501_000, 8)
    assert quote.published_at == 1_791_179_110
    assert (quote.bid, quote.ask) == (FixedPoint(1, 8), FixedPoint(2, 8))


@pytest.mark.parametrize(
    ("seen", "wanted", "holds"),
    [
        ("1", "1", True),
        ('"1"', "1", True),
        ("1.0", "1", False),
        ('"OK"', "OK", True),
        ('"OK"', "ok", False),
        ("true", True, True),
        ("false", False, True),
        ("true", False, False),
        ("true", "true", False),
        ('"true"', True, False),
        ("1", True, False),
        ("null", "null", False),
        ("[]", "", False),
    ],
)
def test_a_requirement_compares_text_spelling_or_boolean(
    seen: str, wanted: str | bool, holds: bool
) -> None:
    source = http_json(require=[{"path": "$.flag", "equals": wanted}])
    body = f'{{"price": 1, "flag": {seen}}}'.encode()
    if holds:
        assert ADAPTER.parse(source, 200, body).price == FixedPoint(1, 0)
    else:
        with pytest.raises(SourceUnavailable, match=r"\$\.flag is not .* as required"):
            ADAPTER.parse(source, 200, body)


def test_what_is_required_must_be_there() -> None:
    source = http_json(require=[{"path": "$.rows[0].ok", "equals": True}])
    with pytest.raises(SourceMalformed, match="nothing at"):
        ADAPTER.parse(source, 200, b'{"price": 1}')
    with pytest.raises(SourceUnavailable, match="nothing at"):
        ADAPTER.parse(source, 200, b'{"price": 1, "rows": []}')


def test_a_failed_requirement_may_explain_itself() -> None:
    source = http_json(require=[{"path": "$.ok", "equals": True}])
    with pytest.raises(SourceMalformed, match="unknown symbol"):
        ADAPTER.parse(source, 200, b'{"price": 1, "ok": false, "msg": "Invalid symbol"}')
    with pytest.raises(SourceMalformed, match="unknown symbol"):
        ADAPTER.parse(source, 200, b'{"price": 1, "msg": "Invalid symbol"}')


def test_the_status_is_looked_at_before_the_body() -> None:
    with pytest.raises(SourceMalformed, match="HTTP 404"):
        ADAPTER.parse(http_json(), 404, b'{"price": 1}')
    with pytest.raises(SourceUnavailable, match="HTTP 503"):
        ADAPTER.parse(http_json(), 503, b"<html>")
