import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from oracle.devnet.market import Market
from oracle.devnet.venues import VENUES
from oracle.devnet.venues.base import Floor, VenueReply, VenueRequest, iso, split_pair

NOW_MS = 1_795_232_195_418
VECTORS = os.environ.get("ORACLE_VECTORS")

#: URL that the devnet answers -> recorded body of the same endpoint.
RECORDED = {
    "https://api.exchange.coinbase.com/products/BTC-USD/ticker": (
        "coinbase-exchange/ticker_btc-usdt_2024.json"
    ),
    "https://api.kraken.com/0/public/Ticker?pair=BCHEUR": "kraken/ticker_bch-eur_2017.json",
    "https://api.gemini.com/v1/pubticker/btcusd": "gemini/v1_pubticker_btc-usd_2017.json",
    "https://api.gemini.com/v2/ticker/btcusd": "gemini/v2_ticker_btc-usd_2026.json",
    "https://www.bitstamp.net/api/v2/ticker/btcusd/": "bitstamp/ticker_btc-usd_2026.json",
    "https://api.binance.com/api/v3/ticker/price?symbol=BTCUSDT": (
        "binance/ticker_price_btc-usdt_2026.json"
    ),
    "https://api.binance.com/api/v3/ticker/bookTicker?symbol=BTCUSDT": (
        "binance/ticker_bookticker_btc-usdt.json"
    ),
    "https://api.binance.com/api/v3/ticker/24hr?symbol=BTCUSDT": (
        "binance/ticker_24hr_btc-usdt.json"
    ),
    "https://www.okx.com/api/v5/market/ticker?instId=BTC-USDT": "okx/ticker_btc-usdt_2023.json",
    "https://api.bybit.com/v5/market/tickers?category=spot&symbol=BTCUSDT": (
        "bybit/v5_tickers_spot_btc-usdt_2026.json"
    ),
    "https://api.kucoin.com/api/v1/market/orderbook/level1?symbol=BTC-USDT": (
        "kucoin/level1_btc-usdt_2026.json"
    ),
    "https://api.gateio.ws/api/v4/spot/tickers?currency_pair=BTC_USDT": (
        "gate/tickers_btc-usdt_2026.json"
    ),
    "https://api.frankfurter.dev/v1/latest?symbols=GBP,JPY,USD": (
        "frankfurter/latest_eur_2026-09-04.json"
    ),
    "https://api.coingecko.com/api/v3/simple/price?ids=ethereum&vs_currencies=usd": (
        "coingecko/simple_price_eth-usd_2026.json"
    ),
    "https://min-api.cryptocompare.com/data/price?fsym=ETH&tsyms=EUR": (
        "cryptocompare/price_weth-eur_2024.json"
    ),
}

#: URL of something that the venue does not have -> status and recorded error body.
REFUSED = {
    "https://api.exchange.coinbase.com/products/BTC-XXX/ticker": (404, {"message": "NotFound"}),
    "https://api.kraken.com/0/public/Ticker?pair=XXXUSD": (
        200,
        {"error": ["EQuery:Unknown asset pair"]},
    ),
    "https://api.binance.com/api/v3/ticker/price?symbol=XXXUSDT": (
        400,
        {"code": -1121, "msg": "Invalid symbol."},
    ),
    "https://www.okx.com/api/v5/market/ticker?instId=XXX-USDT": (
        200,
        {"code": "51001", "data": [], "msg": "Instrument ID does not exist"},
    ),
    "https://api.bybit.com/v5/market/tickers?category=spot&symbol=XXXUSDT": (
        200,
        {
            "retCode": 10001,
            "retMsg": "Not supported symbols",
            "result": {},
            "retExtInfo": {},
            "time": NOW_MS,
        },
    ),
    "https://api.kucoin.com/api/v1/market/orderbook/level1?symbol=XXX-USDT": (
        200,
        {"code": "200000", "data": None},
    ),
    "https://api.gateio.ws/api/v4/spot/tickers?currency_pair=XXX_USDT": (
        400,
        {"label": "INVALID_CURRENCY_PAIR", "message": "Invalid currency pair XXX_USDT"},
    ),
    "https://api.frankfurter.dev/v1/latest?base=XXX": (404, {"message": "not found"}),
    "https://api.coingecko.com/api/v3/simple/price?ids=nosuchcoin&vs_currencies=usd": (200, {}),
}


def ask(url: str, *, now_ms: int = NOW_MS) -> VenueReply:
    parts = urlsplit(url)
    assert parts.hostname is not None
    request = VenueRequest(parts.path, dict(parse_qsl(parts.query)))
    return VENUES[parts.hostname](request, Floor(Market(1), lambda: now_ms))


def shape(value: Any) -> Any:
    """The value with every leaf replaced by its type, and of each list only the first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set: no recorded bodies")
@pytest.mark.parametrize("url", RECORDED)
def test_bodies_have_the_recorded_shape(url: str) -> None:
    recorded = json.loads((Path(VECTORS or "") / "market" / RECORDED[url]).read_bytes())
    seen = shape(json.loads(ask(url).body))
    wanted = shape(recorded)
    if "coinbase" in url:
        # The recorded reply was printed again by its recorder, which put the number into quotes.
        wanted["trade_id"] = "int"
    assert seen == wanted


@pytest.mark.parametrize("url", REFUSED)
def test_unknown_pairs_get_the_venues_own_error(url: str) -> None:
    status, body = REFUSED[url]
    reply = ask(url)
    assert (reply.status, json.loads(reply.body)) == (status, body)


@pytest.mark.parametrize("host", VENUES)
def test_paths_that_a_venue_does_not_serve_give_no_price(host: str) -> None:
    reply = ask(f"https://{host}/nothing/here")
    assert reply.status >= 400 or b"error" in reply.body or b'{"coins":{}}' in reply.body


def test_the_dates_in_bodies_are_now() -> None:
    body = json.loads(ask("https://api.exchange.coinbase.com/products/BTC-USD/ticker").body)
    assert body["time"] == iso(NOW_MS, 6) == "2026-11-21T03:36:35.418000Z"
    xml = ask("https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml").body.decode()
    assert "<Cube time='2026-11-21'>" in xml


def test_prices_are_spelled_as_numbers_where_the_venue_does_so() -> None:
    body = ask("https://api.frankfurter.dev/v1/latest?symbols=USD").body.decode()
    assert '"rates":{"USD":1.16' in body


@pytest.mark.parametrize(
    ("symbol", "separator", "pair"),
    [
        ("BTC-USD", "-", ("BTC", "USD")),
        ("btcusd", "", ("BTC", "USD")),
        ("XBTUSD", "", ("BTC", "USD")),
        ("ETHXBT", "", ("ETH", "BTC")),
        ("USDTUSD", "", ("USDT", "USD")),
        ("BTCUSDT", "", ("BTC", "USDT")),
    ],
)
def test_split_pair(symbol: str, separator: str, pair: tuple[str, str]) -> None:
    assert split_pair(symbol, separator) == pair


def test_kraken_names_results_in_its_old_way() -> None:
    keys = {
        pair: next(
            iter(
                json.loads(ask(f"https://api.kraken.com/0/public/Ticker?pair={pair}").body)[
                    "result"
                ]
            )
        )
        for pair in ("XBTUSD", "ETHXBT", "SOLUSD", "EURUSD", "USDTUSD", "USDCUSD", "LINKUSD")
    }
    assert keys == {
        "XBTUSD": "XXBTZUSD",
        "ETHXBT": "XETHXXBT",
        "SOLUSD": "SOLUSD",
        "EURUSD": "ZEURZUSD",
        "USDTUSD": "USDTZUSD",
        "USDCUSD": "USDCUSD",
        "LINKUSD": "LINKUSD",
    }
