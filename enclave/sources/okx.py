"""`okx/1`: the spot ticker of OKX. No parameters.

Reference: www.okx.com/docs-v5, Order Book Trading, Market Data, "GET / Ticker", and its table of
REST API error codes, 2026-09.
`GET /api/v5/market/ticker?instId=BTC-USDT`: `{"code": "0", "msg", "data": [{"instId", "last",
"bidPx", "askPx", "ts", ...}]}`; `ts` in milliseconds. Errors may come with HTTP 200 and another
`code`.
"""

from enclave.domain.feed import SourceSpec
from enclave.domain.observation import Quote
from enclave.sources.base import HttpRequest, check_params
from enclave.sources.failures import check_status, explain, refused, unavailable
from enclave.sources.paths import NotFound, compile_path, find
from enclave.sources.shape import make_shape
from enclave.sources.strict_json import decode

HOST = "www.okx.com"

_SHAPE = make_shape(
    price="$.data[0].last",
    bid="$.data[0].bidPx",
    ask="$.data[0].askPx",
    time="$.data[0].ts",
    time_format="ms",
)
_INSTRUMENT = compile_path("$.data[0].instId")
#: Out of service, timed out, rate limited, busy, system error.
_PASSING = frozenset(
    ("50001", "50004", "50005", "50011", "50013", "50026", "50040", "50061", "51051")
)


class Okx:
    """See the module."""

    name = "okx/1"

    def request(self, spec: SourceSpec) -> HttpRequest:
        """Ask for the instrument of the source's own pair."""
        check_params(spec)
        return HttpRequest(HOST, f"/api/v5/market/ticker?instId={_instrument(spec)}")

    def parse(self, spec: SourceSpec, status: int, body: bytes) -> Quote:
        """Read last price, bid, ask and time."""
        check_status(status)
        document = decode(body)
        code = document.get("code") if isinstance(document, dict) else None
        if not isinstance(code, str):
            raise unavailable("reply without OKX's envelope")
        if code in _PASSING:
            raise unavailable("OKX reports a rate limit or that it is out of service")
        if code != "0":
            raise explain(document, refused("OKX refuses the request"))
        try:
            if find(document, _INSTRUMENT) != _instrument(spec):
                raise refused("reply is of another instrument")
        except NotFound as missing:
            raise unavailable("reply without a ticker") from missing
        return _SHAPE.read(document)


def _instrument(spec: SourceSpec) -> str:
    return f"{spec.base}-{spec.quote}"
