"""`kraken/1`: the ticker of Kraken's spot market. No parameters.

Reference: docs.kraken.com, Spot REST API, "Get Ticker Information", 2026-09.
`GET /0/public/Ticker?pair=XBTUSD`: `{"error": [...], "result": {"XXBTZUSD": {"a": [ask, ...],
"b": [bid, ...], "c": [last price, lot volume], ...}}}`. The key in `result` is Kraken's own name
of the pair, which may differ from the one asked for. The body states no time. Errors come with
HTTP 200 as `E<class>:<text>`.
"""

from enclave.domain.errors import SourceError
from enclave.domain.feed import SourceSpec
from enclave.domain.observation import Quote
from enclave.sources.base import HttpRequest, check_params
from enclave.sources.document import Value
from enclave.sources.failures import check_status, refused, unavailable
from enclave.sources.shape import make_shape
from enclave.sources.strict_json import decode

HOST = "api.kraken.com"

#: Kraken's names of assets that others call differently.
_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_SHAPE = make_shape(price="$.c[0]", bid="$.b[0]", ask="$.a[0]")
#: Beginnings of error texts that pass by themselves.
_PASSING = ("EService:", "EAPI:Rate limit", "EGeneral:Too many", "EGeneral:Temporary lockout")


class Kraken:
    """See the module."""

    name = "kraken/1"

    def request(self, spec: SourceSpec) -> HttpRequest:
        """Ask for one pair by its alternative name."""
        check_params(spec)
        base, quote = _names(spec)
        return HttpRequest(HOST, f"/0/public/Ticker?pair={base}{quote}")

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read last price, bid and ask of the pair."""
        check_status(status)
        document = decode(body)
        if not isinstance(document, dict) or "error" not in document:
            raise unavailable("reply without Kraken's envelope")
        if document["error"] != []:
            raise _reported(document["error"])
        return _SHAPE.read(_pair(spec, document.get("result")))


def _names(spec: SourceSpec) -> tuple[str, str]:
    return _NAMES.get(spec.base, spec.base), _NAMES.get(spec.quote, spec.quote)


def _pair(spec: SourceSpec, result: Value) -> Value:
    """The one ticker under one of the forms that Kraken gives the pair's name."""
    if not isinstance(result, dict):
        raise refused("reply without a result")
    base, quote = _names(spec)
    forms = (
        f"{base}{quote}",
        f"X{base}Z{quote}",
        f"X{base}X{quote}",
        f"Z{base}Z{quote}",
        f"{base}Z{quote}",
        f"{spec.base}/{spec.quote}",
    )
    found = [form for form in forms if form in result]
    if len(found) != 1:
        raise refused(f"result holds {len(found)} names of the pair, wanted 1")
    return result[found[0]]


def _reported(errors: Value) -> SourceError:
    """The error for Kraken's error texts; any that lasts decides."""
    texts = errors if isinstance(errors, list) else [errors]
    if all(isinstance(text, str) and text.startswith(_PASSING) for text in texts):
        return unavailable("Kraken reports a rate limit or that it is out of service")
    return refused("Kraken refuses the request or does not know the pair")
