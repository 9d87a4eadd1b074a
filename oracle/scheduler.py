"""When a feed is due: it moved by its deviation threshold, or its heartbeat is near. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

_BPS = 10_000


class Reason(Enum):
    """Why an update is due."""

    FIRST = "first"
    DEVIATION = "deviation"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Landed:
    """What the hub holds for a feed: its last answer and when the sources gave it."""

    answer: int
    observed_at: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fresh answer beside what the hub holds.

    Attributes:
        feed_id: 32 bytes.
        answer: Fresh, in the feed's decimals.
        observed_at: Of the fresh answer.
        deviation_bps: Move that makes an update due.
        heartbeat_s: Longest time between updates.
        landed: On the hub; `None` if it has no answer.
    """

    feed_id: bytes
    answer: int
    observed_at: int
    deviation_bps: int
    heartbeat_s: int
    landed: Landed | None


@dataclass(frozen=True, slots=True)
class Due:
    """A feed to be updated, and why."""

    feed_id: bytes
    reason: Reason


def find_due(candidates: Iterable[Candidate], *, lead_s: float) -> tuple[Due, ...]:
    """Feeds to be updated now, the most urgent first; see `urgency`.

    Args:
        candidates: Feeds with a fresh answer.
        lead_s: How long before its heartbeat a feed is due, so that the update lands in time;
            at most half of the heartbeat counts.
    """
    found = ((candidate, due_reason(candidate, lead_s=lead_s)) for candidate in candidates)
    due = [(candidate, reason) for candidate, reason in found if reason]
    due.sort(key=lambda pair: -urgency(pair[0]))
    return tuple(Due(candidate.feed_id, reason) for candidate, reason in due)


def urgency(candidate: Candidate) -> Fraction:
    """How far a feed is beyond what its consumers were told; at 1 it is due.

    Its move in deviation thresholds or its age in heartbeats, whichever is more. One that the hub
    has no answer of is served by nobody, so it comes before all others.
    """
    landed = candidate.landed
    if landed is None:
        return Fraction(2**256)
    moved = abs(candidate.answer - landed.answer) * _BPS
    threshold = max(1, candidate.deviation_bps * landed.answer)
    age_s = candidate.observed_at - landed.observed_at
    return max(Fraction(moved, threshold), Fraction(age_s, candidate.heartbeat_s))


def fill_report(
    due: Sequence[bytes], overdue: Collection[bytes], answered: Sequence[bytes], *, limit: int
) -> tuple[bytes, ...]:
    """The feeds of one report; those that find no room come with the next one.

    Args:
        due: The most urgent first.
        overdue: Of reports that are stuck: with all of them, this report takes their place.
        answered: Feeds that have an answer.
        limit: Most feeds of a report.
    """
    first = [feed_id for feed_id in answered if feed_id in overdue]
    return tuple(dict.fromkeys([*first, *due]))[:limit]


def due_reason(candidate: Candidate, *, lead_s: float) -> Reason | None:
    """Why a feed is due; `None` if it is not.

    An answer that is not newer than the hub's is never due: the hub would skip it.
    """
    landed = candidate.landed
    if landed is None:
        return Reason.FIRST
    if candidate.observed_at <= landed.observed_at:
        return None
    moved = abs(candidate.answer - landed.answer) * _BPS
    if moved >= candidate.deviation_bps * landed.answer:
        return Reason.DEVIATION
    wait_s = candidate.heartbeat_s - min(lead_s, candidate.heartbeat_s / 2)
    if candidate.observed_at - landed.observed_at >= wait_s:
        return Reason.HEARTBEAT
    return None
