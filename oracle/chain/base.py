"""What the daemon wants of a chain, whichever it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from enclave.domain.errors import ChainError, TransactionReverted
from oracle.chain.life import LifeCause


class CallReverted(TransactionReverted):
    """The chain refuses a call; known before it was sent, or from its receipt.

    Attributes:
        name: Name of the contract's error, such as `SignerSet_TooSoon`; empty if there is none.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class Superseded(ChainError):
    """A newer call for the same feeds took its place before it was mined: nothing is lost."""


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction to be.

    Attributes:
        purpose: What for, a constant word for logs, metrics and journal.
        target: Address of the contract.
        data: Selector and arguments.
        feeds: Indexes of the feeds that a report answers; empty for everything else.
    """

    purpose: str
    target: str
    data: bytes
    feeds: frozenset[int] = frozenset()

    def supersedes(self, older: "Call") -> bool:
        """Whether an older call need not be sent any more once this one is.

        It is of the same kind, and answers every feed that the older one does.
        """
        is_same_kind = (self.purpose, self.target) == (older.purpose, older.target)
        return is_same_kind and bool(older.feeds) and self.feeds >= older.feeds


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header, as far as it is used.

    Attributes:
        number: Height.
        hash: 32 bytes.
        parent_hash: 32 bytes.
        timestamp: Seconds since the epoch, as the producer says.
        base_fee_wei: Of a unit of gas; `None` on a chain without EIP-1559.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    base_fee_wei: int | None


@dataclass(frozen=True, slots=True)
class Log:
    """One event, undecoded."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a transaction ended.

    Attributes:
        hash: 32 bytes.
        block: Height.
        is_success: Whether it took effect.
        gas_used: Units.
        gas_price_wei: Paid for a unit.
        logs: Its events in order.
        block_hash: 32 bytes; empty where it is not known.
    """

    hash: bytes
    block: int
    is_success: bool
    gas_used: int
    gas_price_wei: int
    logs: tuple[Log, ...] = ()
    block_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Round:
    """The answer that a hub holds for a feed; the units are those of `report.Entry`."""

    answer: int
    observed_at: int
    dispersion: int
    sources: int
    flags: int


@dataclass(frozen=True, slots=True)
class SignerStatus:
    """What the registry says of a signer; all zero for one it does not know.

    Attributes:
        registered_at: When it was last registered or renewed, rounded down to 64 s; seconds since
            the epoch.
        expires_at: First moment at which it is no longer valid, seconds since the epoch.
        cause: What that is the end of.
    """

    operator: str
    registered_at: int
    expires_at: int
    image_id: bytes
    tee: int
    tier: int
    cause: LifeCause
    is_revoked: bool
    is_valid: bool

    @property
    def is_suspended(self) -> bool:
        """Ended because a re-check found the platform unacceptable; it may come back."""
        return self.cause is LifeCause.APPRAISAL and not self.is_valid


@dataclass(frozen=True, slots=True)
class Image:
    """What the image policy says of an image; all zero for one it does not know.

    Attributes:
        max_age_s: Longest life of a registration.
        is_live: Approved and not withdrawn.
        min_number: Lowest TCB evaluation data number that is taken.
        recovery_grace_s: How long a number is taken after the next one became public; `None` if
            newer numbers do not matter.
        statuses: Of the platform that are accepted, a bit for each.
    """

    max_age_s: int
    is_live: bool
    min_number: int = 0
    recovery_grace_s: int | None = None
    statuses: int = 0

    def accepts(self, status: int) -> bool:
        """Whether a platform of this status may run it, by its number in the contracts."""
        return bool(self.statuses >> status & 1)


@dataclass(frozen=True, slots=True)
class KeptMachine:
    """What the verifier keeps of a machine; all zero if it keeps nothing.

    Attributes:
        valid_until: Last moment, seconds since the epoch.
        epoch: Revocation epoch in which its certificate was verified.
    """

    valid_until: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Seat:
    """An operator's seat.

    Attributes:
        number: From 0; its positions are `2 * number` and `2 * number + 1`.
        signers: In the two positions; `None` where nobody is.
        newest: Which of the two was taken last.
        taken_at: When, seconds since the epoch.
    """

    number: int
    signers: tuple[str | None, str | None]
    newest: int
    taken_at: int

    def position(self, signer: str) -> int | None:
        """Bit of a signer in the mask of a report; `None` if it is not in this seat."""
        if signer not in self.signers:
            return None
        return 2 * self.number + self.signers.index(signer)


@dataclass(frozen=True, slots=True)
class HubStatus:
    """What a hub wants of a report.

    Attributes:
        signatures: Seats that must sign.
        vendors: Different hardware vendors that must be among them.
        max_age_s: How far `observedAt` may lie behind the block.
        is_live: Whether it takes reports at all.
    """

    signatures: int
    vendors: int
    max_age_s: int
    is_live: bool


@dataclass(frozen=True, slots=True)
class SeatedSigner:
    """A signer that may sign for a seat.

    Attributes:
        position: Bit in a report's mask: twice the seat's number, or one more.
        signer: Address, 20 bytes.
        operator: Whose seat it is.
        expires_at: First moment at which its signature counts no longer, seconds since the epoch.
        vendor: Hardware vendor's number; 0 is an unknown one, which adds no diversity.
        tier: How its evidence was checked; larger is weaker.
    """

    position: int
    signer: bytes
    operator: str
    expires_at: int
    vendor: int
    tier: int

    @property
    def seat(self) -> int:
        """The seat's number; a seat counts once in a report."""
        return self.position // 2


@dataclass(frozen=True, slots=True)
class Seats:
    """Who may sign for a hub.

    Attributes:
        operators: By seat number; `None` where the seat is free.
        signers: Whose signatures the hub takes now, by position.
    """

    operators: tuple[str | None, ...]
    signers: tuple[SeatedSigner, ...]


@dataclass(frozen=True, slots=True)
class HubNews:
    """What happened at a hub since a block.

    Attributes:
        block: The latest block that was looked at.
        reported: Indexes of the feeds in reports that it took.
        has_more: Whether anything else happened, so that everything should be asked again.
    """

    block: int
    reported: frozenset[int]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Registration:
    """A signer with its evidence, ready for the registry.

    Attributes:
        endorsements: What the verifier is to keep first; empty if it has it.
    """

    signer: bytes
    operator: str
    hpke_public_key: bytes
    ref_block: int
    evidence: bytes
    hints: bytes
    endorsements: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Recheck:
    """The evidence that a signer stands on, with hints of now.

    Attributes:
        hpke_key_hash: keccak256 of its X25519 key, 32 bytes.
        ref_block_hash: Of the block that the evidence is bound to, 32 bytes.
        endorsements: As in `Registration`.
    """

    verifier_id: int
    signer: bytes
    hpke_key_hash: bytes
    ref_block_hash: bytes
    evidence: bytes
    hints: bytes
    endorsements: bytes


class Chain(Protocol):
    """Reads, and the calls that a submitter sends."""

    async def head(self) -> Block:
        """The latest block."""
        ...

    async def balance(self, address: str) -> int:
        """Funds of an account in wei."""
        ...

    async def feed_ids(self) -> tuple[bytes, ...]:
        """The hub's list, in order of index."""
        ...

    async def rounds(self, indexes: Collection[int]) -> Mapping[int, Round]:
        """The rounds of these feeds in one block.

        Left out: a feed that was never written, is paused, or whose round is outside its bounds.
        """
        ...

    async def hub(self) -> HubStatus:
        """What the hub wants of a report."""
        ...

    async def news(self, block: int) -> HubNews:
        """What happened at the hub after a block; two questions, however many feeds there are."""
        ...

    async def signer(self, address: bytes) -> SignerStatus:
        """What the registry says of a signer."""
        ...

    async def seat(self, operator: str) -> Seat:
        """The operator's seat; `CallReverted` if it has none."""
        ...

    async def seats(self) -> Seats:
        """All seats, and the signers in them that the hub's table holds."""
        ...

    async def needs_rebuild(self) -> bool:
        """Whether a rebuild would change the hub's table."""
        ...

    def register(self, registration: Registration) -> Call:
        """Register or renew a signer."""
        ...

    def revoke(self, signer: bytes) -> Call:
        """Revoke a signer for good; hubs stop until rebuilt."""
        ...

    def take(self, seat: int, signer: bytes) -> Call:
        """Put a signer into the operator's seat."""
        ...

    def rebuild(self) -> Call:
        """Bring the hub's table up to date."""
        ...

    def submit(self, report: bytes) -> Call:
        """Bring a report."""
        ...

    def landed(self, receipt: Receipt) -> Sequence[int]:
        """Indexes of the feeds that a report's transaction stored."""
        ...


class Submitter(Protocol):
    """Sends transactions of one account, one after the other."""

    @property
    def address(self) -> str:
        """The account."""
        ...

    async def send(self, call: Call) -> Receipt:
        """Send a call and wait for its end."""
        ...
