"""Each loosening of the strict defaults is named."""

from typing import Any

import pytest

from oracle.attestation.appraisal.policy import Policy, loosenings


def test_the_defaults_loosen_nothing() -> None:
    assert loosenings(Policy()) == ()


@pytest.mark.parametrize(
    "rules",
    [
        {"minimum_evaluation_number": 20},
        {"denied_advisories": frozenset({"A"})},
        {"vmpls": frozenset({0})},
        {"allow_smt": False},
        {"statuses": frozenset[str]()},
        {"banned_product_lines": {"Milan": "", "Rome": ""}},
        {"maximum_age_s": 1, "minimum_validity_s": 5},
    ],
)
def test_asking_more_loosens_nothing(rules: dict[str, Any]) -> None:
    assert loosenings(Policy(**rules)) == ()


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ({"allow_debug": True}, "Debug mode"),
        ({"statuses": frozenset({"OutOfDate", "UpToDate"})}, "status OutOfDate"),
        ({"advisories": frozenset({"A-2", "A-1"})}, "advisory is accepted: A-1, A-2"),
        ({"advisories": frozenset({"*"})}, "whatever it is"),
        ({"vmpls": frozenset({0, 1, 2, 3})}, "VMPL 2, 3"),
        ({"require_sept_ve_disable": False}, "SEPT_VE_DISABLE"),
        ({"require_mrservicetd_zero": False}, "service TD"),
        ({"require_production_attributes": False}, "Intel: attributes"),
        ({"allow_migration_agent": True}, "migration agent"),
        ({"require_policy_bit_17": False}, "bit 17"),
        ({"require_nonce": False}, "nonce"),
        ({"banned_product_lines": {}}, "Milan is accepted although"),
    ],
)
def test_asking_less_is_named(rules: dict[str, Any], wanted: str) -> None:
    (named,) = loosenings(Policy(**rules))
    assert wanted in named
