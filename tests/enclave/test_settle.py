"""Readings become answers; what is lost is named, source by source."""

from collections.abc import Sequence
from typing import Any

import pytest

from enclave.aggregate import Gate
from enclave.domain.errors import SourceError, SourceMalformed, SourceUnavailable
from enclave.domain.feed import feed_id
from enclave.domain.observation import Answer, FeedFailure, SourceFailure
from enclave.egress import Reply
from enclave.plan import Plan, make_plan
from enclave.settle import Reading, Settlement, read_reply, settle
from tests.fakes.feeds import aggregation, conversion, definition, source
from tests.fakes.venues import ADAPTERS, NOW, http_date, reply

BTC = definition()
BTC_ID = feed_id(BTC)
TETHER = definition([source(name, base="USDT") for name in "de"], base="USDT")
TETHER_ID = feed_id(TETHER)


def read(plan: Plan, replies: dict[str, Reply | SourceError]) -> dict[int, Reading | SourceError]:
    """Readings of every source whose host has a reply."""
    readings: dict[int, Reading | SourceError] = {}
    for feed in plan.feeds.values():
        for one in feed.sources:
            host = plan.requests[one.request].host
            given = replies.get(host.removesuffix(".example"))
            if isinstance(given, Reply):
                readings[one.slot] = read_reply(
                    one, status=given.status, body=given.body, dates=given.dates, ages=given.ages
                )
            elif given is not None:
                readings[one.slot] = given
    return readings


def run(
    definitions: Sequence[bytes],
    *,
    gates: dict[bytes, Gate] | None = None,
    last_report_at: int = 0,
    **replies: str | Reply | SourceError,
) -> Settlement:
    plan = make_plan(definitions, ADAPTERS)
    made = {name: reply(one) if isinstance(one, str) else one for name, one in replies.items()}
    memory = dict.fromkeys(plan.feeds, Gate()) | (gates or {})
    return settle(
        plan.select(plan.loaded),
        read(plan, made),
        gate_of=memory.__getitem__,
        last_report_at=last_report_at,
    )


def value(settlement: Settlement, identity: bytes = BTC_ID) -> int:
    result = settlement.outcomes[identity].result
    assert isinstance(result, Answer), result
    return result.value


def failure(settlement: Settlement, identity: bytes = BTC_ID) -> str:
    result = settlement.outcomes[identity].result
    assert isinstance(result, FeedFailure), result
    assert result.error == "QuorumNotReached"
    return result.message


def lost(settlement: Settlement, identity: bytes = BTC_ID) -> dict[str, str]:
    return {one.source: one.message for one in settlement.outcomes[identity].failures}


def test_an_answer_is_made_of_all_its_sources() -> None:
    made = run([BTC], a="100", b="100.1", c="100.2")
    assert made.observed_at == NOW
    assert made.outcomes[BTC_ID].result == Answer(
        feed_id=BTC_ID,
        value=10_010_000_000,
        decimals=8,
        dispersion=100,
        sources_used=3,
        sources_asked=3,
    )
    assert made.outcomes[BTC_ID].failures == ()


def test_a_source_that_failed_is_named_with_its_reason() -> None:
    made = run([BTC], a="100", b="100", c=SourceMalformed("body is not JSON"))
    assert value(made) == 10_000_000_000
    assert made.outcomes[BTC_ID].failures == (
        SourceFailure("c", "SourceMalformed", "body is not JSON", False),
    )


def test_a_source_that_has_not_replied_is_named_and_may_be_asked_again() -> None:
    (one,) = run([BTC], a="100", b="100").outcomes[BTC_ID].failures
    assert one == SourceFailure("c", "SourceUnavailable", "no reply within the round's time", True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (reply("", status=200), "no price"),
        (reply("1", status=503), "status 503"),
        (Reply(200, b"100", (), ()), "reply has 0 Date headers, wanted 1"),
        (Reply(200, b"100", (http_date(NOW),) * 2, ()), "reply has 2 Date headers, wanted 1"),
        (reply("100", ages=("61",)), "Age is 61 s, wanted at most 60"),
        (reply("100", date=NOW - 6), "Date is -6 s off the round, wanted at most 5"),
        (reply("100", date=NOW + 6), "Date is +6 s off the round, wanted at most 5"),
        (reply(f"100@{NOW - 61}"), "price is 61 s old, wanted at most 60"),
        (reply("0.000000001"), "price rounds to zero at 8 decimals"),
    ],
)
def test_a_reply_that_cannot_be_used_drops_its_source(given: Reply, message: str) -> None:
    made = run([BTC], a="100", b="100", c=given)
    assert value(made) == 10_000_000_000
    assert lost(made) == {"c": message}


def test_below_quorum_there_is_no_answer_and_the_reason_is_said() -> None:
    made = run([BTC], a="100", b=SourceUnavailable("down"))
    assert failure(made) == "1 fresh sources, wanted 2"
    assert made.observed_at == 0
    assert lost(made) == {"b": "down", "c": "no reply within the round's time"}


def test_the_time_is_the_lower_median_of_the_replies() -> None:
    made = run(
        [BTC], a=reply("100", date=NOW + 2), b=reply("100", date=NOW), c=reply("100", date=NOW + 1)
    )
    assert made.observed_at == NOW + 1


def test_a_reply_counts_once_however_many_feeds_it_serves() -> None:
    # Source c alone serves three feeds; it would outvote a and b.
    feeds = [
        BTC,
        *(definition([source("c")], aggregation(min_sources="1"), decimals=d) for d in "67"),
    ]
    made = run(
        feeds, a=reply("100", date=NOW), b=reply("100", date=NOW + 1), c=reply("100", date=NOW + 5)
    )
    assert made.observed_at == NOW + 1


def test_a_reply_without_a_price_does_not_vote_on_the_time() -> None:
    made = run(
        [BTC],
        a=reply("100", date=NOW),
        b=reply("100", date=NOW + 1),
        c=reply("", date=NOW - 4),
    )
    assert made.observed_at == NOW


def test_a_reply_that_is_too_old_does_not_vote_on_the_time() -> None:
    made = run(
        [BTC],
        a=reply("100", date=NOW),
        b=reply("100", date=NOW + 1),
        c=reply("100", date=NOW - 4, ages=("61",)),
    )
    assert made.observed_at == NOW


def test_without_any_price_there_is_no_time() -> None:
    made = run([BTC], a=SourceUnavailable("down"), b="", c="")
    assert made.observed_at == 0
    assert failure(made) == "no source gave a price with a time"
    assert lost(made) == {"a": "down", "b": "no price", "c": "no price"}


def test_the_second_of_the_last_report_gives_no_answer_and_moves_no_gate() -> None:
    made = run([BTC], a="100", b="100", c=SourceUnavailable("down"), last_report_at=NOW)
    assert failure(made) == f"second {NOW} has a report already, wanted a later one"
    assert lost(made) == {"c": "down"}
    assert (made.observed_at, made.gates) == (0, {})


def test_a_jump_is_held_and_remembered() -> None:
    made = run([BTC], gates={BTC_ID: Gate(accepted=5 * 10**9)}, a="100", b="100", c="100")
    assert failure(made).startswith("answer moved 10000.0 bps, wanted at most 500")
    assert made.gates == {BTC_ID: Gate(5 * 10**9, held=10**10, held_at=NOW)}
    assert made.observed_at == 0


def test_an_accepted_answer_is_remembered() -> None:
    assert run([BTC], a="100", b="100").gates == {BTC_ID: Gate(accepted=10**10)}


def test_a_feed_without_quorum_moves_no_gate() -> None:
    assert run([BTC], a="100").gates == {}


def test_one_feed_without_an_answer_does_not_harm_another() -> None:
    other = definition([source("d"), source("e")])
    made = run([BTC, other], a="100", b="100", c="100")
    assert value(made) == 10**10
    assert failure(made, feed_id(other)) == "0 fresh sources, wanted 2"
    assert made.observed_at == NOW


def test_a_price_is_inverted() -> None:
    inverse = definition(
        [source("a", base="USD", quote="BTC", invert=True), source("b")],
    )
    made = run([inverse], a="0.01", b="100")
    assert value(made, feed_id(inverse)) == 10**10


def converted(**changes: Any) -> bytes:
    tether = source("t", quote="USDT", convert=conversion(TETHER_ID))
    return definition([source("a"), source("b"), tether], **changes)


def test_a_price_is_converted_by_the_answer_of_the_same_round() -> None:
    made = run([converted(), TETHER], a="100", b="100.2", t="100.2", d="0.999", e="0.999")
    # 100.2 USDT at 0.999 USD is 100.0998 USD, between the other two.
    assert value(made, feed_id(converted())) == 10_009_980_000


def test_without_the_other_feeds_answer_the_source_is_lost() -> None:
    made = run([converted(), TETHER], a="100", b="100.2", t="100.2", d="0.999")
    assert value(made, feed_id(converted())) == 10**10
    assert lost(made, feed_id(converted())) == {
        "t": f"converts by feed 0x{TETHER_ID.hex()}, which has no answer this round"
    }


def test_a_held_answer_converts_nothing() -> None:
    made = run(
        [converted(), TETHER],
        gates={TETHER_ID: Gate(accepted=10**7)},
        a="100",
        b="100",
        t="100",
        d="1",
        e="1",
    )
    assert list(lost(made, feed_id(converted()))) == ["t"]


def test_what_leaves_is_printable_and_short() -> None:
    made = run([BTC], a="100", b="100", c=SourceMalformed("é\n" + "x" * 500))
    (one,) = made.outcomes[BTC_ID].failures
    assert one.message.startswith(r"\xe9?xxx")
    assert len(one.message) == 160
