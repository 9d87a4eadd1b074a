"""Tickers of the exchanges, in the shape that each of them has.

Shapes follow the venues' public documentation and recorded replies; only the fields that
matter move, the others hold plausible constants.
"""

from oracle.devnet.venues.base import (
    Floor,
    UnknownPair,
    VenueReply,
    VenueRequest,
    iso,
    not_found,
    reply_json,
    split_pair,
)

#: Kraken's old names in result keys; newer assets keep their own.
_KRAKEN = {"BTC": "XXBT", "ETH": "XETH", "LTC": "XLTC", "XRP": "XXRP"}
_KRAKEN_MONEY = {"USD": "ZUSD", "EUR": "ZEUR", "GBP": "ZGBP", "JPY": "ZJPY", "CAD": "ZCAD"}


def coinbase(request: VenueRequest, floor: Floor) -> VenueReply:
    """Coinbase Exchange: `/products/BTC-USD/ticker`."""
    parts = request.path.strip("/").split("/")
    if len(parts) != 3 or (parts[0], parts[2]) != ("products", "ticker"):
        return not_found()
    try:
        tick = floor.tick("coinbase", *split_pair(parts[1], "-"))
    except UnknownPair:
        return not_found()
    return reply_json(
        {
            "ask": tick.ask,
            "bid": tick.bid,
            "volume": "1207.50668151",
            "trade_id": 21554152,
            "price": tick.last,
            "size": "0.00730812",
            "time": iso(tick.at_ms, 6),
            "rfq_volume": "7.669923",
        },
        content_type="application/json; charset=utf-8",
    )


def kraken(request: VenueRequest, floor: Floor) -> VenueReply:
    """Kraken: `/0/public/Ticker?pair=XBTUSD`; errors come with status 200."""
    if request.path != "/0/public/Ticker":
        return reply_json({"error": ["EGeneral:Unknown method"]})
    try:
        base, quote = split_pair(request.query.get("pair", "").replace("/", ""), "")
        tick = floor.tick("kraken", base, quote)
    except UnknownPair:
        return reply_json({"error": ["EQuery:Unknown asset pair"]})
    ticker = {
        "a": [tick.ask, "1", "1.000"],
        "b": [tick.bid, "18", "18.000"],
        "c": [tick.last, "0.00067643"],
        "v": ["4083.67001100", "4412.73601799"],
        "p": [tick.last, tick.last],
        "t": [34619, 38907],
        "l": [tick.bid, tick.bid],
        "h": [tick.ask, tick.ask],
        "o": tick.last,
    }
    return reply_json({"error": [], "result": {_kraken_key(base, quote): ticker}})


def _kraken_key(base: str, quote: str) -> str:
    """The result key that answers a pair: old assets and money have a letter before them."""
    if base in {"EUR", "GBP"} or (base == "USDT" and quote == "USD"):
        first = _KRAKEN_MONEY.get(base, base)
        return first + _KRAKEN_MONEY.get(quote, quote)
    if base in _KRAKEN and (quote in _KRAKEN or quote in _KRAKEN_MONEY):
        return _KRAKEN[base] + (_KRAKEN.get(quote) or _KRAKEN_MONEY[quote])
    return {"DOGE": "XDG"}.get(base, base) + {"BTC": "XBT"}.get(quote, quote)


def gemini(request: VenueRequest, floor: Floor) -> VenueReply:
    """Gemini: `/v1/pubticker/btcusd` and `/v2/ticker/btcusd`."""
    version, _, rest = request.path.strip("/").partition("/")
    method, _, symbol = rest.partition("/")
    try:
        base, quote = split_pair(symbol, "")
        tick = floor.tick("gemini", base, quote)
    except UnknownPair:
        message = f"Supplied value '{symbol}' is not a valid symbol."
        return reply_json(
            {"message": message, "reason": "Bad Request", "result": "error"}, status=400
        )
    if (version, method) == ("v1", "pubticker"):
        volume = {base: "4835.1549187912", quote: "21292243.80", "timestamp": tick.at_ms}
        return reply_json({"bid": tick.bid, "ask": tick.ask, "volume": volume, "last": tick.last})
    if (version, method) == ("v2", "ticker"):
        return reply_json(
            {
                "symbol": symbol.upper(),
                "open": tick.last,
                "high": tick.ask,
                "low": tick.bid,
                "close": tick.last,
                "changes": [tick.last, tick.bid, tick.ask],
                "bid": tick.bid,
                "ask": tick.ask,
            }
        )
    return not_found()


def bitstamp(request: VenueRequest, floor: Floor) -> VenueReply:
    """Bitstamp: `/api/v2/ticker/btcusd/`."""
    head, _, symbol = request.path.strip("/").rpartition("/")
    if head != "api/v2/ticker":
        return not_found()
    try:
        tick = floor.tick("bitstamp", *split_pair(symbol, ""))
    except UnknownPair:
        return not_found()
    return reply_json(
        {
            "timestamp": str(tick.at_ms // 1000),
            "open": tick.last,
            "high": tick.ask,
            "low": tick.bid,
            "last": tick.last,
            "volume": "1091.88155741",
            "vwap": tick.last,
            "bid": tick.bid,
            "ask": tick.ask,
            "side": "0",
            "open_24": tick.last,
            "percent_change_24": "0.97",
            "market_type": "SPOT",
        }
    )


def binance(request: VenueRequest, floor: Floor) -> VenueReply:
    """Binance: `/api/v3/ticker/price`, `bookTicker`, `24hr` and `/api/v3/avgPrice`."""
    symbol = request.query.get("symbol", "")
    try:
        tick = floor.tick("binance", *split_pair(symbol, ""))
    except UnknownPair:
        return reply_json({"code": -1121, "msg": "Invalid symbol."}, status=400)
    book = {"bidPrice": tick.bid, "bidQty": "0.163567", "askPrice": tick.ask, "askQty": "0.18635"}
    day_ms = 86_400_000
    bodies: dict[str, dict[str, object]] = {
        "/api/v3/ticker/price": {"symbol": symbol, "price": tick.last},
        "/api/v3/ticker/bookTicker": {"symbol": symbol, **book},
        "/api/v3/avgPrice": {"mins": 5, "price": tick.last, "closeTime": tick.at_ms},
        "/api/v3/ticker/24hr": {
            "symbol": symbol,
            "priceChange": "-166.82000000",
            "priceChangePercent": "-2.427",
            "weightedAvgPrice": tick.last,
            "prevClosePrice": tick.last,
            "lastPrice": tick.last,
            "lastQty": "0.01000000",
            **book,
            "openPrice": tick.last,
            "highPrice": tick.ask,
            "lowPrice": tick.bid,
            "volume": "57857.49485700",
            "quoteVolume": "392659910.62660750",
            "openTime": tick.at_ms - day_ms,
            "closeTime": tick.at_ms,
            "firstId": 294247387,
            "lastId": 294801814,
            "count": 554428,
        },
    }
    return reply_json(bodies[request.path]) if request.path in bodies else not_found()


def okx(request: VenueRequest, floor: Floor) -> VenueReply:
    """OKX: `/api/v5/market/ticker?instId=BTC-USDT`; errors come with status 200."""
    instrument = request.query.get("instId", "")
    if request.path != "/api/v5/market/ticker":
        return not_found()
    try:
        tick = floor.tick("okx", *split_pair(instrument, "-"))
    except UnknownPair:
        return reply_json({"code": "51001", "data": [], "msg": "Instrument ID does not exist"})
    ticker = {
        "instType": "SPOT",
        "instId": instrument,
        "last": tick.last,
        "lastSz": "0.31226082",
        "askPx": tick.ask,
        "askSz": "5.93754444",
        "bidPx": tick.bid,
        "bidSz": "0.16038",
        "open24h": tick.last,
        "high24h": tick.ask,
        "low24h": tick.bid,
        "volCcy24h": "86702682.03645192",
        "vol24h": "5150.98223027",
        "ts": str(tick.at_ms),
        "sodUtc0": tick.last,
        "sodUtc8": tick.last,
    }
    return reply_json({"code": "0", "msg": "", "data": [ticker]})


def bybit(request: VenueRequest, floor: Floor) -> VenueReply:
    """Bybit: `/v5/market/tickers?category=spot&symbol=BTCUSDT`; errors come with status 200."""
    symbol = request.query.get("symbol", "")
    if request.path != "/v5/market/tickers" or request.query.get("category") != "spot":
        return not_found()
    envelope = {"retCode": 10001, "retMsg": "Not supported symbols", "result": {}}
    try:
        tick = floor.tick("bybit", *split_pair(symbol, ""))
    except UnknownPair:
        return reply_json({**envelope, "retExtInfo": {}, "time": floor.now_ms()})
    ticker = {
        "symbol": symbol,
        "bid1Price": tick.bid,
        "bid1Size": "0.233476",
        "ask1Price": tick.ask,
        "ask1Size": "0.253817",
        "lastPrice": tick.last,
        "prevPrice24h": tick.last,
        "price24hPcnt": "0.0099",
        "highPrice24h": tick.ask,
        "lowPrice24h": tick.bid,
        "turnover24h": "343699779.01773839",
        "volume24h": "4002.208824",
        "usdIndexPrice": tick.last,
    }
    result = {"category": "spot", "list": [ticker]}
    envelope = {"retCode": 0, "retMsg": "OK", "result": result}
    return reply_json({**envelope, "retExtInfo": {}, "time": tick.at_ms})


def kucoin(request: VenueRequest, floor: Floor) -> VenueReply:
    """KuCoin: `/api/v1/market/orderbook/level1?symbol=BTC-USDT`; unknown pairs give null."""
    if request.path != "/api/v1/market/orderbook/level1":
        return not_found()
    try:
        tick = floor.tick("kucoin", *split_pair(request.query.get("symbol", ""), "-"))
    except UnknownPair:
        return reply_json({"code": "200000", "data": None})
    data = {
        "time": tick.at_ms,
        "sequence": "38189558362",
        "price": tick.last,
        "size": "0.00011652",
        "bestBid": tick.bid,
        "bestBidSize": "0.02645122",
        "bestAsk": tick.ask,
        "bestAskSize": "0.48267826",
    }
    return reply_json({"code": "200000", "data": data})


def gate(request: VenueRequest, floor: Floor) -> VenueReply:
    """Gate: `/api/v4/spot/tickers?currency_pair=BTC_USDT`."""
    pair = request.query.get("currency_pair", "")
    if request.path != "/api/v4/spot/tickers":
        return not_found()
    try:
        tick = floor.tick("gate", *split_pair(pair, "_"))
    except UnknownPair:
        message = f"Invalid currency pair {pair}"
        return reply_json({"label": "INVALID_CURRENCY_PAIR", "message": message}, status=400)
    ticker = {
        "currency_pair": pair,
        "last": tick.last,
        "lowest_ask": tick.ask,
        "lowest_size": "1.2449",
        "highest_bid": tick.bid,
        "highest_size": "3.509188",
        "change_percentage": "1",
        "base_volume": "4263.248795",
        "quote_volume": "366426509.6078934",
        "high_24h": tick.ask,
        "low_24h": tick.bid,
    }
    return reply_json([ticker])
