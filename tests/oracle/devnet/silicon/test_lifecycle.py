from datetime import UTC, datetime, timedelta

import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.pcs import parse_tcb_info
from oracle.devnet.silicon.collateral import FIRST_NUMBER, LIFE, PublishedCollateral
from oracle.devnet.silicon.lifecycle import EARLY, HANDLING, PUBLISHING_INTERVAL, Lifecycle
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, 12, 30, 15, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lifecycle(clock: Clock) -> Lifecycle:
    return Lifecycle(SiliconVendor(now=NOW), clock)


def newest(lifecycle: Lifecycle) -> PublishedCollateral:
    return next(iter(lifecycle.published().values()))


def issued_at(lifecycle: Lifecycle) -> datetime:
    text = newest(lifecycle).tcb_info[TeeKind.TDX].text
    return datetime.fromtimestamp(parse_tcb_info(text).issued_at, UTC)


def test_it_publishes_at_once_dated_back_a_little(lifecycle: Lifecycle) -> None:
    assert list(lifecycle.published()) == [FIRST_NUMBER]
    assert issued_at(lifecycle) == NOW - HANDLING


def test_it_publishes_anew_each_day_and_not_before(lifecycle: Lifecycle, clock: Clock) -> None:
    first = lifecycle.published()
    clock.now = NOW + PUBLISHING_INTERVAL - timedelta(seconds=1)
    assert lifecycle.published() is first
    clock.now = NOW + PUBLISHING_INTERVAL
    assert issued_at(lifecycle) == clock.now - HANDLING
    assert lifecycle.published() is lifecycle.published()


def test_a_vendor_that_stopped_lets_it_end_until_it_publishes_again(
    lifecycle: Lifecycle, clock: Clock
) -> None:
    first = lifecycle.published()
    lifecycle.stop_publishing()
    clock.now = NOW + LIFE
    assert lifecycle.published() is first
    lifecycle.publish()
    assert issued_at(lifecycle) == clock.now - HANDLING
    clock.now += PUBLISHING_INTERVAL
    assert issued_at(lifecycle) == clock.now - HANDLING


def test_what_is_published_is_newer_even_in_the_same_second_or_with_the_clock_put_back(
    lifecycle: Lifecycle,
) -> None:
    first = issued_at(lifecycle)
    assert lifecycle.publish() == issued_at(lifecycle) == first + timedelta(seconds=1)
    lifecycle.set_offset(-timedelta(days=3))
    assert lifecycle.publish() == first + timedelta(seconds=2)


def test_the_clock_has_an_offset(lifecycle: Lifecycle) -> None:
    lifecycle.set_offset(timedelta(days=3))
    assert lifecycle.now == NOW + timedelta(days=3)
    assert issued_at(lifecycle) == NOW + timedelta(days=3) - HANDLING


def test_age_and_life_are_as_told(lifecycle: Lifecycle, clock: Clock) -> None:
    at = lifecycle.publish(age=timedelta(days=2), life=timedelta(days=2, seconds=20))
    assert at == issued_at(lifecycle) == NOW - timedelta(days=2)
    info = parse_tcb_info(newest(lifecycle).tcb_info[TeeKind.SGX].text)
    assert info.next_update == int(NOW.timestamp()) + 20
    # It was published today: the next is due tomorrow.
    clock.now = NOW + PUBLISHING_INTERVAL - timedelta(seconds=1)
    assert issued_at(lifecycle) == at


def test_a_recovery_is_published_beside_the_numbers_before(lifecycle: Lifecycle) -> None:
    assert lifecycle.recover_tcb() == FIRST_NUMBER + 1
    assert list(lifecycle.published()) == [FIRST_NUMBER + 1, FIRST_NUMBER]
    for number, published in lifecycle.published().items():
        for tee in (TeeKind.SGX, TeeKind.TDX):
            assert parse_tcb_info(published.tcb_info[tee].text).number == number


def test_a_number_becomes_the_standard_after_weeks(lifecycle: Lifecycle, clock: Clock) -> None:
    assert lifecycle.standard_number == FIRST_NUMBER
    lifecycle.recover_tcb()
    clock.now = NOW + EARLY - timedelta(seconds=1)
    assert lifecycle.standard_number == FIRST_NUMBER
    clock.now = NOW + EARLY
    assert lifecycle.standard_number == FIRST_NUMBER + 1


def test_revocations_are_published_at_once(lifecycle: Lifecycle) -> None:
    chain = lifecycle.vendor.chain
    lifecycle.revoke_pck()
    assert parse_crl(newest(lifecycle).pck_crl).serials == (chain.pck.certificate.serial_number,)
    serial = chain.platform_ca.certificate.serial_number
    lifecycle.revoke_by_root(serial)
    assert parse_crl(newest(lifecycle).root_crl).serials == (serial,)


def test_an_update_gives_the_machine_what_the_newest_number_demands(lifecycle: Lifecycle) -> None:
    before = lifecycle.vendor.platform
    lifecycle.recover_tcb()
    assert lifecycle.vendor.platform == before
    lifecycle.update_machine()
    after = lifecycle.vendor.platform
    assert after.components[0] == before.components[0] + 1
    assert (after.ppid, after.fmspc) == (before.ppid, before.fmspc)
