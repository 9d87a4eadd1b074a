"""A report is shown whole: every byte of it belongs to one field."""

import pytest

from oracle.attestation.codecs.snp_tree import report_tree
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed
from oracle.devnet.silicon.amd import MILAN, NO_KEY, TURIN, VLEK, Line
from tests.fakes.amd import make_report


def _tree(line: Line, version: int, **changes: object) -> dict[str, Node]:
    raw = make_report(line, version, **changes).encode().ljust(1184, b"\0")
    root = report_tree(raw)
    assert (root.offset, root.size) == (0, 1184)
    return {child.name: child for child in root.children}


def test_fields_follow_each_other_without_a_gap() -> None:
    offset = 0
    for child in _tree(TURIN, 5).values():
        assert child.offset == offset
        assert child.size is not None
        offset += child.size
    assert offset == 1184


def test_fields_that_a_version_does_not_have_are_not_shown() -> None:
    assert {"CPUID_MOD_ID", "LAUNCH_MIT_VECTOR"} <= _tree(TURIN, 5).keys()
    assert not {"LAUNCH_MIT_VECTOR", "CURRENT_MIT_VECTOR"} & _tree(TURIN, 3).keys()
    assert not {"CPUID_FAM_ID", "CPUID_MOD_ID", "CPUID_STEP"} & _tree(MILAN, 2).keys()


def test_values_are_numbers_and_digits_with_what_they_mean() -> None:
    tree = _tree(MILAN, 3)
    assert tree["VERSION"] == Node("VERSION", "3", 0, 4)
    assert tree["POLICY"].value == "0x0000000000030000"
    assert tree["REPORT_DATA"].value == bytes(range(64)).hex()
    assert tree["REPORTED_TCB"].value == "0xdb18000000000104"
    assert tree["REPORTED_TCB"].note == "bootloader 4, tee 1, snp 24, microcode 219"
    assert tree["KEY_INFO"].note == "signed by VCEK"
    assert tree["CHIP_ID"].note == ""
    assert _tree(TURIN, 5)["LAUNCH_TCB"].note == (
        "fmc 0, bootloader 4, tee 1, snp 24, microcode 219"
    )


def test_who_signed_and_what_is_masked_is_said() -> None:
    tree = _tree(MILAN, 3, signing_key=VLEK)
    assert tree["KEY_INFO"].note == "signed by VLEK"
    assert tree["CHIP_ID"].note == "masked"
    assert _tree(MILAN, 3, signing_key=NO_KEY)["KEY_INFO"].note == "signed by none"
    assert _tree(MILAN, 3, signing_key=2)["KEY_INFO"].note == "signed by a key that is reserved"


@pytest.mark.parametrize("changes", [{"version": 2}, {"fields": {0x188: b"\x17"}}])
def test_levels_are_not_named_where_their_layout_is_unknown(changes: dict[str, object]) -> None:
    tree = _tree(MILAN, **({"version": 3} | changes))  # type: ignore[arg-type]
    assert tree["REPORTED_TCB"].note == ""


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(Malformed):
        report_tree(bytes(1184))
