"""How each venue states a price: pure adapters, one per venue, and one that is declared."""

from collections.abc import Mapping
from types import MappingProxyType

from enclave.sources.base import Adapter
from enclave.sources.binance import Binance
from enclave.sources.coinbase import Coinbase
from enclave.sources.ecb import Ecb
from enclave.sources.gemini import Gemini
from enclave.sources.http_json import HttpJson
from enclave.sources.kraken import Kraken
from enclave.sources.okx import Okx

_ALL: tuple[Adapter, ...] = (
    Binance(),
    Coinbase(),
    Ecb(),
    Gemini(),
    HttpJson(),
    Kraken(),
    Okx(),
)

#: Versioned name -> adapter.
ADAPTERS: Mapping[str, Adapter] = MappingProxyType({adapter.name: adapter for adapter in _ALL})
