import hashlib
import random
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.claims import Claims, DebugState, Tee
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.findings import Malformed, Refusal, Unacceptable, Unsigned
from oracle.attestation.tees import azure
from oracle.devnet.silicon.amd import GENOA
from oracle.devnet.silicon.quotes import QuoteForm
from tests.fakes import tpm_evidence
from tests.fakes.amd import amd_roots
from tests.fakes.azure_evidence import (
    AK,
    CA,
    EK,
    MRTD,
    ROOT,
    RUNTIME,
    Case,
    ak_certificate,
    td_body,
)
from tests.fakes.event_logs import extended, log_event, log_header
from tests.fakes.hcl_reports import SETTINGS, USER_DATA, report_data, runtime_data
from tests.fakes.intel_evidence import roots_of, vendor
from tests.fakes.x509_authority import END, NOW, make_certificate

TDX_FORMS = (QuoteForm.TDX_V4, QuoteForm.TDX_V5_TD10, QuoteForm.TDX_V5_TD15)
OTHER = tpm_evidence.rsa_key("other")
BANK = tpm_evidence.registers()


def _unchecked(claims: Claims) -> list[str]:
    return [item.what for item in claims.unchecked]


def test_a_machine_on_snp_is_claimed_field_by_field() -> None:
    claims = Case().verify()
    hardware, vtpm = claims.submodules["hardware"], claims.submodules["vtpm"]
    root_id = amd_roots(GENOA).certificates[0].id
    assert (hardware.format, hardware.tee) == (EvidenceFormat.SNP_REPORT, Tee.SNP)
    assert hardware.report_data == report_data(RUNTIME)
    assert (vtpm.format, vtpm.tee) == (EvidenceFormat.TPM_QUOTE, Tee.TPM)
    assert vtpm.hardware_id == hashlib.sha256(tpm_evidence.der(AK)).digest()
    assert (vtpm.root_id, vtpm.expires_at) == (root_id, hardware.expires_at)
    assert vtpm.facts["nonce-present"] is True
    assert _unchecked(vtpm) == ["event log", "certificate of the attestation key"]
    assert replace(claims, submodules={}, unchecked=()) == Claims(
        format=EvidenceFormat.AZURE_HCL,
        tee=Tee.SNP,
        root_id=root_id,
        measurements=(*hardware.measurements, *vtpm.measurements),
        tcb=hardware.tcb,
        debug=DebugState.DISABLED,
        hardware_id=hardware.hardware_id,
        report_data=b"nonce of the caller",
        issued_at=None,
        expires_at=hardware.expires_at,
        facts={
            "user-data": USER_DATA,
            "vm-root-cert-thumbprint": "",
            "vm-console-enabled": True,
            "vm-secure-boot": True,
            "vm-tpm-enabled": True,
            "vm-tpm-persisted": False,
            "vm-unique-id": SETTINGS["vmUniqueId"],
        },
    )
    assert claims.measurement("measurement") == b"\x11" * 48
    assert claims.measurement("pcr7", "sha256") == BANK[7]
    assert _unchecked(claims) == ["time of the hardware's report"]


@pytest.mark.parametrize("form", TDX_FORMS)
def test_a_machine_on_tdx_is_claimed(form: QuoteForm) -> None:
    claims = Case(form=form).verify()
    hardware = claims.submodules["hardware"]
    assert (claims.tee, hardware.tee) == (Tee.TDX, Tee.TDX)
    assert hardware.format is EvidenceFormat.TDX_QUOTE
    assert claims.root_id == roots_of(vendor()).certificates[0].id
    assert claims.measurement("mrtd") == MRTD
    assert claims.tcb is not None
    assert claims.tcb.status == "UpToDate"
    assert claims.facts["user-data"] == USER_DATA


def test_an_older_paravisor_has_no_user_data() -> None:
    claims = Case(runtime=runtime_data(AK, EK, user_data=None), hcl={"version": 1}).verify()
    assert "user-data" not in claims.facts
    assert "user data" in _unchecked(claims)


def test_the_keys_certificate_is_held_against_the_paravisors_word() -> None:
    claims = Case(brought=(ak_certificate().der, CA.der)).verify()
    vtpm = claims.submodules["vtpm"]
    assert vtpm.root_id == hashlib.sha256(ROOT.der).digest()
    assert claims.expires_at == vtpm.expires_at == int(END.timestamp())
    assert vtpm.facts["ak-certificate-subject"] == "CN=virtual TPM"
    assert vtpm.facts["ak-certificate-issuer"] == "CN=issuer of virtual TPMs"
    assert _unchecked(vtpm) == ["event log", "revocation of the attestation key"]


def test_a_list_of_the_keys_issuer_is_used() -> None:
    crl = CA.revoke(5, begin=NOW, end=END).public_bytes(Encoding.DER)
    claims = Case(brought=(ak_certificate().der, CA.der), crls=(crl,)).verify()
    assert _unchecked(claims.submodules["vtpm"]) == ["event log"]


LOG = log_header(("sha256",)) + log_event(4, b"loader", algorithms=("sha256",))
BOOTED = tpm_evidence.Quoting(banks={"sha256": {4: extended("sha256", b"loader"), 9: BANK[9]}})


def test_an_event_log_explains_registers() -> None:
    claims = Case(quoting=BOOTED, parts={Part.EVENT_LOG: LOG}).verify()
    assert claims.submodules["vtpm"].facts["event-log-registers"] == "4"


def test_registers_may_be_missing() -> None:
    claims = Case(parts={Part.PCR_VALUES: None}).verify()
    assert claims.measurement("pcr7") is None
    assert claims.measurement("pcr-digest") is not None
    assert "PCR values" in _unchecked(claims.submodules["vtpm"])


_OTHER_BODY = td_body(
    QuoteForm.TDX_V4, report_data(RUNTIME), tee_tcb_svn=bytes([5, 0, 7, *bytes(13)])
)

#: Step -> evidence that fails it alone.
BROKEN: dict[str, tuple[Case, type[Refusal]]] = {
    "azure.format": (Case(hcl={"version": 3}), Malformed),
    "azure.hardware": (Case(form=QuoteForm.TDX_V4, parts={Part.TD_QUOTE: None}), Malformed),
    "azure.td-report": (
        Case(
            form=QuoteForm.TDX_V4,
            parts={Part.TD_QUOTE: vendor().sign_body(QuoteForm.TDX_V4, _OTHER_BODY)},
        ),
        Unsigned,
    ),
    "azure.paravisor": (Case(report={"vmpl": 2}), Unacceptable),
    "azure.runtime-data": (Case(data=report_data(RUNTIME + b" ")), Unsigned),
    "azure.attestation-key": (Case(brought=(ak_certificate(OTHER).der, CA.der)), Unsigned),
    "azure.signature": (Case(key=OTHER), Unsigned),
    "azure.generated": (Case(quoting=tpm_evidence.Quoting(magic=0)), Unsigned),
    "azure.registers": (
        Case(
            parts={Part.PCR_VALUES: tpm_evidence.Quoting({"sha256": {**BANK, 4: bytes(32)}}).values}
        ),
        Unsigned,
    ),
    "azure.event-log": (
        Case(
            quoting=BOOTED, parts={Part.EVENT_LOG: LOG + log_event(4, b"x", algorithms=("sha256",))}
        ),
        Unsigned,
    ),
}


def test_every_step_has_its_case() -> None:
    assert list(BROKEN) == [step.name for step in azure.STEPS]
    assert [step.number for step in azure.STEPS] == list(range(1, len(azure.STEPS) + 1))


@pytest.mark.parametrize("name", BROKEN)
def test_each_step_refuses_its_case(name: str) -> None:
    case, kind = BROKEN[name]
    with pytest.raises(kind) as refusal:
        case.verify()
    assert refusal.value.step is not None
    assert refusal.value.step.name == name


STRANGER = make_certificate("another root").issue("virtual TPM", key=AK, is_ca=False)


@pytest.mark.parametrize(
    ("case", "step"),
    [
        (Case(parts={Part.TPM_QUOTE: None}), "azure.format"),
        (Case(parts={Part.TPM_SIGNATURE: None}), "azure.format"),
        (Case(parts={Part.TPM_QUOTE: b"none"}), "azure.format"),
        (Case(parts={Part.PCR_VALUES: b"none"}), "azure.format"),
        (Case(runtime=b"{}"), "azure.format"),
        (Case(data=report_data(RUNTIME)[:63] + b"\1"), "azure.runtime-data"),
        (Case(form=QuoteForm.TDX_V4, data=bytes(64)), "azure.runtime-data"),
        (Case(brought=(STRANGER.der,)), "azure.attestation-key"),
        (Case(brought=(ak_certificate().der,)), "azure.attestation-key"),
        (Case(brought=(b"none",)), "snp.signing-key"),
        (Case(form=QuoteForm.TDX_V4, brought=(b"none",)), "azure.attestation-key"),
        (Case(report={"signing_key": 7}), "snp.signing-key"),
        (Case(form=QuoteForm.TDX_V4, parts={Part.TD_QUOTE: b"none"}), "tdx.quote-format"),
        (Case(quoting=BOOTED, parts={Part.EVENT_LOG: b"none"}), "azure.event-log"),
    ],
)
def test_what_else_a_step_refuses(case: Case, step: str) -> None:
    with pytest.raises(Refusal) as refusal:
        case.verify()
    assert refusal.value.step is not None
    assert refusal.value.step.name == step
    assert refusal.value.within is (None if step.startswith("azure.") else azure.HARDWARE)


def test_report_and_quote_of_two_machines_do_not_fit() -> None:
    first = Case(form=QuoteForm.TDX_V4)
    second = Case(form=QuoteForm.TDX_V4, runtime=runtime_data(OTHER, EK))
    evidence = first.evidence
    parts = {**evidence.parts, Part.TD_QUOTE: second.evidence.parts[Part.TD_QUOTE]}
    with pytest.raises(Unsigned) as refusal:
        first.verify(replace(evidence, parts=parts))
    assert refusal.value.step is azure.TD_REPORT
    assert "from byte 520 of the body" in refusal.value.seen


def _accepted(
    case: Case, evidence: Evidence, part: Part | None, positions: Any
) -> dict[int, Claims]:
    """What is accepted with one bit flipped, by the byte's offset."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    choose = random.Random(seed)
    raw = evidence.raw if part is None else evidence.parts[part]
    accepted: dict[int, Claims] = {}
    for at in positions:
        changed = bytearray(raw)
        changed[at] ^= 1 << choose.randrange(8)
        flipped = (
            replace(evidence, raw=bytes(changed))
            if part is None
            else replace(evidence, parts={**evidence.parts, part: bytes(changed)})
        )
        try:
            accepted[at] = case.verify(flipped)
        except Refusal:
            continue
    return accepted


#: Header: status and reserved words, which nothing signs.
_HEADER = set(range(16, 32))
_SLOT = 32
#: TDREPORT: report data, TEE_TCB_INFO from tee_tcb_svn to attributes, TDINFO up to RTMR3.
_REPEATED = {_SLOT + at for at in (*range(128, 192), *range(264, 384), *range(512, 912))}


def test_no_flipped_bit_of_an_snp_machines_report_is_accepted() -> None:
    case = Case()
    evidence = case.evidence
    claims = case.verify(evidence)
    accepted = _accepted(case, evidence, None, range(len(evidence.raw)))
    assert accepted.keys() == _HEADER
    assert all(found == claims for found in accepted.values())


def test_no_flipped_bit_that_a_tdx_quote_repeats_is_accepted() -> None:
    """The rest of a TDREPORT (hashes, MAC, what a quote leaves out) is checked by nobody."""
    case = Case(form=QuoteForm.TDX_V4)
    evidence = case.evidence
    claims = case.verify(evidence)
    assert not _accepted(case, evidence, None, sorted(_REPEATED))
    left_out = sorted(set(range(_SLOT, _SLOT + 1024)) - _REPEATED)[::16]
    accepted = _accepted(case, evidence, None, left_out)
    assert [*accepted] == left_out
    assert all(found == claims for found in accepted.values())


def test_no_flipped_bit_of_quote_or_signature_is_accepted() -> None:
    case = Case()
    evidence = case.evidence
    for part in (Part.TPM_QUOTE, Part.TPM_SIGNATURE):
        assert not _accepted(case, evidence, part, range(len(evidence.parts[part])))


@pytest.mark.parametrize(
    ("form", "hardware"), [(GENOA, 1), (QuoteForm.TDX_V4, 2)], ids=["snp", "tdx"]
)
def test_all_parts_are_shown(form: Any, hardware: int) -> None:
    shown = azure.show(Case(form=form).evidence)
    names = [child.name for child in shown.children]
    assert names[:2] == ["HCL report", "runtime data"]
    assert names[2 + hardware :] == ["TPMS_ATTEST", "TPMT_SIGNATURE", "PCR values"]
    assert [child.name for child in shown.children[1].children] == [
        "keys",
        "vm-configuration",
        "user-data",
    ]


def test_showing_verifies_nothing_and_refuses_what_does_not_decode() -> None:
    case = BROKEN["azure.runtime-data"][0]
    alone = Evidence(EvidenceFormat.AZURE_HCL, case.evidence.raw)
    assert len(azure.show(alone).children) == 3
    with pytest.raises(MalformedEvidence):
        azure.show(Evidence(EvidenceFormat.AZURE_HCL, b""))
