"""Who waits for a transaction, and who is told."""

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.base import Call, Receipt, Superseded
from oracle.chain.outbox import Outbox

CALL = Call("submit", "0xA", b"1")
RECEIPT = Receipt(b"\x01", 1, True, 1, 1)


def test_calls_come_in_order_of_arrival_and_done_ones_not_at_all() -> None:
    outbox = Outbox()
    first, second = outbox.add(CALL), outbox.add(CALL)
    assert outbox.next() is first
    first.error = ChainError("no")
    assert outbox.next() is second
    outbox.remove(second)
    assert outbox.next() is None


def test_whoever_waits_for_a_form_waits_for_its_raises() -> None:
    outbox = Outbox()
    first, other = outbox.add(CALL), outbox.add(CALL)
    first.hashes.add(b"a")
    outbox.inherit(b"a", b"b")
    assert outbox.end([b"a", b"b"], RECEIPT, b"b")
    assert first.result() is RECEIPT
    assert not other.is_done


def test_an_error_is_raised_to_who_waits() -> None:
    outbox = Outbox()
    wanted = outbox.add(CALL)
    wanted.hashes.add(b"a")
    outbox.end([b"a"], ChainError("gone"), b"a")
    with pytest.raises(ChainError, match="gone"):
        wanted.result()


def test_nobody_waiting_is_said() -> None:
    assert not Outbox().end([b"a"], RECEIPT, b"a")


def test_a_call_without_an_end_has_no_result() -> None:
    with pytest.raises(ChainError, match="submit has no end yet"):
        Outbox().add(CALL).result()


def _report(number: int, *feeds: int, purpose: str = "submit") -> Call:
    return Call(purpose, "0xA", bytes((number,)), frozenset(feeds))


def test_an_unsent_report_is_superseded_by_one_for_the_same_feeds_or_more() -> None:
    outbox = Outbox()
    old, other = outbox.add(_report(1, 1, 2)), outbox.add(_report(2, 1, 3))
    newer = outbox.add(_report(3, 1, 2, 4))
    with pytest.raises(Superseded, match="a newer report"):
        old.result()
    assert not other.is_done
    assert [outbox.next(), outbox.successor(_report(9, 4))] == [other, newer]


def test_what_is_sent_is_not_superseded_by_a_mere_wish() -> None:
    outbox = Outbox()
    old = outbox.add(_report(1, 1))
    old.hashes.add(b"a")
    outbox.add(_report(2, 1))
    assert not old.is_done


@pytest.mark.parametrize(
    "newer",
    [
        _report(2, 1, purpose="other"),
        Call("submit", "0xB", b"", frozenset({1})),
        _report(2),
        _report(2, 2),
    ],
)
def test_another_kind_or_fewer_feeds_supersede_nothing(newer: Call) -> None:
    assert not newer.supersedes(_report(1, 1))
    assert not newer.supersedes(CALL)


def test_reports_go_before_what_does_not_grow_old() -> None:
    outbox = Outbox()
    outbox.add(CALL)
    report = outbox.add(_report(1, 1))
    assert outbox.next() is report


def test_the_newest_successor_counts_and_not_one_that_is_sent_or_done() -> None:
    outbox = Outbox()
    older, sent, done = (outbox.add(_report(n, n, 7)) for n in (1, 2, 3))
    assert outbox.successor(_report(0, 7)) is done
    sent.hashes.add(b"s")
    done.error = ChainError("no")
    assert outbox.successor(_report(0, 7)) is older
    assert outbox.successor(CALL) is None


def test_when_the_newer_form_is_mined_the_older_caller_is_told() -> None:
    outbox = Outbox()
    old, new = outbox.add(_report(1, 1)), outbox.add(_report(2, 2))
    old.hashes.add(b"a")
    new.hashes.add(b"b")
    outbox.end([b"a", b"b"], RECEIPT, b"b")
    assert new.result() is RECEIPT
    assert isinstance(old.error, Superseded)


def test_when_the_older_form_is_mined_the_newer_call_waits_to_be_sent_again() -> None:
    outbox = Outbox()
    old, new = outbox.add(_report(1, 1)), outbox.add(_report(2, 2))
    old.hashes.add(b"a")
    new.hashes.add(b"b")
    assert outbox.is_awaited(b"b")
    outbox.end([b"a", b"b"], RECEIPT, b"a")
    assert old.result() is RECEIPT
    assert outbox.next() is new
    assert not outbox.is_awaited(b"b")
