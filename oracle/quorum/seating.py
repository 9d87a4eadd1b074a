"""Whose observations and signatures count: the hub's seats, looked at by the host. Pure."""

from collections.abc import Callable, Iterable, Sequence

from enclave.domain import wire
from enclave.domain.errors import QuorumNotReached, RequestRefused
from oracle.chain.base import SeatedSigner


def find_seated(signers: Iterable[SeatedSigner], signer: bytes, *, now: float) -> SeatedSigner:
    """The seat of a signer.

    Args:
        signers: From `Seats`.
        signer: Address, 20 bytes.
        now: Seconds since the epoch.

    Raises:
        RequestRefused: It is in no seat, or its registration has ended.
    """
    found = next((seated for seated in signers if seated.signer == signer), None)
    if found is None:
        raise RequestRefused(f"signer 0x{signer.hex()} is in no live seat of the hub")
    if found.expires_at <= now:
        raise RequestRefused(f"signer 0x{signer.hex()} expired at {found.expires_at}")
    return found


def check_observers(
    signers: Sequence[SeatedSigner],
    observations: Sequence[wire.SignedObservation],
    *,
    now: float,
) -> None:
    """Check that every observer is in a live seat, and no two in the same.

    Does not establish that the observations are theirs: the enclave checks the signatures.

    Raises:
        RequestRefused: One is not; names it.
    """
    seen: dict[int, bytes] = {}
    for observation in observations:
        seated = find_seated(signers, observation.signer, now=now)
        other = seen.setdefault(seated.seat, seated.signer)
        if other != seated.signer:
            raise RequestRefused(
                f"signers 0x{other.hex()} and 0x{seated.signer.hex()} share seat {seated.seat},"
                " wanted one observation a seat"
            )


def choose_signers(
    candidates: Iterable[SeatedSigner],
    *,
    signatures: int,
    vendors: int,
    cost: Callable[[SeatedSigner], int],
    first: int = 0,
) -> tuple[SeatedSigner, ...]:
    """Choose exactly as many signers as the hub wants; the same ones for the same candidates.

    Lower costs first, then stronger tiers, then the seats from `first` on and round again: one of
    each vendor until there are enough vendors, then the rest. Of two signers of one seat the first
    in that order counts.

    Args:
        candidates: Whose signatures are at hand, or could be.
        signatures: Wanted, each of another seat.
        vendors: Wanted among them; vendor 0 is unknown and does not count.
        cost: What must be given up for a signature.
        first: The leader's seat. As the leader changes, every seat signs, so that one which cannot
            is noticed while it is not yet needed.

    Returns:
        By position.

    Raises:
        QuorumNotReached: Too few seats or vendors.
    """
    ranked = sorted(
        candidates, key=lambda one: (cost(one), one.tier, one.seat < first, one.position)
    )
    by_seat: dict[int, SeatedSigner] = {}
    for one in ranked:
        by_seat.setdefault(one.seat, one)
    if len(by_seat) < signatures:
        raise QuorumNotReached(f"{len(by_seat)} of {signatures} signatures")
    by_vendor: dict[int, SeatedSigner] = {}
    for one in by_seat.values():
        if one.vendor:
            by_vendor.setdefault(one.vendor, one)
    if len(by_vendor) < vendors:
        raise QuorumNotReached(f"signatures of {len(by_vendor)} hardware vendors, wanted {vendors}")
    diverse = list(by_vendor.values())[:vendors]
    rest = [one for one in by_seat.values() if one not in diverse]
    chosen = [*diverse, *rest][:signatures]
    return tuple(sorted(chosen, key=lambda one: one.position))
