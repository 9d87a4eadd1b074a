import re

import pytest

from enclave.domain.errors import ConfigError
from enclave.sources import ADAPTERS
from enclave.sources.base import HttpRequest, check_params, choice_param, text_param
from tests.fakes.specs import spec


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("api.venue.test", ("api.venue.test", 443)),
        ("a.b-c.test:8443", ("a.b-c.test", 8_443)),
        ("0.a.test:1", ("0.a.test", 1)),
        (f"{'a' * 63}.test", (f"{'a' * 63}.test", 443)),
    ],
)
def test_dns_names_are_hosts(host: str, target: tuple[str, int]) -> None:
    assert HttpRequest(host, "/").target == target


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "192.0.2.1",
        "192.0.2.1:8443",
        "[2001:db8::1]",
        "2001:db8::1",
        "0x7f.1",
        "API.venue.test",
        "api.venue.test.",
        "api..test",
        "-api.test",
        "api-.test",
        "api.venue.test:",
        "api.venue.test:0",
        "api.venue.test:443",
        "api.venue.test:65536",
        "api.venue.test:99999",
        "user@api.venue.test",
        "api.venue.test/path",
        "api.venue.test\n",
        "ápi.venue.test",
        "api.venue.test:４",
        f"{'a' * 64}.test",
        f"{'a.' * 127}test",
    ],
)
def test_what_is_no_dns_name_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="host"):
        HttpRequest(host, "/")


@pytest.mark.parametrize("path", ["", "a", "?a=b", "/a b", "/a#b", "/á", "/a\r\nX: y", "/" * 2_049])
def test_paths_that_need_encoding_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        HttpRequest("api.venue.test", path)


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "other.test"),
        ("Cookie", "a=b"),
        ("transfer-encoding", "chunked"),
        ("Accept-Encoding", "gzip"),
        ("X Plan", "a"),
        ("", "a"),
        ("X-Plan", ""),
        ("X-Plan", "a\r\nHost: b"),
        ("X-Plan", "á"),
        ("X-Plan", "a" * 1_025),
    ],
)
def test_headers_that_egress_decides_or_that_split_are_refused(header: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="header"):
        HttpRequest("api.venue.test", "/", (header,))


def test_further_headers_are_allowed() -> None:
    assert HttpRequest("api.venue.test", "/", (("X-Plan", "free tier"),)).headers


def test_parameters_are_exactly_those_of_the_adapter() -> None:
    source = spec("a/1", params={"one": "1", "two": "2"})
    assert check_params(source, "two", "one") == {"one": "1", "two": "2"}
    with pytest.raises(ConfigError, match=r"source s: .*missing \['three'\], unknown \['two'\]"):
        check_params(source, "one", "three")


def test_a_text_parameter_matches_its_pattern() -> None:
    source = spec("a/1", params={"one": "1", "flag": True})
    assert text_param(source, "one", re.compile("[0-9]")) == "1"
    for name, pattern in (("one", "[a-z]"), ("flag", ".*")):
        with pytest.raises(ConfigError, match=f"source s: params.{name} is"):
            text_param(source, name, re.compile(pattern))


def test_a_choice_is_one_of_a_closed_set() -> None:
    source = spec("a/1", params={"one": "1", "flag": True})
    assert choice_param(source, "one", ("1", "2")) == "1"
    for name in ("one", "flag"):
        with pytest.raises(ConfigError, match=f"source s: params.{name} is .*wanted one of"):
            choice_param(source, name, ("2",))


def test_adapters_are_found_by_their_versioned_names() -> None:
    assert all(adapter.name == name for name, adapter in ADAPTERS.items())
    assert sorted(ADAPTERS) == [
        "binance/1",
        "coinbase/1",
        "ecb/1",
        "gemini/1",
        "http_json/1",
        "kraken/1",
        "okx/1",
    ]
