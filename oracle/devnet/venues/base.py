"""What every emulated venue shares: a request, a reply, and prices to put into it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from oracle.devnet.market import SCALE, Market, digits, spell

JSON = "application/json"
#: Quotes that may end a symbol without a separator, longest first.
_QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "JPY", "CHF", "BTC", "XBT", "ETH", "DAI")
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}


class UnknownPair(Exception):
    """The venue does not trade this; its handler says so in the venue's own way."""


@dataclass(frozen=True, slots=True)
class VenueRequest:
    """A GET request: the path without, and the query with its first values."""

    path: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VenueReply:
    """What a venue answers."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """A pair at one moment, as decimal text.

    Attributes:
        last: Price of the last trade, between bid and ask.
        bid: Best bid.
        ask: Best ask.
        decimals: Decimals of the three.
        at_ms: Milliseconds since the epoch.
    """

    last: str
    bid: str
    ask: str
    decimals: int
    at_ms: int


class Floor:
    """Prices as the venues see them.

    Args:
        market: The prices.
        now_ms: Wall clock, milliseconds since the epoch.
    """

    def __init__(self, market: Market, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self._market = market

    def tick(self, venue: str, base: str, quote: str) -> Tick:
        """Move the pair a little and quote it.

        Raises:
            UnknownPair: One of the two is not traded.
        """
        if base == quote or not (self._market.knows(base) and self._market.knows(quote)):
            raise UnknownPair(f"{base}/{quote}")
        self._market.advance(base)
        self._market.advance(quote)
        price = self._market.price(base, quote, venue=venue)
        decimals = digits(price, SCALE)
        half = max(price // 100_000, 10 ** (SCALE - decimals))
        bid, last, ask = (spell(at, SCALE, decimals) for at in (price - half, price, price + half))
        return Tick(last, bid, ask, decimals, self.now_ms())

    def knows(self, asset: str) -> bool:
        """Whether the asset is traded at all."""
        return self._market.knows(asset)


class Venue(Protocol):
    """A host's answers."""

    def __call__(self, request: VenueRequest, floor: Floor) -> VenueReply:
        """Answer one request."""


def reply_json(value: Any, *, status: int = 200, content_type: str = JSON) -> VenueReply:
    """A compact JSON body; prices in it are text."""
    return VenueReply(status, content_type, json.dumps(value, separators=(",", ":")).encode())


def reply_text(body: str, *, status: int = 200, content_type: str = JSON) -> VenueReply:
    """A body whose numbers are spelled by hand, because a float would spell them otherwise."""
    return VenueReply(status, content_type, body.encode())


def not_found() -> VenueReply:
    """The reply to a path that the venue does not serve here."""
    return reply_json({"message": "NotFound"}, status=404)


def split_pair(symbol: str, separator: str) -> tuple[str, str]:
    """`BTC-USD` with its separator, or `BTCUSD` with an empty one, as base and quote.

    Raises:
        UnknownPair: The symbol has another shape.
    """
    upper = symbol.upper()
    if separator:
        base, found, quote = upper.partition(separator)
        if not found:
            raise UnknownPair(symbol)
        return plain(base), plain(quote)
    for quote in _QUOTES:
        if upper.endswith(quote) and upper != quote:
            return plain(upper.removesuffix(quote)), plain(quote)
    raise UnknownPair(symbol)


def plain(asset: str) -> str:
    """The usual code of an asset that a venue calls otherwise."""
    return _ALIASES.get(asset, asset)


def iso(at_ms: int, digits_after_second: int) -> str:
    """`2026-03-13T11:10:41.270099Z` with so many digits after the second, 3 to 6."""
    seconds, millis = divmod(at_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}{'0' * (digits_after_second - 3)}Z"


def day(at_ms: int) -> str:
    """`2026-03-13`, in UTC."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%d}"
