"""Reference rates and aggregators, in the shape that each of them has.

Some of them spell prices as bare JSON numbers. Such bodies are put together as text, because a
float would spell them otherwise.
"""

from oracle.devnet.venues.base import (
    Floor,
    UnknownPair,
    VenueReply,
    VenueRequest,
    day,
    iso,
    not_found,
    reply_json,
    reply_text,
)

_ECB_CURRENCIES = ("USD", "JPY", "GBP", "CHF", "AUD", "CAD")
_COINS = {
    "bitcoin": "BTC",
    "ethereum": "ETH",
    "solana": "SOL",
    "chainlink": "LINK",
    "ripple": "XRP",
    "cardano": "ADA",
    "dogecoin": "DOGE",
    "avalanche-2": "AVAX",
    "polkadot": "DOT",
    "litecoin": "LTC",
    "bitcoin-cash": "BCH",
    "binancecoin": "BNB",
    "uniswap": "UNI",
    "aave": "AAVE",
    "cosmos": "ATOM",
    "arbitrum": "ARB",
    "pax-gold": "PAXG",
    "wrapped-bitcoin": "WBTC",
    "staked-ether": "STETH",
    "usd-coin": "USDC",
    "tether": "USDT",
    "dai": "DAI",
    "paypal-usd": "PYUSD",
}


def ecb(request: VenueRequest, floor: Floor) -> VenueReply:
    """European Central Bank: the daily reference rates, units of each currency for one euro."""
    if request.path != "/stats/eurofxref/eurofxref-daily.xml":
        return VenueReply(404, "text/html", b"<html><body>Not found</body></html>")
    rates = "".join(
        f"\t\t\t<Cube currency='{currency}' rate='{floor.tick('ecb', 'EUR', currency).last}'/>\n"
        for currency in _ECB_CURRENCIES
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
        'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">\n'
        "\t<gesmes:subject>Reference rates</gesmes:subject>\n"
        "\t<gesmes:Sender>\n\t\t<gesmes:name>European Central Bank</gesmes:name>\n"
        "\t</gesmes:Sender>\n"
        f"\t<Cube>\n\t\t<Cube time='{day(floor.now_ms())}'>\n{rates}\t\t</Cube>\n\t</Cube>\n"
        "</gesmes:Envelope>"
    )
    return reply_text(body, content_type="text/xml")


def frankfurter(request: VenueRequest, floor: Floor) -> VenueReply:
    """Frankfurter: `/v1/latest?base=EUR&symbols=USD,GBP`; the base defaults to the euro."""
    if request.path != "/v1/latest":
        return reply_json({"message": "not found"}, status=404)
    base = request.query.get("base", "EUR")
    symbols = request.query.get("symbols", ",".join(_ECB_CURRENCIES)).split(",")
    try:
        rates = ",".join(
            f'"{symbol}":{floor.tick("frankfurter", base, symbol).last}'
            for symbol in sorted(symbols)
        )
    except UnknownPair:
        return reply_json({"message": "not found"}, status=404)
    date = day(floor.now_ms())
    return reply_text(f'{{"amount":1.0,"base":"{base}","date":"{date}","rates":{{{rates}}}}}')


def coingecko(request: VenueRequest, floor: Floor) -> VenueReply:
    """CoinGecko: `/api/v3/simple/price?ids=bitcoin&vs_currencies=usd`; unknown ids are left out."""
    if request.path.rstrip("/") != "/api/v3/simple/price":
        return not_found()
    stamped = request.query.get("include_last_updated_at") == "true"
    coins = []
    for coin in request.query.get("ids", "").split(","):
        if coin in _COINS:
            prices = _coingecko_prices(coin, request.query.get("vs_currencies", ""), floor)
            prices += [f'"last_updated_at":{floor.now_ms() // 1000}'] if stamped else []
            coins.append(f'"{coin}":{{{",".join(prices)}}}')
    return reply_text(f"{{{','.join(coins)}}}", content_type="application/json; charset=utf-8")


def _coingecko_prices(coin: str, currencies: str, floor: Floor) -> list[str]:
    return [
        f'"{currency}":{floor.tick("coingecko", _COINS[coin], currency.upper()).last}'
        for currency in currencies.split(",")
        if floor.knows(currency.upper()) and currency.upper() != _COINS[coin]
    ]


def coinpaprika(request: VenueRequest, floor: Floor) -> VenueReply:
    """Coinpaprika: `/v1/tickers/eth-ethereum?quotes=USD`."""
    coin = request.path.removeprefix("/v1/tickers/")
    symbol = coin.partition("-")[0].upper()
    quote = request.query.get("quotes", "USD")
    try:
        tick = floor.tick("coinpaprika", symbol, quote)
    except UnknownPair:
        return reply_json({"error": "id not found"}, status=404)
    prices = f'"{quote}":{{"price":{tick.last},"volume_24h":24136641726.138}}'
    return reply_text(
        f'{{"id":"{coin}","symbol":"{symbol}","rank":2,"last_updated":"{iso(tick.at_ms, 3)}",'
        f'"quotes":{{{prices}}}}}'
    )


def defillama(request: VenueRequest, floor: Floor) -> VenueReply:
    """DefiLlama: `/prices/current/coingecko:bitcoin,coingecko:dai`, in dollars."""
    names = request.path.removeprefix("/prices/current/").split(",")
    coins = []
    for name in names:
        asset = _COINS.get(name.removeprefix("coingecko:"))
        if asset is not None:
            tick = floor.tick("defillama", asset, "USD")
            coins.append(
                f'"{name}":{{"decimals":18,"symbol":"{asset}","price":{tick.last},'
                f'"timestamp":{tick.at_ms // 1000},"confidence":0.99}}'
            )
    return reply_text(f'{{"coins":{{{",".join(coins)}}}}}')


def cryptocompare(request: VenueRequest, floor: Floor) -> VenueReply:
    """CryptoCompare: `/data/price?fsym=BTC&tsyms=USD`; errors come with status 200."""
    base, quotes = request.query.get("fsym", ""), request.query.get("tsyms", "")
    if request.path != "/data/price":
        return not_found()
    try:
        prices = ",".join(
            f'"{quote}":{floor.tick("cryptocompare", base, quote).last}'
            for quote in quotes.split(",")
        )
    except UnknownPair:
        message = f"cccagg_or_exchange market does not exist for this coin pair ({base}-{quotes})"
        return reply_json({"Response": "Error", "Message": message, "Type": 2, "Data": {}})
    return reply_text(f"{{{prices}}}")
