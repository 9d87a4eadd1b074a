"""What a source said, and what a feed made of it."""

from dataclasses import dataclass

from enclave.domain.fixed_point import FixedPoint


@dataclass(frozen=True, slots=True)
class Quote:
    """A price as a source's adapter read it from one body; the pair is the source's own.

    Attributes:
        price: Last or mid price as spelled, exact; always positive.
        published_at: The source's own time, seconds since the epoch; `None` if it states none.
        bid: Best bid as spelled, if the body has one.
        ask: Best ask as spelled, if the body has one.
    """

    price: FixedPoint
    published_at: int | None = None
    bid: FixedPoint | None = None
    ask: FixedPoint | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One source's price in the feed's pair and decimals.

    Attributes:
        source: The source's name in the feed definition.
        value: Integer in the feed's decimals, positive.
        age_s: Seconds between the price and the round's time, never negative.
    """

    source: str
    value: int
    age_s: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The aggregate of one feed in one round.

    Attributes:
        feed_id: 32 bytes.
        value: Integer in the feed's decimals, positive, fits int64.
        decimals: The feed's decimals.
        dispersion: Largest distance of a used source from the answer, tenths of a basis point,
            rounded up, saturating at 65535.
        sources_used: Sources inside the outlier bound.
        sources_asked: Sources in the definition.
    """

    feed_id: bytes
    value: int
    decimals: int
    dispersion: int
    sources_used: int
    sources_asked: int


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """Why a source gave no observation this round. Public: the host reads it."""

    source: str
    error: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class FeedFailure:
    """Why a feed has no answer this round."""

    feed_id: bytes
    error: str
    message: str
