"""Source specifications for tests of adapters."""

from enclave.domain.feed import Json, SourceSpec


def spec(
    adapter: str, *, base: str = "BTC", quote: str = "USD", params: dict[str, Json] | None = None
) -> SourceSpec:
    """One source, not inverted and not converted."""
    return SourceSpec(
        name="s",
        adapter=adapter,
        base=base,
        quote=quote,
        invert=False,
        max_age_s=60,
        convert=(),
        params=params or {},
    )


def http_json(**changes: Json) -> SourceSpec:
    """An `http_json/1` source that reads `$.price`."""
    params: dict[str, Json] = {
        "host": "api.venue.test",
        "path": "/ticker",
        "price": "$.price",
        "bid": "",
        "ask": "",
        "time": "",
        "time_format": "",
        "scale": "0",
        "require": [],
        "auth": "none",
    }
    return spec("http_json/1", params={**params, **changes})
