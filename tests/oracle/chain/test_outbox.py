"""Who waits for a transaction, and who is told."""

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.base import Call, Receipt
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
