"""`ecb/1`: the euro's reference rates of the European Central Bank. No parameters.

Reference: www.ecb.europa.eu, "Euro foreign exchange reference rates", file eurofxref-daily.xml,
2026-09. `Envelope` (namespace gesmes) holds `Cube > Cube[time] > Cube[currency][rate]` (namespace
eurofxref); a rate is units of the currency for one euro. Published about 16:00 CET on working
days; the date stands for its midnight in UTC, so a rate looks older than it is, never newer.

The parser takes no document type and no entities, so that nothing in the file can expand.
"""

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from enclave.domain.errors import ConfigError
from enclave.domain.feed import SourceSpec
from enclave.domain.observation import Quote
from enclave.sources.base import HttpRequest, check_params
from enclave.sources.failures import check_status, refused, unavailable
from enclave.sources.shape import read_price
from enclave.sources.times import parse_time

HOST = "www.ecb.europa.eu"
PATH = "/stats/eurofxref/eurofxref-daily.xml"
#: Largest file, bytes, and deepest nesting; the real ones are 2 KiB and 4.
MAX_BODY = 65_536
MAX_DEPTH = 8

_ROOT = "http://www.gesmes.org/xml/2002-08-01|Envelope"
_CUBE = "http://www.ecb.int/vocabulary/2002-08-01/eurofxref|Cube"


class Ecb:
    """See the module."""

    name = "ecb/1"

    def request(self, spec: SourceSpec) -> HttpRequest:
        """Ask for the file; every currency is in it."""
        check_params(spec)
        if spec.base != "EUR":
            raise ConfigError(f"source {spec.name}: base is {spec.base}, but ecb/1 quotes EUR only")
        return HttpRequest(HOST, PATH)

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read the rate of the source's quote currency and its date."""
        check_status(status)
        rates = _read(body)
        found = [rate for currency, rate in rates.rates if currency == spec.quote]
        if len(found) != 1 or len(rates.dates) != 1:
            raise refused(
                f"{len(found)} rates of {spec.quote} and {len(rates.dates)} dates, wanted 1 and 1"
            )
        return Quote(
            price=read_price(found[0]), published_at=parse_time(rates.dates[0], form="date")
        )


@dataclass(slots=True)
class _Rates:
    """What the file says, in its order; `path` is the open elements."""

    path: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    rates: list[tuple[str, str]] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.path and name != _ROOT:
            raise unavailable("body is another XML document")
        self.path.append(name)
        if len(self.path) > MAX_DEPTH:
            raise refused(f"body is nested deeper than {MAX_DEPTH}")
        if self.path == [_ROOT, _CUBE, _CUBE] and "time" in attributes:
            self.dates.append(attributes["time"])
        if self.path == [_ROOT, _CUBE, _CUBE, _CUBE] and {"currency", "rate"} <= attributes.keys():
            self.rates.append((attributes["currency"], attributes["rate"]))

    def end(self, name: str) -> None:
        self.path.pop()


def _read(body: bytes) -> _Rates:
    if len(body) > MAX_BODY:
        raise refused(f"body of {len(body)} bytes, wanted at most {MAX_BODY}")
    # The encoding is fixed: neither a declaration in the file nor a mark chooses another.
    if b"\0" in body or not _is_utf8(body):
        raise unavailable("body is not UTF-8")
    rates = _Rates()
    parser = expat.ParserCreate(encoding="UTF-8", namespace_separator="|")
    parser.StartElementHandler = rates.start
    parser.EndElementHandler = rates.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise unavailable("body is not XML") from error
    return rates


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_doctype(*_: object) -> NoReturn:
    raise refused("body declares a document type")
