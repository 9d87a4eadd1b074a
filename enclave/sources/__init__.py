"""How each venue states a price: pure adapters, one per venue, and one that is declared."""

from collections.abc import Mapping
from types import MappingProxyType

from enclave.sources.base import Adapter
from enclave.sources.http_json import HttpJson
from enclave.sources.kraken import Kraken

_ALL: tuple[Adapter, ...] = (HttpJson(), Kraken())

#: Versioned name -> adapter.
ADAPTERS: Mapping[str, Adapter] = MappingProxyType({adapter.name: adapter for adapter in _ALL})
