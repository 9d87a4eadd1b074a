"""Which node leads, and when the next one takes over. Pure.

Leadership rotates by the wall clock, which nodes share roughly; how long a feed waits is measured
by the monotonic clock, so that a step of the wall clock moves the turn and nothing else. Two
leaders at once are harmless: the hub takes the newer report, and no enclave signs two entries for
one feed and second.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace


def order_nodes(seats: Sequence[str | None], nodes: Collection[str]) -> tuple[str, ...]:
    """The operators whose nodes may lead, in the order of their seats.

    Args:
        seats: Operator by seat number; `None` where the seat is free.
        nodes: Operators of this node and its peers.
    """
    return tuple(operator for operator in seats if operator is not None and operator in nodes)


def rank_of(order: Sequence[str], operator: str, *, unix_time: float, lead_s: float) -> int | None:
    """How many nodes come before this one now: 0 leads; `None` if it has no seat.

    Args:
        order: From `order_nodes`.
        operator: Whose node asks.
        unix_time: Seconds since the epoch.
        lead_s: How long one node leads.
    """
    if operator not in order:
        return None
    leader = int(unix_time // lead_s) % len(order)
    return (order.index(operator) - leader) % len(order)


@dataclass(frozen=True, slots=True)
class _Wait:
    """How long a feed is due.

    Attributes:
        landed_at: Round on the hub; another one means that it landed meanwhile.
        since: Monotonic seconds at which it was first seen due.
        cosigned: When this node first signed it for another leader since then; `None` if not.
    """

    landed_at: int
    since: float
    cosigned: float | None = None


class Waiting:
    """Since when which feed is due without landing."""

    def __init__(self, takeover_s: float) -> None:
        self._takeover_s = takeover_s
        self._feeds: dict[bytes, _Wait] = {}

    def note(self, due: Mapping[bytes, int], *, now: float) -> None:
        """Take down what is due now; what is not, or has landed, begins anew.

        Args:
            due: Feed id -> its round on the hub, 0 without one.
            now: Monotonic seconds.
        """
        kept = {}
        for feed_id, landed_at in due.items():
            before = self._feeds.get(feed_id)
            is_same = before is not None and before.landed_at == landed_at
            kept[feed_id] = before if before and is_same else _Wait(landed_at, now)
        self._feeds = kept

    def cosigned(self, feed_ids: Iterable[bytes], *, now: float) -> None:
        """Another node leads these feeds now: give it time, once until they land.

        Only the first time counts, so that a node that asks for signatures and never submits
        delays the others by no more than one takeover.
        """
        for feed_id in feed_ids:
            wait = self._feeds.get(feed_id)
            if wait is not None and wait.cosigned is None:
                self._feeds[feed_id] = replace(wait, cosigned=now)

    def to_lead(self, rank: int, *, now: float) -> tuple[bytes, ...]:
        """The feeds that a node of this rank leads now: if one is its turn, all that are due.

        Args:
            rank: From `rank_of`; 0 leads at once, each further one `takeover_s` later.
            now: Monotonic seconds.
        """
        left = {
            feed_id: wait
            for feed_id, wait in self._feeds.items()
            if wait.cosigned is None or now - wait.cosigned >= self._takeover_s
        }
        is_turn = any(now - wait.since >= rank * self._takeover_s for wait in left.values())
        return tuple(left) if is_turn else ()
