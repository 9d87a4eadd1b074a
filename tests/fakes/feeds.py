"""Feed definitions for tests, in canonical form."""

from collections.abc import Sequence
from typing import Any

from enclave.domain.feed import encode_definition

FAKE_ADAPTER = "fake/1"


def source(name: str, **changes: Any) -> dict[str, Any]:
    """One source whose host is its name."""
    return {
        "name": name,
        "adapter": FAKE_ADAPTER,
        "base": "BTC",
        "quote": "USD",
        "invert": False,
        "max_age_s": "60",
        "convert": [],
        "params": {"host": f"{name}.example"},
        **changes,
    }


def conversion(feed_id: bytes, operation: str = "multiply", rounding: str = "down") -> list[Any]:
    """A conversion by another feed."""
    return [{"by": f"0x{feed_id.hex()}", "operation": operation, "rounding": rounding}]


def aggregation(**changes: str) -> dict[str, str]:
    """Rules that agree on anything within 1 %."""
    return {
        "algorithm": "lower-median/1",
        "min_sources": "2",
        "outlier_floor_bps": "50",
        "outlier_mad": "5",
        "max_dispersion_bps": "100",
        "jump_bps": "500",
        **changes,
    }


def definition(
    sources: Sequence[dict[str, Any]] | None = None,
    rules: dict[str, str] | None = None,
    **changes: Any,
) -> bytes:
    """Canonical bytes of BTC/USD at 8 decimals with sources a, b and c."""
    fields: dict[str, Any] = {
        "schema": "feed/1",
        "base": "BTC",
        "quote": "USD",
        "decimals": "8",
        "rounding": "half-even",
        "deviation_bps": "50",
        "heartbeat_s": "3600",
        "aggregation": rules or aggregation(),
        "sources": list(sources or [source(name) for name in "abc"]),
        **changes,
    }
    return encode_definition(fields)
