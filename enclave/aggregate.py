"""Observations to answer: lower median, outliers, quorum, dispersion, jump gate (pure).

The answer is the lower median of all fresh observations, before any is dropped, so no drop can
steer it: with at most f arbitrary observations among n >= 2f+1 it lies within the range of the
honest ones. Outliers only weaken the quorum. Integers throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from enclave.domain.errors import QuorumNotReached
from enclave.domain.feed import Aggregation
from enclave.domain.observation import Observation
from enclave.domain.report import MAX_DISPERSION

MAX_VALUE = 2**63 - 1
_BPS = 10_000
#: Dispersion is stated in tenths of a basis point.
_TENTHS = 10 * _BPS


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What the observations of one feed make.

    Attributes:
        value: The answer, one of the observed values.
        dispersion: Largest distance of a used source from it, tenths of a basis point, rounded
            up, saturating at 65535.
        sources_used: Observations that are no outliers.
    """

    value: int
    dispersion: int
    sources_used: int


@dataclass(frozen=True, slots=True)
class Gate:
    """The jump gate's memory of one feed.

    Attributes:
        accepted: Last accepted answer; `None` before the first.
        held: Answer that waits for a second round to confirm it; `None` if none does.
        held_at: Time of the round that held it.
    """

    accepted: int | None = None
    held: int | None = None
    held_at: int = 0


def aggregate(observations: Sequence[Observation], rules: Aggregation) -> Aggregate:
    """Make one answer of the fresh observations of one feed.

    Steps: 1. enough observations. 2. Their lower median is the answer. 3. Outliers are farther
    from it than both the floor and a multiple of the median absolute deviation. 4. Enough are
    left. 5. Those lie close together. 6. The answer fits int64; it is refused, never clamped.

    Does not establish that the observations are fresh, nor that a move is plausible.

    Raises:
        QuorumNotReached: A step fails; says what was seen and what was wanted.
    """
    # 1.
    seen, wanted = len(observations), rules.min_sources
    if seen < max(wanted, 1):
        raise QuorumNotReached(f"{seen} fresh sources, wanted {wanted}")
    # 2.
    middle = (seen - 1) // 2
    value = sorted([observation.value for observation in observations])[middle]
    # 3.
    distances = sorted([abs(observation.value - value) for observation in observations])
    bound = max(rules.outlier_floor_bps * value, rules.outlier_mad * distances[middle] * _BPS)
    used = seen
    while distances[used - 1] * _BPS > bound:
        used -= 1
    # 4.
    if used < wanted:
        raise QuorumNotReached(
            f"{used} sources agree, wanted {wanted}; {seen - used} of {seen} are outliers"
        )
    # 5.
    farthest = distances[used - 1]
    if farthest * _BPS > rules.max_dispersion_bps * value:
        raise QuorumNotReached(
            f"sources differ by {in_bps(farthest, value)} bps, wanted at most"
            f" {rules.max_dispersion_bps}"
        )
    # 6.
    if value > MAX_VALUE:
        raise QuorumNotReached(f"answer {value} does not fit int64, wanted at most {MAX_VALUE}")
    return Aggregate(value, min(-(-farthest * _TENTHS // value), MAX_DISPERSION), used)


def pass_gate(gate: Gate, value: int, *, observed_at: int, jump_bps: int) -> tuple[Gate, str]:
    """Let an answer through, or hold it until another round confirms it.

    The first answer after start passes: there is nothing to compare it with, and the hub's own
    jump limit stands behind it. A held answer is confirmed by the next round that is later by
    the sources' time and lies within `jump_bps` of it; otherwise that round's answer is held.

    Args:
        gate: The feed's memory.
        value: The new answer, positive.
        observed_at: The round's time.
        jump_bps: Largest move that needs no confirmation, basis points of the earlier value.

    Returns:
        The new memory, and why the answer is held; empty if it passed.
    """
    if gate.accepted is None or _is_near(value, gate.accepted, jump_bps):
        return Gate(accepted=value), ""
    moved = (
        f"answer moved {in_bps(abs(value - gate.accepted), gate.accepted)} bps,"
        f" wanted at most {jump_bps} or a second round that confirms it"
    )
    # Two rounds of one second may stand on the same replies: that confirms nothing.
    if gate.held is not None and observed_at <= gate.held_at:
        return gate, moved
    if gate.held is not None and _is_near(value, gate.held, jump_bps):
        return Gate(accepted=value), ""
    return Gate(gate.accepted, held=value, held_at=observed_at), moved


def _is_near(value: int, reference: int, jump_bps: int) -> bool:
    return abs(value - reference) * _BPS <= jump_bps * reference


def in_bps(distance: int, value: int) -> str:
    """Distance from a value in basis points with one decimal, rounded up, for people.

    The text is bounded whatever the numbers are.
    """
    tenths = -(-distance * _TENTHS // value)
    return f"{tenths // 10}.{tenths % 10}" if tenths < 10**9 else "more than 100000000"
