"""Emulated venues: each host's answers in the shape of the real one."""

from collections.abc import Mapping

from oracle.devnet.venues import exchanges, references
from oracle.devnet.venues.base import Venue

#: Host name -> what answers there.
VENUES: Mapping[str, Venue] = {
    "api.exchange.coinbase.com": exchanges.coinbase,
    "api.kraken.com": exchanges.kraken,
    "api.gemini.com": exchanges.gemini,
    "www.bitstamp.net": exchanges.bitstamp,
    "api.binance.com": exchanges.binance,
    "www.okx.com": exchanges.okx,
    "api.bybit.com": exchanges.bybit,
    "api.kucoin.com": exchanges.kucoin,
    "api.gateio.ws": exchanges.gate,
    "www.ecb.europa.eu": references.ecb,
    "api.frankfurter.dev": references.frankfurter,
    "api.coingecko.com": references.coingecko,
    "api.coinpaprika.com": references.coinpaprika,
    "coins.llama.fi": references.defillama,
    "min-api.cryptocompare.com": references.cryptocompare,
}
