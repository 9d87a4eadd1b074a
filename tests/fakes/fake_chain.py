"""The contracts in memory, for the host's registration and daemon: rules enough to refuse."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from enclave.domain.report import decode_report
from oracle.chain.base import (
    Block,
    Call,
    CallReverted,
    HubNews,
    HubStatus,
    Log,
    Receipt,
    Registration,
    Round,
    Seat,
    Seats,
    SignerStatus,
)
from oracle.chain.life import LifeCause
from oracle.config import checksum_address

OPERATOR = checksum_address("0x" + "aa" * 20)
NOBODY = "0x" + "00" * 20
UNKNOWN = SignerStatus(NOBODY, 0, 0, bytes(32), 0, 0, LifeCause.NONE, False, False)


def signer_status(**changes: Any) -> SignerStatus:
    """A valid signer."""
    status = SignerStatus(
        operator=OPERATOR,
        registered_at=3_000,
        expires_at=9_000,
        image_id=b"\x05" * 32,
        tee=2,
        tier=4,
        cause=LifeCause.AGE,
        is_revoked=False,
        is_valid=True,
    )
    return replace(status, **changes)


@dataclass
class FakeChain:
    """Plays `Chain`; `FakeSubmitter` carries out its calls.

    Attributes:
        signers: Address -> what the registry says.
        seated: The operator's seat; `None` if it has none.
        is_stale: Whether a rebuild would change the hub.
        life_s: Life of a new registration.
        others: What `seats` answers.
        happened: What `news` answers; an exception is raised.
        news_asked: Since which blocks.
    """

    now: int = 1_700_000_000
    number: int = 10
    signers: dict[bytes, SignerStatus] = field(default_factory=dict)
    seated: Seat | None = field(default_factory=lambda: Seat(3, (None, None), 0, 0))
    is_stale: bool = False
    is_live: bool = True
    signatures: int = 1
    vendors: int = 1
    others: Seats = field(default_factory=lambda: Seats((), ()))
    happened: HubNews | Exception = field(
        default_factory=lambda: HubNews(10, frozenset(), has_more=False)
    )
    news_asked: list[int] = field(default_factory=list)
    life_s: int = 86_400
    feeds: tuple[bytes, ...] = ()
    stored: dict[int, Round] = field(default_factory=dict)
    funds: int = 10**18
    registrations: list[Registration] = field(default_factory=list)
    seat_error: CallReverted | None = None
    is_seat_stuck: bool = False

    async def head(self) -> Block:
        return Block(self.number, b"\x01" * 32, b"\x02" * 32, self.now, 10**9)

    async def balance(self, address: str) -> int:
        return self.funds

    async def feed_ids(self) -> tuple[bytes, ...]:
        return self.feeds

    async def rounds(self, indexes: Collection[int]) -> Mapping[int, Round]:
        return {index: self.stored[index] for index in indexes if index in self.stored}

    async def hub(self) -> HubStatus:
        return HubStatus(self.signatures, self.vendors, 60, self.is_live)

    async def seats(self) -> Seats:
        return self.others

    async def news(self, block: int) -> HubNews:
        self.news_asked.append(block)
        if isinstance(self.happened, Exception):
            raise self.happened
        return self.happened

    async def signer(self, address: bytes) -> SignerStatus:
        return self.signers.get(address, UNKNOWN)

    async def seat(self, operator: str) -> Seat:
        if self.seat_error is not None:
            raise self.seat_error
        if self.seated is None:
            raise CallReverted("seatOf: SignerSet_NoSeat()", name="SignerSet_NoSeat")
        return self.seated

    async def needs_rebuild(self) -> bool:
        return self.is_stale

    def register(self, registration: Registration) -> Call:
        self.registrations.append(registration)
        return Call("register", NOBODY, registration.signer)

    def revoke(self, signer: bytes) -> Call:
        return Call("revoke", NOBODY, signer)

    def take(self, seat: int, signer: bytes) -> Call:
        return Call("take", NOBODY, signer)

    def rebuild(self) -> Call:
        return Call("rebuild", NOBODY, b"")

    def submit(self, report: bytes) -> Call:
        return Call("submit", NOBODY, report)

    def landed(self, receipt: Receipt) -> Sequence[int]:
        return [int(log.address) for log in receipt.logs]


@dataclass
class FakeSubmitter:
    """Plays `Submitter`.

    Attributes:
        refusals: Purpose -> what it raises instead, one after the other.
        overtaken: Purpose -> with what it fails because another node did the same just before.
    """

    chain: FakeChain
    refusals: dict[str, list[Exception]] = field(default_factory=dict)
    overtaken: dict[str, CallReverted] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    skips: set[int] = field(default_factory=set)
    address: str = OPERATOR

    async def send(self, call: Call) -> Receipt:
        self.sent.append(call.purpose)
        reasons = self.refusals.get(call.purpose, [])
        if reasons:
            raise reasons.pop(0)
        self._carry_out(call)
        if call.purpose in self.overtaken:
            raise self.overtaken.pop(call.purpose)
        logs = self._logs(call.data) if call.purpose == "submit" else ()
        return Receipt(b"\x07" * 32, 11, True, 84_000, 10**9, logs)

    def _carry_out(self, call: Call) -> None:
        match call.purpose:
            case "register":
                self._register(call.data)
            case "take":
                self._take(call.data)
            case "revoke":
                self._revoke(call.data)
            case "rebuild":
                self.chain.is_stale, self.chain.is_live = False, True
            case "submit":
                self.reports.append(call.data)

    def _register(self, signer: bytes) -> None:
        now = self.chain.now
        self.chain.signers[signer] = signer_status(
            registered_at=now, expires_at=now + self.chain.life_s
        )
        self.chain.is_stale = True

    def _take(self, signer: bytes) -> None:
        seat = self.chain.seated
        assert seat is not None
        if self.chain.is_seat_stuck:
            return
        address = checksum_address("0x" + signer.hex())
        older = 1 - seat.newest
        signers = [*seat.signers]
        signers[older] = address
        self.chain.seated = replace(seat, signers=(signers[0], signers[1]), newest=older)
        self.chain.is_stale = True

    def _revoke(self, signer: bytes) -> None:
        status = self.chain.signers.get(signer, UNKNOWN)
        self.chain.signers[signer] = replace(status, is_revoked=True, is_valid=False)

    def _logs(self, report: bytes) -> tuple[Log, ...]:
        entries = decode_report(report).report.entries
        kept = [entry for entry in entries if entry.index not in self.skips]
        return tuple(Log(str(entry.index), (), b"") for entry in kept)
