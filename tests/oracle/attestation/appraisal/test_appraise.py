"""Every rule of a policy: what passes, what fails and why, and what is left unchecked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from oracle.attestation.appraisal.appraise import STEPS, appraise
from oracle.attestation.appraisal.policy import Policy, ReferenceImage
from oracle.attestation.appraisal.result import AttestationResult, Judgement, Verdict
from oracle.attestation.claims import (
    Claims,
    DebugState,
    Measurement,
    Tcb,
    Tee,
    Unchecked,
)
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Remedy, Unacceptable
from tests.fakes.claims import NOW, nitro, snp, space, tdx, tpm

STRICT = Policy()


def judge(
    claims: Claims, policy: Policy = STRICT, images: Sequence[ReferenceImage] = ()
) -> AttestationResult:
    return appraise(claims, policy, images, now=NOW)


def failures(
    claims: Claims, policy: Policy = STRICT, images: Sequence[ReferenceImage] = ()
) -> list[str]:
    """`module/check: subject` of each failure."""
    return [
        f"{check.module}/{check.step.name.removeprefix('appraisal.')}: {check.judgement.subject}"
        for check in judge(claims, policy, images).failures
    ]


def found(result: AttestationResult, subject: str) -> Judgement:
    (judgement,) = [
        check.judgement for check in result.checks if check.judgement.subject == subject
    ]
    return judgement


def test_the_steps_are_numbered_and_named() -> None:
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert all(step.name.startswith("appraisal.") and step.proves.endswith(".") for step in STEPS)


@pytest.mark.parametrize("claims", [tdx(), snp(), nitro(), tpm(), space()])
def test_good_claims_are_accepted_with_what_was_not_checked(claims: Claims) -> None:
    result = judge(claims)
    assert failures(claims) == []
    assert result.is_accepted
    assert result.loosenings == ()
    result.require()
    assert {"image", "machine", "report data", "age"} <= {each.what for each in result.unchecked}
    assert all(each.reason for each in result.unchecked)


CASES: list[tuple[str, Claims, dict[str, Any], str]] = [
    ("another TEE", snp(), {"tees": frozenset({Tee.TDX})}, "/tee: TEE"),
    (
        "another format",
        snp(),
        {"formats": frozenset({EvidenceFormat.TDX_QUOTE})},
        "/format: format",
    ),
    ("debug", tdx(debug=DebugState.ENABLED), {}, "/debug: debug state"),
    ("debug unknown", snp(debug=DebugState.UNKNOWN), {}, "/debug: debug state"),
    ("debug off only now", space(debug=DebugState.DISABLED), {}, "/debug: debug state"),
    ("shielded machine", space(tee=Tee.TPM, debug=DebugState.UNKNOWN), {}, "/debug: debug state"),
    ("no image", nitro(measurements=(Measurement("pcr0", "", bytes(48)),)), {}, "/debug: pcr0"),
    ("status", tdx(tcb=Tcb("OutOfDate", (), {})), {}, "/tcb-status: TCB status"),
    ("no status", tdx(tcb=Tcb("", (), {})), {}, "/tcb-status: TCB status"),
    ("no TCB", tdx(tcb=None), {}, "/tcb-status: TCB status"),
    (
        "advisory",
        tdx(tcb=Tcb("UpToDate", ("INTEL-SA-00615",), {})),
        {},
        "/advisories: advisory INTEL-SA-00615",
    ),
    (
        "advisory denied",
        tdx(tcb=Tcb("UpToDate", ("INTEL-SA-00615",), {})),
        {"advisories": frozenset({"*"}), "denied_advisories": frozenset({"INTEL-SA-00615"})},
        "/advisories: advisory INTEL-SA-00615",
    ),
    (
        "component of the TEE",
        snp(),
        {"minimum_tcb": {"snp": {"microcode": 85}}},
        "/minimum-tcb: TCB component microcode",
    ),
    (
        "component of the product line",
        snp(),
        {"minimum_tcb": {"snp": {"microcode": 1}, "Genoa": {"microcode": 85}}},
        "/minimum-tcb: TCB component microcode",
    ),
    (
        "component that is not there",
        snp(tcb=None),
        {"minimum_tcb": {"snp": {"fmc": 1}}},
        "/minimum-tcb: TCB component fmc",
    ),
    (
        "evaluation number",
        tdx(),
        {"minimum_evaluation_number": 19},
        "/evaluation-number: TCB evaluation data number",
    ),
    (
        "no evaluation number",
        tdx(tcb=Tcb("UpToDate", (), {})),
        {"minimum_evaluation_number": 1},
        "/evaluation-number: TCB evaluation data number",
    ),
    (
        "septve",
        tdx(facts={**tdx().facts, "sept-ve-disable": False}),
        {},
        "/trust-domain: sept-ve-disable",
    ),
    (
        "septve absent",
        tdx(facts={"production-attributes": True}),
        {},
        "/trust-domain: sept-ve-disable",
    ),
    (
        "attributes",
        tdx(facts={**tdx().facts, "production-attributes": False}),
        {},
        "/attributes: production-attributes",
    ),
    (
        "attributes absent",
        tdx(facts={"sept-ve-disable": True}),
        {},
        "/attributes: production-attributes",
    ),
    (
        "service TD",
        tdx(measurements=(Measurement("mrservicetd", "", bytes(47) + b"\x01"),)),
        {},
        "/trust-domain: mrservicetd",
    ),
    ("vmpl", snp(facts={**snp().facts, "vmpl": 2}), {}, "/guest-policy: vmpl"),
    ("vmpl demanded", snp(), {"vmpls": frozenset({1})}, "/guest-policy: vmpl"),
    (
        "migration",
        snp(facts={**snp().facts, "policy-migrate-ma": True}),
        {},
        "/guest-policy: policy-migrate-ma",
    ),
    (
        "bit 17",
        snp(facts={**snp().facts, "policy-reserved-17": False}),
        {},
        "/guest-policy: policy-reserved-17",
    ),
    ("threads", snp(), {"allow_smt": False}, "/guest-policy: policy-smt"),
    (
        "banned line",
        snp(facts={**snp().facts, "product-line": "Milan"}),
        {},
        "/product-line: product line",
    ),
    ("no nonce", tpm(facts={"nonce-present": False}), {}, "/nonce: nonce-present"),
    ("machine", tdx(), {"platform_ids": frozenset({b"\x0b" * 16})}, "/platform: machine"),
    (
        "masked machine",
        tdx(hardware_id=b""),
        {"platform_ids": frozenset({b"\x0b" * 16})},
        "/platform: machine",
    ),
    ("issuer", space(), {"issuers": frozenset({"https://other"})}, "/issuer: issuer"),
    ("unknown issuer", space(facts={"issuer": "https://evil"}), {}, "/issuer: issuer"),
    ("no issuer", space(facts={}), {}, "/issuer: issuer"),
    ("audience", space(), {"audience": "you"}, "/audience: audience"),
    ("audience absent", tdx(), {"audience": "you"}, "/audience: audience"),
    ("report data", tdx(), {"report_data": b"\x07" * 63}, "/report-data: report data"),
    ("prefix", tdx(), {"report_data_prefix": b"\x08"}, "/report-data: report data"),
    ("nonce", tdx(), {"nonce": b"\x01"}, "/report-data: nonce"),
    (
        "other nonce",
        nitro(facts={"nonce": b"\x02"}, report_data=b"\x01"),
        {"nonce": b"\x01"},
        "/report-data: nonce",
    ),
    (
        "none of several",
        space(report_data=b'["first","second"]'),
        {"nonce": b"third"},
        "/report-data: nonce",
    ),
    ("no nonce", nitro(report_data=b""), {"nonce": b"\x01"}, "/report-data: nonce"),
    ("user data", tdx(), {"user_data": b"\x01"}, "/report-data: user data"),
    (
        "other user data",
        nitro(facts={"user-data": b"\x02"}),
        {"user_data": b"\x01"},
        "/report-data: user data",
    ),
    ("age", nitro(), {"maximum_age_s": 59}, "/age: age"),
    ("from the future", nitro(issued_at=NOW + 1), {"maximum_age_s": 59}, "/age: age"),
    ("no age", tdx(), {"maximum_age_s": 59}, "/age: age"),
    ("validity", tdx(), {"minimum_validity_s": 86_401}, "/validity: validity left"),
    ("expired", tdx(expires_at=NOW - 1), {}, "/validity: validity left"),
]


@pytest.mark.parametrize(
    ("claims", "rules", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_one_rule_fails_and_no_other(claims: Claims, rules: dict[str, Any], wanted: str) -> None:
    policy = Policy(**rules)
    assert failures(claims, policy) == [wanted]
    with pytest.raises(Unacceptable) as caught:
        judge(claims, policy).require()
    refusal = caught.value
    assert refusal.subject == wanted.partition(": ")[2]
    assert refusal.step is not None
    assert refusal.step.name == f"appraisal.{wanted[1:].partition(':')[0]}"
    assert refusal.seen
    assert refusal.wanted
    assert refusal.remedy in Remedy


def test_every_rule_has_a_case() -> None:
    named = {case[3][1:].partition(":")[0] for case in CASES} | {"image"}
    assert named == {step.name.removeprefix("appraisal.") for step in STEPS}


PASSES: list[tuple[str, Claims, dict[str, Any]]] = [
    ("debug", tdx(debug=DebugState.ENABLED), {"allow_debug": True}),
    ("debug image", nitro(measurements=(Measurement("pcr0", "", bytes(48)),)), {"allow_debug": 1}),
    ("status", tdx(tcb=Tcb("OutOfDate", (), {})), {"statuses": frozenset({"OutOfDate"})}),
    (
        "advisory",
        tdx(tcb=Tcb("UpToDate", ("A-1",), {})),
        {"advisories": frozenset({"A-1"})},
    ),
    ("any advisory", tdx(tcb=Tcb("UpToDate", ("A-1",), {})), {"advisories": frozenset({"*"})}),
    ("component", snp(), {"minimum_tcb": {"Genoa": {"microcode": 84}, "tdx": {"other": 9}}}),
    ("evaluation number", tdx(), {"minimum_evaluation_number": 18}),
    ("number of another vendor", snp(), {"minimum_evaluation_number": 18}),
    (
        "septve",
        tdx(facts={"production-attributes": True}),
        {"require_sept_ve_disable": False},
    ),
    (
        "attributes",
        tdx(facts={"sept-ve-disable": True}),
        {"require_production_attributes": False},
    ),
    (
        "service TD",
        tdx(measurements=(Measurement("mrservicetd", "", b"\x01"),)),
        {"require_mrservicetd_zero": False},
    ),
    ("vmpl", snp(facts={**snp().facts, "vmpl": 3}), {"vmpls": frozenset({3})}),
    (
        "migration",
        snp(facts={**snp().facts, "policy-migrate-ma": True}),
        {"allow_migration_agent": True},
    ),
    (
        "bit 17",
        snp(facts={**snp().facts, "policy-reserved-17": False}),
        {"require_policy_bit_17": False},
    ),
    ("Milan", snp(facts={**snp().facts, "product-line": "Milan"}), {"banned_product_lines": {}}),
    ("nonce", tpm(facts={"nonce-present": False}), {"require_nonce": False}),
    ("machine", tdx(), {"platform_ids": frozenset({b"\x0a" * 16})}),
    ("issuer", space(facts={"issuer": "https://x"}), {"issuers": frozenset({"https://x"})}),
    ("audience", space(), {"audience": "me"}),
    ("report data", tdx(), {"report_data": b"\x07" * 64, "report_data_prefix": b"\x07"}),
    ("nonce", nitro(facts={"nonce": b"\x02"}), {"nonce": b"\x02"}),
    ("nonce as report data", tpm(report_data=b"\x02"), {"nonce": b"\x02"}),
    ("a nonce in brackets", space(report_data=b"[any"), {"nonce": b"[any"}),
    ("a nonce that is a list", space(report_data=b"[1]"), {"nonce": b"[1]"}),
    ("half a character", space(report_data=b'["\\ud800","a"]'), {"nonce": b"a"}),
    ("a number", space(report_data=b"17"), {"nonce": b"17"}),
    ("brackets", space(report_data=b"[" * 30_000), {"nonce": b"[" * 30_000}),
    ("one of several", space(report_data=b'["first","second"]'), {"nonce": b"second"}),
    (
        "instance with a TPM",
        nitro(tee=Tee.TPM, debug=DebugState.UNKNOWN, measurements=()),
        {},
    ),
    ("user data", nitro(facts={"user-data": b"\x02"}), {"user_data": b"\x02"}),
    ("age", nitro(), {"maximum_age_s": 60}),
    ("format", tdx(), {"formats": frozenset({EvidenceFormat.TDX_QUOTE})}),
]


@pytest.mark.parametrize(
    ("claims", "rules"), [case[1:] for case in PASSES], ids=[case[0] for case in PASSES]
)
def test_what_the_policy_allows_passes(claims: Claims, rules: dict[str, Any]) -> None:
    assert failures(claims, Policy(**rules)) == []


def test_the_ban_of_milan_says_why() -> None:
    result = judge(snp(facts={**snp().facts, "product-line": "Milan"}))
    judgement = found(result, "product line")
    assert "root" not in judgement.seen
    assert "extracted by software" in judgement.reason
    assert judgement.wanted == "none of Milan"


def test_a_report_without_a_product_line_is_refused_and_a_token_unchecked() -> None:
    assert failures(snp(facts={**snp().facts, "product-line": None})) == [
        "/product-line: product line"
    ]
    token = space(tee=Tee.SNP)
    assert found(judge(token), "product line").verdict is Verdict.UNCHECKED


@pytest.mark.parametrize("tee", [Tee.TPM, Tee.SEV])
def test_a_platform_that_protects_less_says_so(tee: Tee) -> None:
    judgement = found(judge(space(tee=tee)), "isolation")
    assert judgement.verdict is Verdict.UNCHECKED
    assert "host" in judgement.reason


def test_without_status_or_minimum_the_firmware_is_unchecked() -> None:
    assert found(judge(snp()), "firmware level").verdict is Verdict.UNCHECKED
    policy = Policy(minimum_tcb={"snp": {"microcode": 1}})
    subjects = {check.judgement.subject for check in judge(snp(), policy).checks}
    assert "firmware level" not in subjects
    assert "TCB component microcode" in subjects


NODE = ReferenceImage("node", {"mrtd": b"\x01" * 48, "rtmr0": b"\x02" * 48})
OTHER = ReferenceImage("other", {"mrtd": b"\x01" * 48, "rtmr0": b"\x09" * 48})
STRANGER = ReferenceImage("stranger", {"mrtd": b"\x08" * 48, "rtmr0": b"\x09" * 48})


def test_one_image_must_match_whole() -> None:
    assert failures(tdx(), images=(STRANGER, NODE)) == []
    assert found(judge(tdx(), images=(NODE,)), "mrtd of image node").verdict is Verdict.PASSED


def test_of_other_images_the_nearest_is_shown() -> None:
    assert failures(tdx(), images=(STRANGER, OTHER)) == ["/image: rtmr0 of image other"]
    judgement = found(judge(tdx(), images=(STRANGER, OTHER)), "rtmr0 of image other")
    assert (judgement.seen, judgement.wanted) == ("02" * 48, "09" * 48)
    assert judgement.remedy is Remedy.ADD_IMAGE
    absent = ReferenceImage("absent", {"rtmr9": b"\x01"})
    assert found(judge(tdx(), images=(absent,)), "rtmr9 of image absent").seen == "absent"


def test_submodules_are_appraised_and_their_registers_compared() -> None:
    hardware = snp(unchecked=(Unchecked("revocation", "no list"),))
    azure = replace(
        hardware,
        format=EvidenceFormat.AZURE_HCL,
        facts={},
        measurements=(),
        unchecked=(),
        submodules={"hardware": hardware, "vtpm": tpm(facts={"nonce-present": False})},
    )
    image = ReferenceImage("cvm", {"hardware/measurement": b"\x03" * 48, "vtpm/pcr4": b"\x05" * 32})
    assert failures(azure, images=(image,)) == ["vtpm/nonce: nonce-present"]
    result = judge(azure, images=(image,))
    assert Unchecked("hardware: revocation", "no list") in result.unchecked
    with pytest.raises(Unacceptable) as caught:
        result.require()
    assert caught.value.subject == "vtpm: nonce-present"


def test_a_register_in_two_algorithms_matches_by_either() -> None:
    both = tpm(
        measurements=(Measurement("pcr4", "sha1", b"\x01"), Measurement("pcr4", "sha256", b"\x02"))
    )
    for value in (b"\x01", b"\x02"):
        assert failures(both, images=(ReferenceImage("pc", {"pcr4": value}),)) == []
    judgement = found(
        judge(both, images=(ReferenceImage("pc", {"pcr4": b"\x03"}),)), "pcr4 of image pc"
    )
    assert judgement.seen == "01 or 02"
