"""Where a document states price, bid, ask and time, and the quote it makes of them."""

from dataclasses import dataclass
from functools import lru_cache

from enclave.domain.errors import ConfigError, SourceError
from enclave.domain.fixed_point import MAX_EXPONENT, FixedPoint
from enclave.domain.observation import Quote
from enclave.sources.document import Value
from enclave.sources.failures import explain, refused, unavailable
from enclave.sources.paths import NotFound, Path, compile_path, find
from enclave.sources.times import FORMATS, parse_time


@dataclass(frozen=True, slots=True)
class Shape:
    """Paths into a document; made by `make_shape`.

    Attributes:
        price: Last price; without it the price is the exact middle of bid and ask.
        bid: Best bid, if stated.
        ask: Best ask, if stated.
        time: The source's own time, if stated.
        time_format: One of `times.FORMATS`, empty without a time.
        exponent: Power of ten that the stated numbers are multiplied with.
    """

    price: Path | None
    bid: Path | None
    ask: Path | None
    time: Path | None
    time_format: str
    exponent: int

    def read(self, document: Value) -> Quote:
        """Read the quote.

        Zero and negative numbers are no prices: an error for the price, absence for bid and ask.
        The same holds for null and empty text.

        Raises:
            SourceUnavailable: The document says that there is no price now.
            SourceMalformed: It has no price here, or not one of the number grammar.
        """
        try:
            bid = self._side(document, self.bid)
            ask = self._side(document, self.ask)
            return Quote(
                price=self._price(document, bid, ask),
                published_at=self._time(document),
                bid=bid,
                ask=ask,
            )
        except NotFound as missing:
            raise lacking(document, missing) from missing

    def _price(self, document: Value, bid: FixedPoint | None, ask: FixedPoint | None) -> FixedPoint:
        if self.price is not None:
            value = find(document, self.price)
            if value is None or value == "":
                raise NotFound(f"no price at {self.price.text}", is_empty_array=False)
            return read_price(value, exponent=self.exponent)
        if bid is None or ask is None:
            raise unavailable("no bid or no ask to take the middle of")
        return middle(bid, ask)

    def _side(self, document: Value, path: Path | None) -> FixedPoint | None:
        value = None if path is None else find(document, path)
        if value is None or value == "":
            return None
        side = _number(value, self.exponent)
        return side if side.units > 0 else None

    def _time(self, document: Value) -> int | None:
        return (
            None if self.time is None else parse_time(find(document, self.time), self.time_format)
        )


@lru_cache(maxsize=4_096)
def make_shape(
    *,
    price: str = "",
    bid: str = "",
    ask: str = "",
    time: str = "",
    time_format: str = "",
    exponent: int = 0,
) -> Shape:
    """Compile a shape; an empty path means that the document does not state the value.

    Raises:
        ConfigError: A malformed path, no way to a price, a time without its format.
    """
    if not price and not (bid and ask):
        raise ConfigError("neither a price nor a bid and an ask")
    if time_format not in (FORMATS if time else ("",)):
        raise ConfigError(f"time_format is {time_format!r}, wanted one of {FORMATS} with a time")
    if abs(exponent) > MAX_EXPONENT:
        raise ConfigError(f"scale is {exponent}, wanted -{MAX_EXPONENT}..{MAX_EXPONENT}")
    return Shape(
        price=_optional_path(price),
        bid=_optional_path(bid),
        ask=_optional_path(ask),
        time=_optional_path(time),
        time_format=time_format,
        exponent=exponent,
    )


def _optional_path(text: str) -> Path | None:
    return compile_path(text) if text else None


def lacking(document: Value, missing: NotFound) -> SourceError:
    """The error for a document that does not have what a path leads to.

    An array without elements may fill; a name that is not there will not come by itself.
    """
    kind = unavailable if missing.is_empty_array else refused
    return explain(document, kind(missing.text))


def read_price(value: Value, *, exponent: int = 0) -> FixedPoint:
    """A positive price, spelled as a JSON number or as text of the same grammar.

    Raises:
        SourceMalformed: Null, another type, not a number, zero or negative.
    """
    price = _number(value, exponent)
    if price.units <= 0:
        raise refused("zero or negative is no price")
    return price


def middle(bid: FixedPoint, ask: FixedPoint) -> FixedPoint:
    """Exactly half-way between two prices, at one decimal more than the finer of them."""
    scale = max(bid.scale, ask.scale) + 1
    total = bid.units * 10 ** (scale - bid.scale) + ask.units * 10 ** (scale - ask.scale)
    return FixedPoint(total // 2, scale)


def _number(value: Value, exponent: int) -> FixedPoint:
    if not isinstance(value, str):
        raise refused("price is null or of another type, wanted a number")
    return FixedPoint.parse(value, exponent=exponent)
