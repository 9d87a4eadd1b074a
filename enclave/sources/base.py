"""What a source adapter is: a pure pair of functions, one that asks and one that reads.

An adapter says which request fetches a price and how to read the reply. It opens nothing, keeps
nothing and reads no clock; `enclave/egress.py` does the fetching.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from enclave.domain.errors import ConfigError
from enclave.domain.feed import Json, SourceSpec
from enclave.domain.observation import Quote

#: Port of a host that names none.
DEFAULT_PORT = 443
MAX_PATH = 2_048

_HOST = re.compile(
    r"(?=[^:]{4,253}(?::|\Z))(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?(?::([1-9][0-9]{0,4}))?",
    re.ASCII,
)
_PATH = re.compile(r"/[!-~]*", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,1022}[!-~])?", re.ASCII)
#: Headers that egress alone decides.
_RESERVED = frozenset(
    (
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "host",
        "transfer-encoding",
        "upgrade",
    )
)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTPS GET; equal requests of a round are fetched once.

    Attributes:
        host: Lower-case DNS name with at least one dot, `:port` appended unless the port is 443.
            Never an IP address.
        path: Path and query as sent, printable ASCII, percent-encoded by the author.
        headers: Further headers, fixed by the adapter.

    Raises:
        ConfigError: A part is outside these forms.
    """

    host: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse everything that a URL library might read in another way."""
        match = _HOST.fullmatch(self.host)
        if match is None or int(match[1] or DEFAULT_PORT) > 65_535:
            raise ConfigError(f"host is {self.host!r}, wanted a lower-case DNS name[:port]")
        if match[1] == str(DEFAULT_PORT):
            raise ConfigError(f"host {self.host!r} names port 443, which is left out")
        if len(self.path) > MAX_PATH or not _PATH.fullmatch(self.path) or "#" in self.path:
            raise ConfigError(f"path is {self.path[:80]!r}, wanted ASCII text that begins with /")
        for name, value in self.headers:
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED:
                raise ConfigError(f"header {name!r} is not one that a source may set")
            if not _HEADER_VALUE.fullmatch(value):
                raise ConfigError(f"header {name} has a value that is not printable ASCII")

    @property
    def target(self) -> tuple[str, int]:
        """DNS name and port."""
        name, _, port = self.host.partition(":")
        return name, int(port or DEFAULT_PORT)


class Adapter(Protocol):
    """Reads one venue's way of stating a price."""

    @property
    def name(self) -> str:
        """Versioned name, such as `kraken/1`; the same name always reads the same way."""

    def request(self, spec: SourceSpec) -> HttpRequest:
        """The request that fetches this source; called once, when the definition is loaded.

        Raises:
            ConfigError: A parameter is missing, unknown or malformed; names it.
        """

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read one reply.

        Checks form only; it does not establish that the price is fresh or true.

        Args:
            spec: A source that `request` has accepted.
            status: HTTP status code.
            body: The whole body, not encoded.

        Raises:
            SourceUnavailable: No price now; asking again may help.
            SourceMalformed: No price, and asking again unchanged will not help.
        """


def check_params(spec: SourceSpec, *names: str) -> Mapping[str, Json]:
    """The source's parameters, exactly these.

    Raises:
        ConfigError: One is missing or one is unknown.
    """
    missing = sorted(set(names) - spec.params.keys())
    unknown = sorted(spec.params.keys() - set(names))
    if missing or unknown:
        raise ConfigError(
            f"source {spec.name}: params of {spec.adapter} are {sorted(names)};"
            f" missing {missing}, unknown {unknown}"
        )
    return spec.params


def text_param(spec: SourceSpec, name: str, pattern: re.Pattern[str]) -> str:
    """One textual parameter that matches the pattern.

    Raises:
        ConfigError: Anything else.
    """
    value = spec.params[name]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ConfigError(
            f"source {spec.name}: params.{name} is {value!r}, wanted text like {pattern.pattern}"
        )
    return value


def choice_param(spec: SourceSpec, name: str, allowed: tuple[str, ...]) -> str:
    """One textual parameter out of a closed set.

    Raises:
        ConfigError: Anything else.
    """
    value = spec.params[name]
    if not isinstance(value, str) or value not in allowed:
        raise ConfigError(
            f"source {spec.name}: params.{name} is {value!r}, wanted one of {allowed}"
        )
    return value
