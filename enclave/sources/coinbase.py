"""`coinbase/1`: the product ticker of Coinbase Exchange. No parameters.

Reference: docs.cdp.coinbase.com, Exchange REST API, "Get product ticker", 2026-09.
`GET /products/BTC-USD/ticker`: `{"price", "bid", "ask", "time", ...}`; `time` is ISO 8601 in UTC.
Errors come as HTTP status with `{"message": ...}`; an unknown product is 404.
"""

from enclave.domain.feed import SourceSpec
from enclave.domain.observation import Quote
from enclave.sources.base import HttpRequest, check_params
from enclave.sources.failures import check_status
from enclave.sources.shape import make_shape
from enclave.sources.strict_json import decode

HOST = "api.exchange.coinbase.com"

_SHAPE = make_shape(price="$.price", bid="$.bid", ask="$.ask", time="$.time", time_format="iso8601")


class Coinbase:
    """See the module."""

    name = "coinbase/1"

    def request(self, spec: SourceSpec) -> HttpRequest:
        """Ask for the product of the source's own pair."""
        check_params(spec)
        return HttpRequest(HOST, f"/products/{spec.base}-{spec.quote}/ticker")

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read price, bid, ask and time of the last trade."""
        check_status(status)
        return _SHAPE.read(decode(body))
