from collections.abc import Callable

from enclave.domain.errors import ChainError
from enclave.domain.observation import FeedFailure
from enclave.domain.report import Entry, Report
from enclave.domain.wire import AnswerView, FailureView, RoundResult
from oracle.chain.base import Receipt, SignerStatus
from oracle.cli.demo_view import document
from oracle.cli.demo_watch import Watch
from oracle.daemon import ReportLanded, ReportRefused, RoundMade, SignerReady
from oracle.devnet.deploy import FeedContracts
from oracle.registration import Standing

AT = 1_795_233_612
IDS = (b"\x01" * 32, b"\x02" * 32)
FEEDS = tuple(
    FeedContracts(feed_id, name, 8, bytes([index]) * 20, bytes([index + 8]) * 20)
    for index, (feed_id, name) in enumerate(zip(IDS, ("BTC/USD", "ETH/USD"), strict=True))
)
VALUES = {FEEDS[0].consumer: 8_576_305_000_000, FEEDS[1].consumer: 270_268_700_000}
RECEIPT = Receipt(b"\x33" * 32, 7, is_success=True, gas_used=85_189, gas_price_wei=1)

Reading = tuple[int, int, int]


def answer(feed_id: bytes, value: int) -> AnswerView:
    return AnswerView(feed_id, value, 8, 7, 3, 4, failures=())


def made(*answers: AnswerView, failed: tuple[FailureView, ...] = ()) -> RoundMade:
    return RoundMade(RoundResult(1, AT, answers, failed), 0.03)


def landed(*indexes: int, skipped: tuple[bytes, ...] = ()) -> ReportLanded:
    entries = tuple(Entry(i, VALUES[FEEDS[i].consumer], 7, 3) for i in indexes)
    stored = tuple(IDS[i] for i in indexes if IDS[i] not in skipped)
    return ReportLanded(Report(AT, bytes(32), entries), RECEIPT, stored, skipped)


def watch(change: Callable[[Reading], Reading] = lambda reading: reading) -> Watch:
    """A watch whose consumers read what was signed, changed by a function."""

    async def read(consumer: bytes, block: int) -> Reading:
        assert block == RECEIPT.block
        return change((VALUES[consumer], 8, AT))

    seen = Watch(read, FEEDS, lambda: True)
    seen.observe(made(*(answer(feed.feed_id, VALUES[feed.consumer]) for feed in FEEDS)))
    return seen


async def test_a_round_lands_if_every_consumer_reads_what_was_signed() -> None:
    seen = watch()
    seen.observe(landed(0, 1))
    view = await seen.next_round()
    assert view.landed
    assert [row.answer for row in view.feeds] == ["85763.05000000", "2702.68700000"]
    assert [row.consumer_reads for row in view.feeds] == ["85763.05000000", "2702.68700000"]
    assert (view.feeds[0].sources_used, view.feeds[0].sources_asked) == (3, 4)
    assert view.feeds[0].dispersion_bps == "0.7"
    assert document([view], None, is_live=False, elapsed_s=1.0)["ok"]


async def test_another_digit_another_moment_or_other_decimals_are_not_equal() -> None:
    changes: list[Callable[[Reading], Reading]] = [
        lambda reading: (reading[0] + 1, *reading[1:]),
        lambda reading: (*reading[:2], AT - 1),
        lambda reading: (reading[0], 7, AT),
    ]
    for change in changes:
        seen = watch(change)
        seen.observe(landed(0, 1))
        view = await seen.next_round()
        assert not view.landed
        assert not document([view], None, is_live=False, elapsed_s=1.0)["ok"]


async def test_a_consumer_that_refuses_is_told_and_does_not_count() -> None:
    def refuse(_: Reading) -> Reading:
        raise ChainError("PriceConsumer_Stale")

    seen = watch(refuse)
    seen.observe(landed(0, 1))
    view = await seen.next_round()
    assert not view.landed
    assert "PriceConsumer_Stale" in view.feeds[0].problem


async def test_a_feed_that_the_hub_left_out_does_not_count() -> None:
    seen = watch()
    seen.observe(landed(0, 1, skipped=(IDS[1],)))
    view = await seen.next_round()
    assert [row.matches for row in view.feeds] == [True, False]
    assert not view.landed


async def test_a_feed_without_an_answer_says_why_and_does_not_count() -> None:
    failure = FailureView(FeedFailure(IDS[1], "QuorumNotReached", "1 fresh sources"), ())
    seen = watch()
    seen.observe(made(answer(IDS[0], VALUES[FEEDS[0].consumer]), failed=(failure,)))
    seen.observe(landed(0))
    view = await seen.next_round()
    assert not view.landed
    assert view.feeds[1].problem == "1 fresh sources"


async def test_a_refused_report_is_a_round_that_did_not_land() -> None:
    seen = watch()
    seen.observe(ReportRefused(landed(0).report, "FeedHub_NotLive()"))
    view = await seen.next_round()
    assert (view.landed, view.problem) == (False, "the report was refused: FeedHub_NotLive()")
    assert not document([view], None, is_live=False, elapsed_s=1.0)["ok"]


async def test_the_signer_is_shown_as_the_registry_holds_it() -> None:
    status = SignerStatus(
        operator="0x" + "11" * 20,
        expires_at=AT + 86_400 * 7,
        image_id=b"\x22" * 32,
        tee=2,
        tier=4,
        is_revoked=False,
        is_valid=True,
    )
    seen = watch()
    seen.observe(SignerReady("0xAbC", Standing(status, 0), 1))
    seen.observe(landed(0, 1))
    await seen.next_round()
    assert seen.signer is not None
    assert (seen.signer.tee, seen.signer.tier) == ("TDX", "DEV")
    assert seen.signer.days_left(AT) == "7.0"


def test_no_round_at_all_is_a_failure() -> None:
    assert not document([], None, is_live=True, elapsed_s=1.0)["ok"]
