"""The venues' adapters: what they ask, what they read, what they refuse."""

import pytest

from enclave.domain.errors import ConfigError, SourceError, SourceMalformed, SourceUnavailable
from enclave.domain.feed import SourceSpec
from enclave.domain.fixed_point import FixedPoint
from enclave.domain.observation import Quote
from enclave.sources import ADAPTERS
from enclave.sources.base import HttpRequest
from tests.fakes.specs import spec

COINBASE = spec("coinbase/1")
KRAKEN = spec("kraken/1")
BINANCE = spec("binance/1", quote="USDT")
OKX = spec("okx/1", quote="USDT")
GEMINI = spec("gemini/1", params={"endpoint": "v2/ticker"})
PUBTICKER = spec("gemini/1", params={"endpoint": "v1/pubticker"})
ECB = spec("ecb/1", base="EUR")


def read(source: SourceSpec, body: bytes, status: int = 200) -> Quote:
    return ADAPTERS[source.adapter].parse(source, status, body)


@pytest.mark.parametrize(
    ("source", "host", "path"),
    [
        (COINBASE, "api.exchange.coinbase.com", "/products/BTC-USD/ticker"),
        (KRAKEN, "api.kraken.com", "/0/public/Ticker?pair=XBTUSD"),
        (
            spec("kraken/1", base="DOGE", quote="BTC"),
            "api.kraken.com",
            "/0/public/Ticker?pair=XDGXBT",
        ),
        (BINANCE, "api.binance.com", "/api/v3/ticker/24hr?symbol=BTCUSDT"),
        (OKX, "www.okx.com", "/api/v5/market/ticker?instId=BTC-USDT"),
        (GEMINI, "api.gemini.com", "/v2/ticker/btcusd"),
        (PUBTICKER, "api.gemini.com", "/v1/pubticker/btcusd"),
        (ECB, "www.ecb.europa.eu", "/stats/eurofxref/eurofxref-daily.xml"),
    ],
)
def test_each_adapter_asks_for_its_own_pair(source: SourceSpec, host: str, path: str) -> None:
    assert ADAPTERS[source.adapter].request(source) == HttpRequest(host, path)


@pytest.mark.parametrize("adapter", ["coinbase/1", "kraken/1", "binance/1", "okx/1", "ecb/1"])
def test_adapters_without_parameters_take_none(adapter: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown \['symbol'\]"):
        ADAPTERS[adapter].request(spec(adapter, base="EUR", params={"symbol": "BTCUSD"}))


def test_gemini_names_its_endpoint() -> None:
    with pytest.raises(ConfigError, match=r"missing \['endpoint'\]"):
        ADAPTERS["gemini/1"].request(spec("gemini/1"))
    with pytest.raises(ConfigError, match=r"params\.endpoint"):
        ADAPTERS["gemini/1"].request(spec("gemini/1", params={"endpoint": "v1/trades"}))


def test_the_ecb_quotes_the_euro_only() -> None:
    with pytest.raises(ConfigError, match="base is USD"):
        ADAPTERS["ecb/1"].request(spec("ecb/1", base="USD", quote="EUR"))


COINBASE_BODY = (
    b'{"trade_id":1,"price":"4417.01000000","bid":"4417","ask":"4417.01",'
    b'"time":"2017-10-03T04:00:31.887000Z"}'
)
KRAKEN_BODY = (
    b'{"error":[],"result":{"%b":{"a":["30300.10000","1"],"b":["30300.00000","1"],'
    b'"c":["30303.20000","0.1"]}}}'
)
BINANCE_BODY = (
    b'{"symbol":"BTCUSDT","lastPrice":"6705.82000000","bidPrice":"6705.88000000",'
    b'"askPrice":"6706.21000000","closeTime":1586991278494}'
)
OKX_BODY = (
    b'{"code":"0","msg":"","data":[{"instId":"BTC-USDT","last":"16839.1","bidPx":"16839",'
    b'"askPx":"16839.1","ts":"1672863560203"}]}'
)
XML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"'
    b' xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Cube>%b</Cube>'
    b"</gesmes:Envelope>"
)
DAY = (
    b"<Cube time='2018-06-11'><Cube currency='USD' rate='1.1790'/>"
    b"<Cube currency='JPY' rate='129.62'/></Cube>"
)


def test_coinbase_is_read() -> None:
    assert read(COINBASE, COINBASE_BODY) == Quote(
        FixedPoint(441_701_000_000, 8), 1_507_003_231, FixedPoint(4_417, 0), FixedPoint(441_701, 2)
    )


@pytest.mark.parametrize(
    ("pair", "base", "quote"),
    [
        (b"XXBTZUSD", "BTC", "USD"),
        (b"XBTUSD", "BTC", "USD"),
        (b"BTC/USD", "BTC", "USD"),
        (b"XETHXXBT", "ETH", "BTC"),
        (b"USDTZUSD", "USDT", "USD"),
        (b"ZEURZUSD", "EUR", "USD"),
        (b"XDGUSD", "DOGE", "USD"),
        (b"SOLUSD", "SOL", "USD"),
    ],
)
def test_kraken_is_read_under_its_names_of_the_pair(pair: bytes, base: str, quote: str) -> None:
    assert read(spec("kraken/1", base=base, quote=quote), KRAKEN_BODY % pair) == Quote(
        FixedPoint(3_030_320_000, 5),
        None,
        FixedPoint(3_030_000_000, 5),
        FixedPoint(3_030_010_000, 5),
    )


def test_binance_is_read() -> None:
    assert read(BINANCE, BINANCE_BODY) == Quote(
        FixedPoint(670_582_000_000, 8),
        1_586_991_278,
        FixedPoint(670_588_000_000, 8),
        FixedPoint(670_621_000_000, 8),
    )


def test_okx_is_read() -> None:
    assert read(OKX, OKX_BODY) == Quote(
        FixedPoint(168_391, 1), 1_672_863_560, FixedPoint(16_839, 0), FixedPoint(168_391, 1)
    )


def test_gemini_is_read_from_both_endpoints() -> None:
    sides = (FixedPoint(440_781, 2), FixedPoint(440_782, 2))
    new = b'{"symbol":"BTCUSD","close":"4407.82","bid":"4407.81","ask":"4407.82"}'
    old = b'{"last":"4407.82","bid":"4407.81","ask":"4407.82","volume":{"timestamp":1507003200000}}'
    assert read(GEMINI, new) == Quote(sides[1], None, *sides)
    assert read(PUBTICKER, old) == Quote(sides[1], 1_507_003_200, *sides)


def test_the_ecb_is_read() -> None:
    assert read(ECB, XML % DAY) == Quote(FixedPoint(11_790, 4), 1_528_675_200)
    assert read(ECB, b"\xef\xbb\xbf" + XML % DAY).price == FixedPoint(11_790, 4)
    assert read(spec("ecb/1", base="EUR", quote="JPY"), XML % DAY).price == FixedPoint(12_962, 2)


ENVELOPE = b'<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"/>'
NESTED = b"<Cube>" * 8 + b"</Cube>" * 8
LAUGHS = (
    b'<!DOCTYPE e [<!ENTITY a "1.1"><!ENTITY b "&a;&a;&a;&a;">]>' + (XML % DAY).split(b"\n", 1)[1]
)


@pytest.mark.parametrize(
    ("source", "body"),
    [
        (KRAKEN, b'{"error":["EAPI:Rate limit exceeded"]}'),
        (KRAKEN, b'{"error":["EService:Unavailable"]}'),
        (KRAKEN, b'{"error":["EService:Busy","EGeneral:Too many requests"]}'),
        (KRAKEN, b"{}"),
        (KRAKEN, b"[]"),
        (OKX, b"{}"),
        (OKX, b"[]"),
        (OKX, b'{"code":0,"data":[]}'),
        (OKX, b'{"code":"50011","msg":"Too Many Requests","data":[]}'),
        (OKX, b'{"code":"50001","msg":"","data":[]}'),
        (OKX, b'{"code":"0","msg":"","data":[]}'),
        (OKX, b'{"code":"59999","msg":"System is busy","data":[]}'),
        (BINANCE, b"{}"),
        (BINANCE, b"[]"),
        (BINANCE, BINANCE_BODY.replace(b"BTCUSDT", b"ETHUSDT")),
        (ECB, b"<html>\n<head>\n</head>\n</body>\n</html>"),
        (ECB, b"<html/>"),
        (ECB, b""),
        (ECB, b"{}"),
        (ECB, (XML % DAY)[:-9]),
        (ECB, (XML % DAY).replace(b"gesmes.org", b"example.org")),
        (ECB, (XML % DAY).decode().encode("utf-16")),
        (ECB, (XML % DAY).decode().encode("utf-16-le")),
        (ECB, (XML % DAY).replace(b"JPY", b"\xff\xff\xff")),
        (ECB, (XML % DAY).replace(b"JPY", b"\0\0\0")),
        (ECB, (XML % DAY).replace(b"<Cube time", b"<Cube time='2018-06-11' time")),
    ],
)
def test_replies_that_may_heal_are_unavailable(source: SourceSpec, body: bytes) -> None:
    with pytest.raises(SourceUnavailable, match="ask again later"):
        read(source, body)


@pytest.mark.parametrize(
    ("source", "body"),
    [
        (COINBASE, b'{"message":"NotFound"}'),
        (COINBASE, COINBASE_BODY.replace(b"4417.01000000", b"0")),
        (COINBASE, COINBASE_BODY.replace(b'"time"', b'"at"')),
        (KRAKEN, b'{"error":["EQuery:Unknown asset pair"]}'),
        (KRAKEN, b'{"error":["EService:Unavailable","EQuery:Unknown asset pair"]}'),
        (KRAKEN, b'{"error":"EQuery:Unknown asset pair"}'),
        (KRAKEN, b'{"error":[{}]}'),
        (KRAKEN, b'{"error":null}'),
        (KRAKEN, b'{"error":[]}'),
        (KRAKEN, b'{"error":[],"result":{}}'),
        (KRAKEN, b'{"error":[],"result":null}'),
        (KRAKEN, KRAKEN_BODY % b"XETHZUSD"),
        (KRAKEN, b'{"error":[],"result":{"XXBTZUSD":{},"XBTUSD":{}}}'),
        (KRAKEN, b'{"error":[],"result":{"XXBTZUSD":{"a":["1"],"b":["1"]}}}'),
        (KRAKEN, b'{"error":[],"result":{"XXBTZUSD":[]}}'.replace(b"[]}}", b'["1"]}}')),
        (OKX, b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}'),
        (OKX, b'{"code":"1","msg":"","data":[]}'),
        (OKX, OKX_BODY.replace(b"BTC-USDT", b"ETH-USDT")),
        (OKX, OKX_BODY.replace(b'"last"', b'"lost"')),
        (BINANCE, b'{"code":-1121,"msg":"Invalid symbol."}'),
        (BINANCE, BINANCE_BODY.replace(b"lastPrice", b"price")),
        (GEMINI, b'{"result":"error","reason":"Bad Request"}'),
        (PUBTICKER, b'{"last":"1","bid":"1","ask":"1","volume":{}}'),
        (ECB, ENVELOPE),
        (ECB, XML % b""),
        (ECB, XML % DAY.replace(b"USD", b"GBP")),
        (ECB, XML % (DAY + DAY)),
        (ECB, XML % (DAY + b"<Cube time='2018-06-08'/>")),
        (ECB, XML % DAY.replace(b"time=", b"date=")),
        (ECB, XML % DAY.replace(b"1.1790", b"0")),
        (ECB, XML % DAY.replace(b"1.1790", b"N/A")),
        (ECB, XML % DAY.replace(b"rate=", b"value=")),
        (ECB, XML % DAY.replace(b"2018-06-11", b"11 June 2018")),
        (ECB, XML % NESTED),
        (ECB, LAUGHS),
        (ECB, b'<!DOCTYPE e SYSTEM "https://example.test/e.dtd">' + ENVELOPE),
        (ECB, (XML % DAY) + b" " * 70_000),
    ],
)
def test_replies_that_will_stay_are_malformed(source: SourceSpec, body: bytes) -> None:
    with pytest.raises(SourceMalformed):
        read(source, body)


@pytest.mark.parametrize("source", [COINBASE, KRAKEN, BINANCE, OKX, GEMINI, PUBTICKER, ECB])
def test_the_status_decides_before_the_body(source: SourceSpec) -> None:
    for status, kind in (
        (429, SourceUnavailable),
        (503, SourceUnavailable),
        (404, SourceMalformed),
    ):
        with pytest.raises(SourceError) as caught:
            read(source, b"not what was asked for", status)
        assert type(caught.value) is kind
