"""What people are told."""

import pytest

from oracle.attestation.appraisal.appraise import appraise
from oracle.attestation.appraisal.explanation import (
    describe,
    explain_refusal,
    explain_result,
    name_root,
)
from oracle.attestation.appraisal.policy import Policy, ReferenceImage
from oracle.attestation.claims import Claims, Measurement, Tcb, Tee, Unchecked
from oracle.attestation.findings import (
    Expired,
    Malformed,
    Refusal,
    Remedy,
    Step,
    Unacceptable,
    Unsigned,
)
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots, vendor_roots
from tests.fakes.claims import NOW, snp, tdx, tpm
from tests.fakes.x509_authority import make_certificate

STEPS = (
    Step(1, "tdx.shape", "The quote is whole."),
    Step(2, "tdx.chain", "Intel vouches for the machine's key."),
)


def explained(claims: Claims, policy: Policy, roots: Roots = Roots()) -> str:  # noqa: B008 - frozen
    return "\n".join(explain_result(appraise(claims, policy, (), now=NOW), STEPS, roots))


@pytest.mark.parametrize("kind", [Malformed, Unsigned, Expired, Unacceptable])
def test_a_refusal_says_what_failed_and_what_to_do(kind: type[Refusal]) -> None:
    refusal = kind(
        "serial 17", "none revoked", subject="mrtd of it", remedy=Remedy.FULL_CHAIN, step=STEPS[1]
    )
    text = "\n".join(explain_refusal(refusal, STEPS))
    for wanted in (
        "REFUSED at step 2 of 2, tdx.chain",
        "Intel vouches for the machine's key. This could not be established.",
        "which means",
        "mrtd of it (the hash of the guest's memory",
        "serial 17",
        "none revoked",
        Remedy.FULL_CHAIN,
        "Established before it",
        " 1 The quote is whole.",
    ):
        assert wanted in text
    assert " 2 Intel" not in text


def test_a_refusal_in_a_part_says_where_in_the_whole() -> None:
    inner = Step(8, "snp.signature", "The chip signed the report.")
    refusal = Unsigned("none", "one", subject="report", remedy=Remedy.FULL_CHAIN, step=inner)
    alone = "\n".join(explain_refusal(refusal, STEPS))
    assert alone.startswith("REFUSED at step 8, snp.signature\n")
    assert "Established" not in alone
    refusal.within = STEPS[1]
    text = "\n".join(explain_refusal(refusal, STEPS))
    for wanted in (
        "REFUSED at step 2 of 2, tdx.chain",
        "step 8, snp.signature: The chip signed the report.",
        " 1 The quote is whole.",
    ):
        assert wanted in text


def test_a_refusal_before_any_step_has_no_number() -> None:
    refusal = Malformed("1 byte", "evidence", subject="format", remedy=Remedy.RIGHT_FORMAT)
    text = "\n".join(explain_refusal(refusal, ()))
    assert text.startswith("REFUSED\n")
    assert "Established" not in text


def test_success_says_what_is_proved_and_what_was_not_checked() -> None:
    claims = tdx(unchecked=(Unchecked("revocation", "no list"),))
    text = explained(claims, Policy())
    for wanted in (
        "ACCEPTED: genuine evidence of an Intel TDX trust domain",
        "a key that came with the evidence",
        " 1 The quote is whole.",
        " 2 Intel vouches",
        "mrtd                " + "01" * 48 + " (the hash",
        "UpToDate (the vendor knows no open fault of it); tee_tcb_svn_0 5",
        "made at             not stated",
        "valid until         2027-01-16T08:00:00+00:00",
        "TCB status is UpToDate",
        "NOT checked:",
        "revocation: no list",
        "image: no reference values",
    ):
        assert wanted in text
    assert "asks less" not in text


def test_a_refusal_by_the_policy_names_check_reason_and_module() -> None:
    milan = snp(facts={**snp().facts, "product-line": "Milan"})
    whole = snp(submodules={"hardware": milan}, facts=snp().facts)
    text = explained(whole, Policy(allow_debug=True))
    for wanted in (
        "REFUSED by the policy: genuine evidence of an AMD SEV-SNP guest",
        "appraisal.product-line, failed",
        "hardware: product line (the generation of the processor)",
        "because             in May 2026",
        Remedy.OTHER_HARDWARE,
        "asks less than the strict defaults",
        "Debug mode is accepted",
        "hardware: vmpl is 0",
        "hardware: an AMD SEV-SNP guest",
    ):
        assert wanted in text


def test_nothing_judged_is_said_too() -> None:
    odd = tpm(
        facts={"raw": b"\x01", "nonce-present": True, "claims.iat": 7},
        tee=Tee.TPM,
        issued_at=10**18,
        report_data=b"a nonce",
    )
    lines = list(describe(odd))
    assert f"report data         {b'a nonce'.hex()} (the text a nonce)" in lines
    assert not [line for line in lines if "claims." in line]
    assert "raw                 01" in lines
    assert f"made at             {10**18} s after 1970" in lines
    assert "machine             not named" in lines


def test_a_policy_of_all_there_is_leaves_nothing_unchecked() -> None:
    claims = tdx(issued_at=NOW)
    policy = Policy(
        platform_ids=frozenset({claims.hardware_id}),
        report_data=claims.report_data,
        maximum_age_s=1,
        issuers=frozenset(),
    )
    image = ReferenceImage("node", {"mrtd": b"\x01" * 48})
    result = appraise(claims, policy, (image,), now=NOW)
    text = "\n".join(explain_result(result, STEPS, Roots()))
    assert "Nothing was left unchecked." in text
    assert "NOT checked" not in text
    other = appraise(claims, policy, (ReferenceImage("x", {"mrtd": b"\x02"}),), now=NOW)
    text = "\n".join(explain_result(other, STEPS, Roots()))
    assert "mrtd of image x" in text
    assert "because" not in text


def test_a_root_is_named_by_whose_it_is() -> None:
    intel = vendor_roots()[0]
    own = Root(Anchors.INTEL_SGX, "test", make_certificate("root").der)
    roots = Roots((intel, own), (PinnedKey(b"key"),))
    assert name_root(intel.id, roots).startswith(f"Intel's root {intel.id.hex()}, published at")
    assert name_root(own.id, roots).startswith("a root that you brought, NOT")
    assert name_root(PinnedKey(b"key").id, roots).startswith("a key that you pinned, NOT")


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("OutOfDate", Remedy.UPDATE_FIRMWARE),
        ("ConfigurationNeeded", Remedy.RECONFIGURE_PLATFORM),
        ("SWHardeningNeeded", Remedy.AWAIT_TCB_RECOVERY),
        ("Revoked", Remedy.REPLACE_MACHINE),
    ],
)
def test_what_to_do_depends_on_the_firmwares_status(status: str, wanted: Remedy) -> None:
    text = explained(tdx(tcb=Tcb(status, ("INTEL-SA-1",), {})), Policy())
    assert wanted in text
    assert f"firmware            {status} (" in text
    assert "; INTEL-SA-1" in text


def test_the_component_that_falls_short_is_named() -> None:
    facts = {**tdx().facts, "tcb-shortfall": "SGX TCB component 7 is 0, wanted 12"}
    text = explained(tdx(tcb=Tcb("OutOfDate", (), {}), facts=facts), Policy())
    assert "because             SGX TCB component 7 is 0, wanted 12" in text
    assert "seen                OutOfDate (it has known faults that an update mends)" in text


def test_a_submodule_says_only_what_is_new() -> None:
    inner = tdx(measurements=(*tdx().measurements, Measurement("extra", "", b"\x01")))
    lines = list(describe(tdx(submodules={"hardware": inner})))
    assert [line[:5] for line in lines].count("mrtd ") == 1
    assert "extra               01" in lines
    assert "hardware: an Intel TDX" in "".join(lines)


def test_a_status_that_is_not_known_is_shown_as_it_is() -> None:
    assert "firmware            Shiny; INTEL" in explained(
        tdx(tcb=Tcb("Shiny", ("INTEL",), {})), Policy()
    )
