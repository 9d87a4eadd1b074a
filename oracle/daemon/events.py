"""What happened, for views and tests: the daemon calls an observer with each event, in order."""

from collections.abc import Callable
from dataclasses import dataclass

from enclave.domain.report import Report
from enclave.domain.wire import RoundResult
from oracle.chain.base import Receipt
from oracle.registration import Standing


@dataclass(frozen=True, slots=True)
class RoundMade:
    """The enclave made a round; nothing is signed by that."""

    result: RoundResult
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class SignerReady:
    """The chain takes reports of this signer; said once for each enclave and renewal.

    Attributes:
        address: In EIP-55 spelling.
        standing: What the chain makes of it.
        starts: How often this daemon started an enclave.
        chain: Its name.
    """

    address: str
    standing: Standing
    starts: int
    chain: str = ""


@dataclass(frozen=True, slots=True)
class EnclaveEnded:
    """The enclave is gone; another one is started after `pause_s`."""

    reason: str
    pause_s: float


@dataclass(frozen=True, slots=True)
class ReportPlanned:
    """A report is signed and about to be sent; in a dry run it is not.

    Attributes:
        report: What was signed.
        encoded: The bytes for `FeedHub.submit`.
        feed_ids: Of its entries, in their order.
        is_dry_run: It will not be sent.
        chain: Name of the chain.
    """

    report: Report
    encoded: bytes
    feed_ids: tuple[bytes, ...]
    is_dry_run: bool
    chain: str = ""


@dataclass(frozen=True, slots=True)
class ReportLanded:
    """A report was stored.

    Attributes:
        report: What was signed.
        receipt: Of its transaction.
        feed_ids: Feeds whose answers were stored.
        skipped: Feeds of the report that the hub left out.
        chain: Name of the chain.
    """

    report: Report
    receipt: Receipt
    feed_ids: tuple[bytes, ...]
    skipped: tuple[bytes, ...]
    chain: str = ""


@dataclass(frozen=True, slots=True)
class ReportRefused:
    """A report was not stored on this chain; `reason` is one line."""

    report: Report
    reason: str
    chain: str = ""


@dataclass(frozen=True, slots=True)
class ReportOvertaken:
    """Nothing of a report was stored, because the hub has all of it already, or newer."""

    report: Report
    chain: str = ""


@dataclass(frozen=True, slots=True)
class ReportSuperseded:
    """A report was not mined in time, and a newer one for the same feeds took its place."""

    report: Report
    chain: str = ""


Event = (
    RoundMade
    | SignerReady
    | EnclaveEnded
    | ReportPlanned
    | ReportLanded
    | ReportRefused
    | ReportOvertaken
    | ReportSuperseded
)
Observer = Callable[[Event], None]
