"""What time it is: for the node, which does not trust its host's clock, and on the chain.

The sources say the time over TLS with every answer, and the enclave takes their lower median.
Between two rounds the monotonic clock goes on from there. So a step of the host's clock changes
nothing that the node decides.
"""

from collections.abc import Callable
from enum import Enum

import structlog

from oracle.chain.base import Block
from oracle.daemon.problems import Problems

log = structlog.get_logger(__name__)

#: How far the host's clock may be off before the sources' is taken instead; theirs counts seconds,
#: and is as old as the round took.
TOLERANCE_S = 5.0
#: A chain that makes no block for fewer blocks' time than this does not stand still.
_MISSED_BLOCKS = 5
_CLOCK, _BLOCKS = "clock", "block time"


class NodeClock:
    """Seconds since the epoch: the host's clock as long as the sources agree, theirs otherwise."""

    def __init__(
        self, problems: Problems, *, wall: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """Set up; until the first round the host's clock is taken.

        Args:
            problems: Told of a clock that is off.
            wall: The host's clock, seconds since the epoch; may step.
            monotonic: Seconds that only grow.
        """
        self._problems = problems
        self._wall = wall
        self._monotonic = monotonic
        #: Sources' time less the monotonic one; `None` before the first round.
        self._offset_s: float | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        wall = self._wall()
        return wall - self._off_s(wall)

    def note(self, observed_at: int) -> None:
        """Take down the time of a round that just ended, and compare the host's with it.

        Args:
            observed_at: Seconds since the epoch; 0 for a round without an answer says nothing.
        """
        if not observed_at:
            return
        self._offset_s = observed_at - self._monotonic()
        off_s = self._off_s(self._wall())
        if off_s:
            side = "ahead of" if off_s > 0 else "behind"
            text = f"this host's clock is {_about(abs(off_s))} {side} the sources': set it"
            self._problems.alarm(_CLOCK, text)
        else:
            self._problems.drop_notice(_CLOCK)

    def _off_s(self, wall: float) -> float:
        """By how much the host's clock is ahead; 0 within the tolerance."""
        if self._offset_s is None:
            return 0.0
        off_s = wall - (self._monotonic() + self._offset_s)
        return off_s if abs(off_s) > TOLERANCE_S else 0.0


class BlockTime(Enum):
    """How the chain's time goes."""

    FINE = "fine"
    #: No new block.
    HALTED = "halted"
    #: Blocks come, but their time is long past: a sequencer catches up.
    BEHIND = "behind"
    #: Blocks are from the future, so that every report is too old for them.
    AHEAD = "ahead"


class BlockWatch:
    """Compares the head with the one before and with the time, and says when to send nothing."""

    def __init__(
        self,
        problems: Problems,
        *,
        halt_s: float,
        block_s: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """Set up; nothing is known yet.

        Args:
            problems: Written.
            halt_s: A chain that makes no block for so long is halted; at least five blocks' time.
            block_s: Usual time between blocks.
            clock: Seconds since the epoch.
            monotonic: Seconds that only grow.
        """
        self.now = BlockTime.FINE
        self._problems = problems
        self._limit_s = max(halt_s, _MISSED_BLOCKS * block_s)
        self._clock = clock
        self._monotonic = monotonic
        self._last: Block | None = None
        self._moved_at = 0.0
        #: The latest time of a block, ever.
        self._latest = 0

    def may_send(self, *, is_waiting: bool) -> bool:
        """Whether a report has a chance.

        A chain that stands still gets one, and no newer ones in its place: what its fees would rise
        to is for nothing, and some chains make blocks only where there is a transaction.

        Args:
            is_waiting: A report is on its way.
        """
        return self.now is BlockTime.FINE or (self.now is BlockTime.HALTED and not is_waiting)

    def note(self, head: Block, *, max_age_s: int) -> None:
        """Take down the head.

        Args:
            head: The latest block.
            max_age_s: How old a report may be for the hub.
        """
        before, self._last = self._last, head
        has_moved = before is None or head.hash != before.hash
        if has_moved:
            self._moved_at = self._monotonic()
        seen = self._judge(head, has_moved=before is not None and has_moved, max_age_s=max_age_s)
        if seen is not self.now:
            log.info("block_time", was=self.now.value, now=seen.value, block=head.number)
        self.now = seen
        self._say(head)
        self._latest = max(self._latest, head.timestamp)

    def _judge(self, head: Block, *, has_moved: bool, max_age_s: int) -> BlockTime:
        late_s = self._clock() - head.timestamp
        if late_s < -max_age_s:
            return BlockTime.AHEAD
        if self._monotonic() - self._moved_at > self._limit_s:
            return BlockTime.HALTED
        if late_s > self._limit_s and (has_moved or self.now is BlockTime.BEHIND):
            return BlockTime.BEHIND
        return BlockTime.FINE

    def _say(self, head: Block) -> None:
        if self.now in (BlockTime.BEHIND, BlockTime.AHEAD):
            how_far = f"{_about(abs(self._clock() - head.timestamp))} {self.now.value}"
            self._problems.set(_BLOCKS, f"the chain's blocks are {how_far}: no report is sent")
        else:
            self._problems.clear(_BLOCKS)
        if self.now is BlockTime.HALTED:
            text = f"the chain has made no block after {head.number}, of {head.timestamp}"
            self._problems.alarm(_BLOCKS, text)
        elif head.timestamp < self._latest:
            text = f"the chain's time went back: block {head.number} is before {self._latest}"
            self._problems.notice(_BLOCKS, text)
        else:
            self._problems.drop_notice(_BLOCKS)


def _about(seconds: float) -> str:
    """A length of time in one rough number, so that the same fault is said once."""
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {name}"
    return "more than a minute" if seconds >= 60 else "some seconds"
