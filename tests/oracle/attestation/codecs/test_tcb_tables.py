"""How the statuses of parts become one."""

from itertools import product

import pytest

from oracle.attestation.codecs.tcb_tables import TcbStatus, merge_statuses, relaunch_status

LEVELS = [status for status in TcbStatus if status <= TcbStatus.REVOKED]
LATE = (TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED)
RELAUNCH = (TcbStatus.TD_RELAUNCH_ADVISED, TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED)


def _asks(status: TcbStatus) -> set[str]:
    """What a status asks for, by its name."""
    words = {"CONFIGURATION": "configuration", "HARDENING": "hardening", "OUT_OF_DATE": "update"}
    return {asked for word, asked in words.items() if word in status.name}


@pytest.mark.parametrize(("one", "other"), list(product(LEVELS, LEVELS)))
def test_a_merged_status_asks_for_all_that_its_parts_ask(one: TcbStatus, other: TcbStatus) -> None:
    merged = merge_statuses(one, other)
    assert merged is merge_statuses(other, one)
    if TcbStatus.REVOKED in (one, other):
        assert merged is TcbStatus.REVOKED
        return
    wanted = _asks(one) | _asks(other)
    assert _asks(merged) == (wanted - {"hardening"} if "update" in wanted else wanted)


def test_the_order_in_which_statuses_are_merged_does_not_matter() -> None:
    for one, other, third in product(LEVELS, repeat=3):
        merged = merge_statuses(one, other, third)
        assert merged is merge_statuses(merge_statuses(one, other), third)
        assert merged is merge_statuses(one, merge_statuses(other, third))


@pytest.mark.parametrize("status", LEVELS)
def test_a_status_alone_is_itself(status: TcbStatus) -> None:
    assert merge_statuses(status) is merge_statuses(status, TcbStatus.UP_TO_DATE) is status


@pytest.mark.parametrize(("launch", "present"), list(product(LEVELS, LEVELS)))
def test_a_relaunch_is_advised_only_from_late_to_not_late(
    launch: TcbStatus, present: TcbStatus
) -> None:
    seen = relaunch_status(launch, present)
    if launch in LATE and present < TcbStatus.OUT_OF_DATE:
        needs_configuration = "configuration" in _asks(launch) | _asks(present)
        assert seen is RELAUNCH[needs_configuration]
    elif TcbStatus.REVOKED in (launch, present):
        assert seen is TcbStatus.REVOKED
    else:
        assert seen is launch


def test_a_level_never_says_that_a_relaunch_is_advised() -> None:
    for status in RELAUNCH:
        with pytest.raises(KeyError):
            merge_statuses(status)
