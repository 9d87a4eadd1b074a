"""`gemini/1`: a ticker of Gemini.

Parameters:
    endpoint  "v2/ticker": last price, bid, ask, no time; or "v1/pubticker": the same and the end
              of the volume window as time, which the venue rounds and which may be minutes old

Reference: docs.gemini.com, REST API, "Ticker V2" and "Ticker", 2026-09.
`GET /v2/ticker/btcusd`: `{"symbol", "close", "bid", "ask", ...}`; `GET /v1/pubticker/btcusd`:
`{"last", "bid", "ask", "volume": {..., "timestamp": milliseconds}}`. Errors come as HTTP status
with `{"result": "error", "reason", "message"}`; an unknown symbol is 400.
"""

from enclave.domain.feed import SourceSpec
from enclave.domain.observation import Quote
from enclave.sources.base import HttpRequest, check_params, choice_param
from enclave.sources.failures import check_status
from enclave.sources.shape import make_shape
from enclave.sources.strict_json import decode

HOST = "api.gemini.com"

_SHAPES = {
    "v2/ticker": make_shape(price="$.close", bid="$.bid", ask="$.ask"),
    "v1/pubticker": make_shape(
        price="$.last",
        bid="$.bid",
        ask="$.ask",
        time="$.volume.timestamp",
        time_format="ms",
    ),
}


class Gemini:
    """See the module."""

    name = "gemini/1"

    def request(self, spec: SourceSpec) -> HttpRequest:
        """Ask the chosen endpoint for the symbol of the source's own pair."""
        check_params(spec, "endpoint")
        endpoint = choice_param(spec, "endpoint", tuple(_SHAPES))
        return HttpRequest(HOST, f"/{endpoint}/{spec.base}{spec.quote}".lower())

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read last price, bid, ask and, from the older endpoint, the time."""
        check_status(status)
        return _SHAPES[str(spec.params["endpoint"])].read(decode(body))
