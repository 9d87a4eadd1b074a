"""Which hosts the sources of a feed are fetched from: what the relay's allow list is made of.

The requests themselves are made inside the enclave; here is only where they go.
"""

from collections.abc import Iterable, Mapping

from enclave.domain.errors import ConfigError
from enclave.domain.feed import FeedDefinition, SourceSpec

#: Adapters that always ask the same host. `http_json` names its host in its parameters.
HOSTS: Mapping[str, str] = {
    "binance/1": "api.binance.com",
    "coinbase/1": "api.exchange.coinbase.com",
    "ecb/1": "www.ecb.europa.eu",
    "gemini/1": "api.gemini.com",
    "kraken/1": "api.kraken.com",
    "okx/1": "www.okx.com",
}
HTTPS_PORT = 443


def source_target(source: SourceSpec) -> tuple[str, int]:
    """DNS name and port of one source.

    Raises:
        ConfigError: An adapter that is not known here, or no host among the parameters.
    """
    host = HOSTS.get(source.adapter)
    if source.adapter == "http_json/1":
        stated = source.params.get("host")
        host = stated if isinstance(stated, str) else None
    if not host:
        raise ConfigError(f"source {source.name}: no host is known for adapter {source.adapter}")
    name, _, port = host.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        raise ConfigError(f"source {source.name}: host is {host!r}, wanted a name[:port]")
    return name, int(port or HTTPS_PORT)


def targets(definitions: Iterable[FeedDefinition]) -> frozenset[tuple[str, int]]:
    """Everything that the relay has to reach for these feeds.

    Raises:
        ConfigError: See `source_target`.
    """
    return frozenset(
        source_target(source) for definition in definitions for source in definition.sources
    )
