"""How each venue is doing, and whether to ask it now (pure: the clock is an argument).

A venue is one host of sources. Its circuit:

    closed ──failures in a row──▶ open ──its pause is over──▶ probing ──an answer──▶ closed
                                   ▲                             │
                                   └───a failure, pause × 2──────┘

While it is open nothing is asked, and while it is probing one request is. Requests that were under
way together count as one failure. Budgets hold for windows of a minute.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from enclave.domain.errors import SourceUnavailable
from enclave.domain.wire import MAX_FEEDS, SourceHealth

CLOSED, OPEN, PROBING = "closed", "open", "probing"
#: Part of a pause that differs by enclave, so that several do not come back together.
_JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Manners:
    """What a venue is asked at most; budgets stop a runaway, they are no venue's rate limit.

    Attributes:
        failures: In a row, after which it is left alone.
        pause_s: For how long at first; up to a quarter is added, which differs by enclave.
        longest_pause_s: Each failed probe doubles the pause up to this, seconds.
        window_s: Length of a window, seconds.
        requests: In one window.
        bytes: From the venue in one window, of ciphertext.
        spread_s: Within this time a request starts if others to the venue are under way, seconds.
        hedge_after_s: A request without an answer for so long is made a second time, seconds.
    """

    failures: int = 3
    pause_s: float = 2.0
    longest_pause_s: float = 30.0
    window_s: float = 60.0
    requests: int = 30_000
    bytes: int = 67_108_864
    spread_s: float = 0.02
    hedge_after_s: float = 1.0


MANNERS = Manners()


@dataclass(slots=True)
class Venue:
    """One venue's circuit, budgets and counters.

    Attributes:
        name: Its host, `:port` appended unless the port is 443.
        manners: What it is asked at most.
        seed: Of this enclave; public.
        under_way: Fetches now.
    """

    name: str
    manners: Manners
    seed: bytes
    under_way: int = 0
    _requests: int = 0
    _failures: int = 0
    _refused: int = 0
    _hedges: int = 0
    _in_a_row: int = 0
    _failed_at: float = -math.inf
    _pauses: int = 0
    _pause_s: float = 0.0
    _open_until: float = 0.0
    _is_probing: bool = False
    _window_ends: float = -math.inf
    _window_requests: int = 0
    _window_bytes: int = 0

    def admit(self, now: float) -> None:
        """Count a request that is about to be made.

        Raises:
            SourceUnavailable: The circuit is open or being probed, or a budget is spent.
        """
        if self._pause_s and (self._is_probing or now < self._open_until):
            self._refused += 1
            raise SourceUnavailable("left alone for a while after failures in a row")
        if not self._has_budget(now):
            self._refused += 1
            raise SourceUnavailable("the budget of requests or bytes a minute is spent")
        self._is_probing = self._pause_s > 0
        self._count()

    def admit_hedge(self, now: float) -> bool:
        """Whether a second request may be made for one that stalls, which is then counted.

        Only where the last answer was good and no other request is under way: a venue that is down
        is not asked twice as often.
        """
        if self._in_a_row or self.under_way > 1 or not self._has_budget(now):
            return False
        self._hedges += 1
        self._count()
        return True

    def settle(self, *, is_good: bool, started: float, now: float) -> None:
        """Note how an admitted request ended."""
        if is_good:
            self._in_a_row, self._pause_s, self._is_probing = 0, 0.0, False
            return
        self._failures += 1
        if started <= self._failed_at:
            return
        self._failed_at, self._is_probing = now, False
        self._in_a_row += 1
        if self._in_a_row >= self.manners.failures:
            self._pauses += 1
            longest = self.manners.longest_pause_s
            self._pause_s = min(longest, 2 * self._pause_s or self.manners.pause_s)
            jitter = 1 + _JITTER * self._share(str(self._pauses))
            self._open_until = now + self._pause_s * jitter

    def received(self, size: int, now: float) -> bool:
        """Count bytes that came; whether more may come."""
        has_budget = self._has_budget(now)
        self._window_bytes += size
        return has_budget

    def delay_s(self, path: str) -> float:
        """How long a request waits if others are under way; the same for the same path."""
        return self.manners.spread_s * self._share(path) if self.under_way > 1 else 0.0

    def health(self, now: float) -> SourceHealth:
        """What the host may know."""
        is_open = self._pause_s and not self._is_probing and now < self._open_until
        return SourceHealth(
            host=self.name,
            state=OPEN if is_open else PROBING if self._pause_s else CLOSED,
            requests=self._requests,
            failures=self._failures,
            refused=self._refused,
            hedges=self._hedges,
        )

    def _count(self) -> None:
        self._requests += 1
        self._window_requests += 1

    def _has_budget(self, now: float) -> bool:
        if now >= self._window_ends:
            self._window_ends = now + self.manners.window_s
            self._window_requests = self._window_bytes = 0
        return (
            self._window_requests < self.manners.requests
            and self._window_bytes < self.manners.bytes
        )

    def _share(self, text: str) -> float:
        """A number from 0 to below 1, derived from enclave, venue and text."""
        digest = hashlib.sha256(self.seed + f"{self.name}{text}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32


class Venues:
    """All venues that were asked.

    Args:
        seed: Of this enclave; public.
        monotonic: Seconds that only grow.
        manners: What each is asked at most.
    """

    def __init__(
        self, seed: bytes, monotonic: Callable[[], float], manners: Manners = MANNERS
    ) -> None:
        self._seed = seed
        self._monotonic = monotonic
        self._manners = manners
        self._venues: dict[str, Venue] = {}

    def venue(self, name: str) -> Venue:
        """The venue of this name. What is known of all is forgotten when there are too many."""
        venue = self._venues.get(name)
        if venue is None:
            if len(self._venues) >= MAX_FEEDS:
                self._venues.clear()
            venue = self._venues[name] = Venue(name, self._manners, self._seed)
        return venue

    def received(self, name: str, size: int) -> bool:
        """Count bytes that a venue sent; whether more may come."""
        return self.venue(name).received(size, self._monotonic())

    def health(self) -> tuple[SourceHealth, ...]:
        """What the host may know, by name."""
        now = self._monotonic()
        return tuple(venue.health(now) for _, venue in sorted(self._venues.items()))
