import pytest

from enclave.domain.errors import ConfigError
from enclave.sources import ADAPTERS
from oracle.feeds.catalogue import load_catalogue
from oracle.feeds.endpoints import HOSTS, source_target, targets
from tests.fakes.specs import http_json, spec


def test_the_relay_allows_exactly_what_the_enclave_asks() -> None:
    definitions = [feed.definition for feed in load_catalogue().values()]
    asked = {
        ADAPTERS[source.adapter].request(source).target
        for definition in definitions
        for source in definition.sources
    }
    assert targets(definitions) == asked


def test_every_adapter_has_its_host_or_states_it() -> None:
    assert {*HOSTS, "http_json/1"} == set(ADAPTERS)
    for adapter, host in HOSTS.items():
        params = {"endpoint": "v2/ticker"} if adapter == "gemini/1" else {}
        source = spec(adapter, base="EUR", params=dict(params))
        assert ADAPTERS[adapter].request(source).host == host
        assert source_target(source) == (host, 443)


def test_a_stated_port_is_kept() -> None:
    assert source_target(http_json(host="api.venue.test:8443")) == ("api.venue.test", 8_443)


@pytest.mark.parametrize("host", ["", True, "api.venue.test:x", "api.venue.test:٣"])
def test_a_source_without_a_host_is_refused(host: str | bool) -> None:
    with pytest.raises(ConfigError, match="source s"):
        source_target(http_json(host=host))


def test_an_unknown_adapter_has_no_host() -> None:
    with pytest.raises(ConfigError, match="no host is known for adapter other/1"):
        source_target(spec("other/1"))
