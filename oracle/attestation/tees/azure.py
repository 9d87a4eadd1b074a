"""Confidential VMs of Azure: AMD SEV-SNP and Intel TDX below Microsoft's paravisor (HCL).

The guest cannot ask the hardware for a report. The paravisor does, over JSON that names the key of
the virtual TPM it keeps for the guest, and stores both in that TPM; the guest has that TPM quote
its registers and a nonce. So hardware vouches for the paravisor and its JSON, the JSON for the
TPM's key, and the key for registers and nonce. What that is worth rests on the paravisor being one
of Microsoft's: its measurement (`measurement`, `mrtd`) is for reference values.

Reference: Microsoft OpenVMM, `openhcl_attestation_protocol::igvm_attest::get`; Azure documentation
"Guest attestation for confidential VMs" and "Trusted launch" (roots of virtual TPMs); for hardware
and TPM those of `snp`, `tdx`, `tpm_quotes`.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from oracle.attestation.claims import Claims, Fact, Unchecked
from oracle.attestation.codecs.chains import Chain
from oracle.attestation.codecs.dcap import report_body
from oracle.attestation.codecs.hcl import (
    Hardware,
    HclReport,
    RuntimeData,
    parse_hcl_report,
    parse_runtime_data,
    quote_body,
    show_hcl_report,
    show_td_report,
)
from oracle.attestation.codecs.json_tree import json_node
from oracle.attestation.codecs.strict_json import parse_object
from oracle.attestation.codecs.tpm import show_pcr_values, show_quote, show_signature
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.findings import (
    Malformed,
    Remedy,
    Step,
    Unacceptable,
    Unsigned,
    performing,
)
from oracle.attestation.roots import Anchors, Roots
from oracle.attestation.tees import snp, tdx
from oracle.attestation.tees.attestation_keys import (
    certificate_facts,
    certified_key,
    has_key,
    is_for_attestation,
    load_certificates,
)
from oracle.attestation.tees.tpm_quotes import (
    QuoteSteps,
    SignedQuote,
    check_event_log,
    check_quote,
    quote_claims,
    read_quote,
)

FORMAT: Final = Step(
    1, "azure.format", "The paravisor's report, its JSON and the TPM's quote are well formed."
)
HARDWARE: Final = Step(
    2, "azure.hardware", "There is a report or quote of the hardware, and it is genuine."
)
TD_REPORT: Final = Step(
    3, "azure.td-report", "The TDX quote is of the trust domain that the paravisor's report is of."
)
PARAVISOR: Final = Step(
    4, "azure.paravisor", "The hardware's report was asked for by the paravisor, not by the guest."
)
RUNTIME_DATA: Final = Step(
    5, "azure.runtime-data", "The hardware's report data are the hash of the paravisor's JSON."
)
ATTESTATION_KEY: Final = Step(
    6,
    "azure.attestation-key",
    "If the TPM's key has a certificate, it is of the key in the JSON, up to Azure's root.",
)
SIGNATURE: Final = Step(7, "azure.signature", "The TPM's key signed the quote.")
GENERATED: Final = Step(8, "azure.generated", "The TPM itself made what the key signed.")
REGISTERS: Final = Step(9, "azure.registers", "The registers' values are those that were quoted.")
EVENT_LOG: Final = Step(
    10, "azure.event-log", "The event log explains the registers that it names."
)
STEPS: Final = (
    FORMAT,
    HARDWARE,
    TD_REPORT,
    PARAVISOR,
    RUNTIME_DATA,
    ATTESTATION_KEY,
    SIGNATURE,
    GENERATED,
    REGISTERS,
    EVENT_LOG,
)
_QUOTE_STEPS: Final = QuoteSteps(SIGNATURE, GENERATED, REGISTERS)
_REPORT_DATA_SIZE: Final = 64


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that a confidential VM's TPM quoted these registers, and what keeps that TPM.

    1. azure.format: HCL report, runtime data, quote, signature and registers are well formed.
    2. azure.hardware: the SNP report, or the quote in `Part.TD_QUOTE`, is genuine: refusals are
       those of `snp` and `tdx` and name their steps, within this one.
    3. azure.td-report: the TDX quote's body is that of the TDREPORT in the HCL report.
    4. azure.paravisor: an SNP report is of VMPL 0, where the guest does not run.
    5. azure.runtime-data: report data are SHA-256 of the runtime data, and 32 zeros.
    6. azure.attestation-key: a certificate of an attestation key, if one is given, is of `HCLAkPub`
       and chains to a root of `Anchors.AZURE_VTPM`.
    7. azure.signature: `HCLAkPub` signed the quote.
    8. azure.generated: the quote says TPM_GENERATED.
    9. azure.registers: the values hash to the quote's digest.
    10. azure.event-log: `Part.EVENT_LOG`, if given, replays to the registers that it extends.

    Not established: that the paravisor is Microsoft's, that the nonce is yours (compare
    `report_data`), when the hardware's report was made (the TPM keeps it since boot, or since the
    guest last wrote user data).

    Args:
        evidence: HCL report; `Part.TPM_QUOTE`, `Part.TPM_SIGNATURE`, with TDX `Part.TD_QUOTE`, and
            perhaps `Part.PCR_VALUES`, `Part.EVENT_LOG`.
        endorsements: Certificates and lists for SNP, or Intel's collateral; perhaps the certificate
            of the attestation key and its issuers.
        roots: Trusted.
        now: Seconds since the epoch.

    Returns:
        Claims of the machine, with those of `hardware` and `vtpm` as submodules.

    Raises:
        Refusal: With its step.
    """
    parts = evidence.parts
    # 1.
    with performing(FORMAT, subject="HCL report"):
        report = parse_hcl_report(evidence.raw)
        runtime = parse_runtime_data(report.runtime_data)
        signed = read_quote(
            _part(parts, Part.TPM_QUOTE), parts.get(Part.TPM_SIGNATURE), parts.get(Part.PCR_VALUES)
        )
    # 2. and 3.
    hardware = _hardware(report, parts, endorsements, roots, now)
    # 4.
    _check_paravisor(hardware)
    # 5.
    _check_runtime_data(report, hardware)
    # 6.
    with performing(ATTESTATION_KEY, subject="attestation key"):
        chain = _certified(runtime, endorsements, roots, now)
    # 7. to 9.
    check_quote(signed, runtime.attestation_key, _QUOTE_STEPS)
    # 10.
    log = parts.get(Part.EVENT_LOG)
    explained = None if log is None else check_event_log(log, signed, EVENT_LOG)
    return _claims(hardware, _vtpm(signed, runtime, hardware, chain, explained), runtime)


def show(evidence: Evidence) -> Node:
    """The paravisor's report and its parts as a tree; nothing is verified.

    Raises:
        MalformedEvidence: A part that does not decode.
    """
    report, parts = parse_hcl_report(evidence.raw), evidence.parts
    shown = [
        show_hcl_report(evidence.raw),
        json_node("runtime data", parse_object(report.runtime_data, most=len(evidence.raw))),
    ]
    if report.hardware is Hardware.SNP:
        shown.append(snp.show(Evidence(EvidenceFormat.SNP_REPORT, report.report)))
    else:
        shown.append(show_td_report(report.report))
    if Part.TD_QUOTE in parts:
        shown.append(tdx.show(Evidence(EvidenceFormat.TDX_QUOTE, parts[Part.TD_QUOTE])))
    for part, tree in (
        (Part.TPM_QUOTE, show_quote),
        (Part.TPM_SIGNATURE, show_signature),
        (Part.PCR_VALUES, show_pcr_values),
    ):
        if part in parts:
            shown.append(tree(parts[part]))
    return Node("Azure confidential VM", children=tuple(shown))


def _part(parts: Mapping[Part, bytes], part: Part) -> bytes:
    if part not in parts:
        raise Malformed("nothing", "its file", subject=part, remedy=Remedy.NEW_EVIDENCE)
    return parts[part]


def _hardware(
    report: HclReport,
    parts: Mapping[Part, bytes],
    endorsements: Endorsements,
    roots: Roots,
    now: int,
) -> Claims:
    if report.hardware is Hardware.SNP:
        # 2.
        evidence = Evidence(EvidenceFormat.SNP_REPORT, report.report)
        with performing(HARDWARE, subject="SNP report"):
            return snp.verify(evidence, endorsements, roots=roots, now=now)
    # 2.
    with performing(HARDWARE, subject="TDX quote"):
        quote = _part(parts, Part.TD_QUOTE)
        evidence = Evidence(EvidenceFormat.TDX_QUOTE, quote)
        claims = tdx.verify(evidence, endorsements, roots=roots, now=now)
    # 3.
    body = report_body(quote)
    wanted = quote_body(report.report)[: len(body)]
    if body != wanted:
        at = next(
            at for at, pair in enumerate(zip(body, wanted, strict=True)) if len(set(pair)) > 1
        )
        raise Unsigned(
            f"another from byte {at} of the body",
            "the quote of the TDREPORT in the HCL report",
            subject="TDX quote",
            remedy=Remedy.NEW_EVIDENCE,
            step=TD_REPORT,
        )
    return claims


def _check_paravisor(hardware: Claims) -> None:
    level = hardware.facts.get("vmpl", 0)
    if level != 0:
        raise Unacceptable(
            f"VMPL {level!r}",
            "VMPL 0, that of the paravisor",
            subject="privilege level of the SNP report",
            remedy=Remedy.NEW_EVIDENCE,
            step=PARAVISOR,
        )


def _check_runtime_data(report: HclReport, hardware: Claims) -> None:
    wanted = hashlib.sha256(report.runtime_data).digest().ljust(_REPORT_DATA_SIZE, b"\0")
    if hardware.report_data != wanted:
        raise Unsigned(
            hardware.report_data.hex(),
            f"{wanted.hex()}, SHA-256 of the runtime data and zeros",
            subject="report data of the hardware",
            remedy=Remedy.NEW_EVIDENCE,
            step=RUNTIME_DATA,
        )


def _certified(
    runtime: RuntimeData, endorsements: Endorsements, roots: Roots, now: int
) -> Chain | None:
    """The chain of the attestation key's certificate; None if no such certificate was brought."""
    key = runtime.attestation_key
    certificates = load_certificates(endorsements)
    if not any(has_key(each, key) or is_for_attestation(each) for each in certificates):
        return None
    return certified_key(key, endorsements, roots.of(Anchors.AZURE_VTPM), now)


def _vtpm(
    signed: SignedQuote,
    runtime: RuntimeData,
    hardware: Claims,
    chain: Chain | None,
    explained: Mapping[str, Fact] | None,
) -> Claims:
    unchecked: tuple[Unchecked, ...] = ()
    if chain is None:
        reason = "none was given: the hardware's report alone vouches for the virtual TPM's key"
        unchecked = (Unchecked("certificate of the attestation key", reason),)
    elif not chain.has_crls[0]:
        reason = "no list of its issuer was given"
        unchecked = (Unchecked("revocation of the attestation key", reason),)
    return quote_claims(
        signed,
        runtime.attestation_key,
        root_id=hashlib.sha256(chain.root_der).digest() if chain else hardware.root_id,
        expires_at=chain.expires_at if chain else hardware.expires_at,
        log=explained,
        more=certificate_facts(chain) if chain else None,
        unchecked=unchecked,
    )


def _claims(hardware: Claims, vtpm: Claims, runtime: RuntimeData) -> Claims:
    ends = [claims.expires_at for claims in (hardware, vtpm) if claims.expires_at is not None]
    facts: dict[str, Fact] = {f"vm-{name}": value for name, value in runtime.settings.items()}
    unchecked = [
        Unchecked(
            "time of the hardware's report",
            "the TPM keeps it since boot, or since user data were last written: only the nonce is"
            " recent",
        )
    ]
    if runtime.user_data is None:
        unchecked.append(Unchecked("user data", "this paravisor's report has none"))
    else:
        facts["user-data"] = runtime.user_data
    return Claims(
        format=EvidenceFormat.AZURE_HCL,
        tee=hardware.tee,
        root_id=hardware.root_id,
        measurements=(*hardware.measurements, *vtpm.measurements),
        tcb=hardware.tcb,
        debug=hardware.debug,
        hardware_id=hardware.hardware_id,
        report_data=vtpm.report_data,
        issued_at=None,
        expires_at=min(ends),
        facts=facts,
        submodules={"hardware": hardware, "vtpm": vtpm},
        unchecked=tuple(unchecked),
    )
