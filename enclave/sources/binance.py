"""`binance/1`: the 24-hour ticker of Binance's spot market. No parameters.

Reference: developers.binance.com, Spot REST API, "24hr ticker price change statistics", 2026-09.
`GET /api/v3/ticker/24hr?symbol=BTCUSDT`: `{"symbol", "lastPrice", "bidPrice", "askPrice",
"closeTime", ...}`; `closeTime` is the end of the window, milliseconds. Errors come as HTTP status
with `{"code", "msg"}`: 429 and 418 for rate limits, 451 for restricted places.
"""

from enclave.domain.feed import SourceSpec
from enclave.domain.observation import Quote
from enclave.sources.base import HttpRequest, check_params
from enclave.sources.failures import check_status, explain, unavailable
from enclave.sources.shape import make_shape
from enclave.sources.strict_json import decode

HOST = "api.binance.com"

_SHAPE = make_shape(
    price="$.lastPrice",
    bid="$.bidPrice",
    ask="$.askPrice",
    time="$.closeTime",
    time_format="ms",
)


class Binance:
    """See the module."""

    name = "binance/1"

    def request(self, spec: SourceSpec) -> HttpRequest:
        """Ask for the symbol of the source's own pair."""
        check_params(spec)
        return HttpRequest(HOST, f"/api/v3/ticker/24hr?symbol={_symbol(spec)}")

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read last price, bid, ask and the end of the window."""
        check_status(status)
        document = decode(body)
        if not isinstance(document, dict) or document.get("symbol") != _symbol(spec):
            raise explain(document, unavailable("reply is not the ticker of this symbol"))
        return _SHAPE.read(document)


def _symbol(spec: SourceSpec) -> str:
    return f"{spec.base}{spec.quote}"
