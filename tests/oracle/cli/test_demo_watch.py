from collections.abc import Callable, Sequence

import pytest

from enclave.domain.errors import ChainError
from enclave.domain.observation import FeedFailure
from enclave.domain.report import Entry, Report
from enclave.domain.wire import AnswerView, FailureView, RoundResult
from oracle.chain.base import Receipt
from oracle.cli.demo_view import QuorumView, RoundView, document
from oracle.cli.demo_watch import Watch
from oracle.daemon import ReportLanded, ReportOvertaken, ReportRefused, RoundMade, SignerReady
from oracle.devnet.deploy import FeedContracts
from oracle.registration import Standing
from oracle.telemetry.state import ChainState, NodeState, SignerState
from tests.fakes.fake_chain import signer_status

AT = 1_795_233_612
IDS = (b"\x01" * 32, b"\x02" * 32)
FEEDS = tuple(
    FeedContracts(feed_id, name, 8, bytes([index]) * 20, bytes([index + 8]) * 20)
    for index, (feed_id, name) in enumerate(zip(IDS, ("BTC/USD", "ETH/USD"), strict=True))
)
VALUES = {FEEDS[0].consumer: 8_576_305_000_000, FEEDS[1].consumer: 270_268_700_000}
RECEIPT = Receipt(b"\x33" * 32, 7, is_success=True, gas_used=85_189, gas_price_wei=1)

SIGNERS = ("0xAbC", "0xDeF", "0x123")

Reading = tuple[int, int, int]


def answer(feed_id: bytes, value: int) -> AnswerView:
    return AnswerView(feed_id, value, 8, 7, 3, 4, failures=())


def made(*answers: AnswerView, failed: tuple[FailureView, ...] = ()) -> RoundMade:
    return RoundMade(RoundResult(1, AT, answers, failed), 0.03)


def landed(*indexes: int, skipped: tuple[bytes, ...] = (), at: int = AT) -> ReportLanded:
    entries = tuple(Entry(i, VALUES[FEEDS[i].consumer], 7, 3) for i in indexes)
    stored = tuple(IDS[i] for i in indexes if IDS[i] not in skipped)
    return ReportLanded(Report(at, bytes(32), entries), RECEIPT, stored, skipped)


def ready(address: str) -> SignerReady:
    status = signer_status(expires_at=AT + 86_400 * 7, image_id=b"\x22" * 32)
    return SignerReady(address, Standing(status, 0), 1)


def node(*, is_up: bool = True) -> NodeState:
    return NodeState(
        started_at=0,
        signer=SignerState(is_sandboxed=True),
        chains=(ChainState("here", is_dry_run=False, is_accepted=is_up),),
    )


def watch(
    change: Callable[[Reading], Reading] = lambda reading: reading,
    *,
    signed: Sequence[str] = SIGNERS[:1],
    nodes: Sequence[NodeState] = (node(),),
    quorum: int = 1,
) -> Watch:
    """A watch whose consumers read what was signed, changed by a function; all nodes are ready."""

    async def read(consumer: bytes, block: int) -> Reading:
        assert block == RECEIPT.block
        return change((VALUES[consumer], 8, AT))

    async def read_signers(transaction: bytes) -> Sequence[str]:
        assert transaction == RECEIPT.hash
        return signed

    seen = Watch(read, read_signers, FEEDS, lambda: nodes, quorum=quorum)
    for number, address in enumerate(SIGNERS[: len(nodes)], 1):
        seen.observer(number)(ready(address))
    seen.observer(1)(made(*(answer(feed.feed_id, VALUES[feed.consumer]) for feed in FEEDS)))
    return seen


THREE = (node(), node(is_up=False), node())


def is_ok(view: RoundView) -> bool:
    shown = document([view], QuorumView(1, ()), is_live=False, elapsed_s=1.0)
    return bool(shown["ok"])


async def test_a_round_lands_if_every_consumer_reads_what_was_signed() -> None:
    seen = watch()
    seen.observer(1)(landed(0, 1))
    view = await seen.next_round()
    assert view.landed
    assert [row.answer for row in view.feeds] == ["85763.05000000", "2702.68700000"]
    assert [row.consumer_reads for row in view.feeds] == ["85763.05000000", "2702.68700000"]
    assert (view.feeds[0].sources_used, view.feeds[0].sources_asked) == (3, 4)
    assert view.feeds[0].dispersion_bps == "0.7"
    assert is_ok(view)


async def test_another_digit_another_moment_or_other_decimals_are_not_equal() -> None:
    changes: list[Callable[[Reading], Reading]] = [
        lambda reading: (reading[0] + 1, *reading[1:]),
        lambda reading: (*reading[:2], AT - 1),
        lambda reading: (reading[0], 7, AT),
    ]
    for change in changes:
        seen = watch(change)
        seen.observer(1)(landed(0, 1))
        view = await seen.next_round()
        assert not view.landed
        assert not is_ok(view)


async def test_a_consumer_that_refuses_is_told_and_does_not_count() -> None:
    def refuse(_: Reading) -> Reading:
        raise ChainError("PriceConsumer_Stale")

    seen = watch(refuse)
    seen.observer(1)(landed(0, 1))
    view = await seen.next_round()
    assert not view.landed
    assert "PriceConsumer_Stale" in view.feeds[0].problem


async def test_a_feed_that_the_hub_left_out_does_not_count() -> None:
    seen = watch()
    seen.observer(1)(landed(0, 1, skipped=(IDS[1],)))
    view = await seen.next_round()
    assert [row.matches for row in view.feeds] == [True, False]
    assert not view.landed


async def test_a_feed_without_an_answer_says_why_and_does_not_count() -> None:
    failure = FailureView(FeedFailure(IDS[1], "QuorumNotReached", "1 fresh sources"), ())
    seen = watch()
    seen.observer(1)(made(answer(IDS[0], VALUES[FEEDS[0].consumer]), failed=(failure,)))
    seen.observer(1)(landed(0))
    view = await seen.next_round()
    assert not view.landed
    assert view.feeds[1].problem == "1 fresh sources"


async def test_a_refused_report_is_a_round_that_did_not_land() -> None:
    seen = watch()
    seen.observer(1)(ReportRefused(landed(0).report, "FeedHub_NotLive()"))
    view = await seen.next_round()
    assert (view.landed, view.problem) == (False, "the report was refused: FeedHub_NotLive()")
    assert not is_ok(view)


async def test_what_another_leader_brought_just_before_must_still_be_read() -> None:
    async def read(consumer: bytes, _: int) -> Reading:
        return VALUES[consumer], 8, AT if consumer == FEEDS[1].consumer else AT - 1

    async def read_signers(_: bytes) -> Sequence[str]:
        return SIGNERS[:2]

    seen = Watch(read, read_signers, FEEDS, lambda: THREE, quorum=2)
    for number, address in enumerate(SIGNERS, 1):
        seen.observer(number)(ready(address))
    first, second = landed(0, at=AT - 1), landed(1)
    seen.observer(1)(first)
    seen.observer(2)(second)
    views = [await seen.next_round(), await seen.next_round()]
    # Of the first feed alone there was a report; nobody has signed the other one yet.
    assert [row.matches for row in views[0].feeds] == [True, False]
    assert views[1].landed
    assert [row.observed_at for row in views[1].feeds] == [AT - 1, AT]


async def test_what_another_leader_brought_word_for_word_may_be_left_out() -> None:
    seen = watch(nodes=THREE, signed=("0x123", "0xAbC"), quorum=2)
    seen.observer(1)(landed(1))
    seen.observer(3)(landed(0, 1, skipped=(IDS[1],)))
    assert not (await seen.next_round()).landed
    assert (await seen.next_round()).landed


async def test_a_report_that_another_leader_overtook_is_no_round() -> None:
    seen = watch(nodes=THREE, signed=("0x123", "0xAbC"), quorum=2)
    seen.observer(2)(ReportOvertaken(landed(0).report))
    seen.observer(3)(landed(0, 1))
    view = await seen.next_round()
    assert (view.number, view.leader) == (1, 3)


async def test_the_signer_is_shown_as_the_registry_holds_it() -> None:
    seen = watch()
    seen.observer(1)(landed(0, 1))
    await seen.next_round()
    signer = seen.signers[1]
    assert (signer.address, signer.tee, signer.tier) == ("0xAbC", "TDX", "DEV")
    assert signer.days_left(AT) == "7.0"
    assert signer.is_sandboxed


async def test_a_round_of_several_nodes_says_who_led_and_who_signed() -> None:
    seen = watch(nodes=THREE, signed=("0x123", "0xAbC"), quorum=2)
    seen.observer(3)(landed(0, 1))
    view = await seen.next_round()
    assert view.landed
    assert (view.leader, view.signers, view.nodes_up) == (3, (1, 3), 2)
    # The leader's own round has another time; its sources are those of the definition.
    assert view.feeds[0].sources_asked == 0


async def test_a_node_that_led_with_another_time_still_knows_its_sources() -> None:
    seen = watch(nodes=THREE, signed=("0x123", "0xAbC"), quorum=2)
    earlier = RoundResult(1, AT - 1, (answer(IDS[0], 1),), ())
    seen.observer(3)(RoundMade(earlier, 0.03))
    seen.observer(3)(landed(0, 1))
    view = await seen.next_round()
    assert view.feeds[0].sources_asked == 4


@pytest.mark.parametrize(
    ("signed", "problem"),
    [
        (("0xAbC",), "signed by 1 nodes, wanted 2"),
        (("0xAbC", "0xAbC"), "signed by 1 nodes, wanted 2"),
        (SIGNERS, "signed by 3 nodes, wanted 2"),
        (("0xAbC", "0x999"), "signed by 0x999, which no node here has"),
    ],
)
async def test_other_signers_than_the_quorum_do_not_count(
    signed: tuple[str, ...], problem: str
) -> None:
    seen = watch(nodes=THREE, signed=signed, quorum=2)
    seen.observer(1)(landed(0, 1))
    view = await seen.next_round()
    assert (view.landed, view.problem) == (False, problem)
    assert not is_ok(view)


async def test_a_report_that_cannot_be_read_back_does_not_count() -> None:
    async def nothing(_: bytes) -> Sequence[str]:
        raise ChainError("no transaction")

    async def read(consumer: bytes, _: int) -> Reading:
        return VALUES[consumer], 8, AT

    seen = Watch(read, nothing, FEEDS, lambda: (node(),), quorum=1)
    seen.observer(1)(ready("0xAbC"))
    seen.observer(1)(landed(0, 1))
    view = await seen.next_round()
    assert not view.landed
    assert view.problem == "the report cannot be read back: no transaction"


async def test_rounds_count_from_the_moment_when_all_nodes_take_part() -> None:
    async def read(consumer: bytes, _: int) -> Reading:
        return VALUES[consumer], 8, AT

    async def read_signers(_: bytes) -> Sequence[str]:
        return SIGNERS[:2]

    seen = Watch(read, read_signers, FEEDS, lambda: THREE, quorum=2)
    for number in (1, 2):
        seen.observer(number)(ready(SIGNERS[number - 1]))
        seen.observer(number)(landed(0, 1))
    seen.observer(3)(ready(SIGNERS[2]))
    seen.observer(3)(landed(0, 1))
    view = await seen.next_round()
    assert (view.number, view.leader) == (1, 3)


async def test_a_round_that_a_newer_one_overtook_in_its_block_is_passed_over() -> None:
    readings = iter((AT + 1, AT, AT))
    seen = watch(lambda reading: (*reading[:2], next(readings)), nodes=THREE[:2], quorum=1)
    seen.observer(1)(landed(0, 1))
    seen.observer(2)(landed(0, 1))
    view = await seen.next_round()
    assert (view.number, view.leader, view.landed) == (1, 2, True)


def test_no_round_at_all_is_a_failure() -> None:
    shown = document([], QuorumView(1, ()), is_live=True, elapsed_s=1.0)
    assert not shown["ok"]
    assert shown["signer"] is None
