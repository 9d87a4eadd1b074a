"""Quotes of a Google Compute Engine machine's virtual TPM, perhaps with its hardware's report.

The virtual TPM is Google's: that it measured the boot right and keeps its keys is Google's word.
What protects the machine's memory, the hardware vendor says in the report, if one is given.

Reference: TCG TPM 2.0 Library, revision 1.59, part 1 "Architecture"; Google Cloud, "Verify virtual
TPM attestation keys" (certificates of AKs and EKs, EK/AK CA Root); go-tpm-tools, `server/`.
"""

import hashlib
from dataclasses import replace
from typing import Final

from cryptography import x509

from oracle.attestation import tees
from oracle.attestation.claims import Claims, Fact, Unchecked
from oracle.attestation.codecs.certificates import name_of
from oracle.attestation.codecs.chains import Chain
from oracle.attestation.codecs.gce_instance import Instance, parse_instance
from oracle.attestation.codecs.tpm_keys import PublicKey, TpmPublic, parse_key
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.findings import Malformed, Remedy, Step, Unsigned, performing
from oracle.attestation.roots import Anchors, Roots
from oracle.attestation.tees import tpm
from oracle.attestation.tees.attestation_keys import (
    certified_key,
    load_certificates,
    public_key,
)
from oracle.attestation.tees.detection import detect
from oracle.attestation.tees.tpm_quotes import (
    QuoteSteps,
    check_event_log,
    check_quote,
    quote_claims,
    read_quote,
)

FORMAT: Final = Step(
    1, "google-vtpm.format", "The quote, its signature and its registers are well formed."
)
AK_CHAIN: Final = Step(
    2,
    "google-vtpm.ak-chain",
    "Google's EK/AK root certifies the attestation key; nothing on the way is outdated or revoked.",
)
INSTANCE: Final = Step(
    3, "google-vtpm.instance", "The certificate is for an instance's production virtual TPM."
)
SIGNATURE: Final = Step(4, "google-vtpm.signature", "The attestation key signed the quote.")
GENERATED: Final = Step(5, "google-vtpm.generated", "The TPM itself made what the key signed.")
REGISTERS: Final = Step(
    6, "google-vtpm.registers", "The registers' values are those that the TPM quoted."
)
EVENT_LOG: Final = Step(
    7, "google-vtpm.event-log", "The event log explains the registers that it names."
)
BINDING: Final = Step(
    8, "google-vtpm.hardware-binding", "The quote was asked for with the hash of the report given."
)
HARDWARE: Final = Step(9, "google-vtpm.hardware", "The report of the hardware is genuine.")
STEPS: Final[tuple[Step, ...]] = (
    FORMAT,
    AK_CHAIN,
    INSTANCE,
    SIGNATURE,
    GENERATED,
    REGISTERS,
    EVENT_LOG,
    BINDING,
    HARDWARE,
)

_QUOTE_STEPS: Final = QuoteSteps(SIGNATURE, GENERATED, REGISTERS)
_HARDWARE: Final = (EvidenceFormat.SNP_REPORT, EvidenceFormat.TDX_QUOTE)


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that the virtual TPM of a Compute Engine instance quoted these registers.

    Steps:
        1. The quote (TPMS_ATTEST), `Part.TPM_SIGNATURE`, `Part.PCR_VALUES` and `Part.AK_PUBLIC`, as
           far as given, decode.
        2. A certificate of the key chains to a root of `Anchors.GOOGLE_VTPM`; all in date, none on
           a list that is given. Without `Part.AK_PUBLIC` it is the one certificate of an instance.
        3. The certificate has Google's extension 1.3.6.1.4.1.11129.2.1.21, for production.
        4. The signature over the quote.
        5. TPM_GENERATED.
        6. The registers' values, if given, hash to the quote's digest.
        7. `Part.EVENT_LOG`, if given, replays to them.
        8. `Part.HARDWARE_REPORT`, if given (SNP report or TDX quote): its SHA-256 is the quote's
           extraData.
        9. It is genuine: refusals are those of `snp` and `tdx` and name their steps, within this
           one.

    Not established: that the nonce is yours; that the registers' values are good; that the report
    is of the machine that has this TPM (whoever asked for the quote knew the report, and the report
    names no TPM): let the report's own data bind your key.

    Args:
        evidence: TPMS_ATTEST and the parts above.
        endorsements: Certificate of the attestation key, its issuers, revocation lists; and what
            the report's verifier needs.
        roots: Google's roots of virtual TPMs, and the hardware vendor's.
        now: Seconds since the epoch.

    Returns:
        Claims about the boot: measurements `pcr0` … and `pcr-digest`; facts as those of `tpm`,
        and `zone`, `project-id`, `project-number`, `instance-id`, `instance-name`. Without a report
        the TEE is `TPM` and `report_data` the quote's extraData. With one, TEE, debug state,
        firmware, machine and `report_data` are the report's, whose claims are submodule `hardware`.

    Raises:
        Refusal: With the step that failed: one of these, or within the last one of the report's
            verifier.
    """
    parts = evidence.parts
    # 1. Format.
    with performing(FORMAT, subject="TPM quote"):
        signed = read_quote(evidence.raw, parts.get(Part.TPM_SIGNATURE), parts.get(Part.PCR_VALUES))
        given = parse_key(parts[Part.AK_PUBLIC]) if Part.AK_PUBLIC in parts else None
    # 2. Certificate of the attestation key.
    with performing(AK_CHAIN, subject="attestation key's certificate"):
        own = given.key if isinstance(given, TpmPublic) else given
        key = own or _only_key(endorsements)
        chain = certified_key(key, endorsements, roots.of(Anchors.GOOGLE_VTPM), now)
    # 3. Instance.
    with performing(INSTANCE, subject=name_of(chain.leaf)):
        instance = _production_instance(chain.leaf)
    # 4. to 6. Signature, generated, registers.
    check_quote(signed, key, _QUOTE_STEPS)
    # 7. Event log.
    log = parts.get(Part.EVENT_LOG)
    explained = None if log is None else check_event_log(log, signed, EVENT_LOG)
    claims = quote_claims(
        signed,
        key,
        root_id=hashlib.sha256(chain.root_der).digest(),
        expires_at=chain.expires_at,
        log=explained,
        unchecked=_unlisted(chain),
    )
    claims = replace(
        claims, format=evidence.format, facts={**claims.facts, **_instance_facts(instance)}
    )
    if Part.HARDWARE_REPORT not in parts:
        missing = Unchecked(
            "hardware report",
            "none was given: Google says what was booted, and nobody says that the machine's memory"
            " is protected from its host",
        )
        return replace(claims, unchecked=(*claims.unchecked, missing))
    # 8. Binding of the hardware's report.
    report = _bound_report(parts[Part.HARDWARE_REPORT], signed.quote.extra_data)
    # 9. Hardware.
    with performing(HARDWARE, subject="hardware report"):
        hardware = tees.verify(report, endorsements, roots=roots, now=now)
    return _on_hardware(claims, hardware)


def show(evidence: Evidence) -> Node:
    """Decode the quote and its parts. Verifies nothing.

    Raises:
        Malformed: A part that does not decode.
    """
    tree = tpm.show(evidence)
    if Part.HARDWARE_REPORT not in evidence.parts:
        return tree
    raw = evidence.parts[Part.HARDWARE_REPORT]
    return replace(tree, children=(*tree.children, tees.show(Evidence(detect(raw), raw))))


def _only_key(endorsements: Endorsements) -> PublicKey:
    """The key of the one certificate that names an instance."""
    found = [
        certificate
        for certificate in load_certificates(endorsements)
        if parse_instance(certificate) is not None
    ]
    if len(found) != 1:
        raise Unsigned(
            f"{len(found)} certificates that name an instance",
            "one, or the attestation key",
            subject="attestation key's certificate",
            remedy=Remedy.FULL_CHAIN,
        )
    return public_key(found[0])


def _production_instance(leaf: x509.Certificate) -> Instance:
    instance = parse_instance(leaf)
    if instance is None or not instance.is_production:
        raise Unsigned(
            "no instance" if instance is None else "an instance's key that is not for production",
            "an instance's production key",
            subject=name_of(leaf),
            remedy=Remedy.GENUINE_HARDWARE,
        )
    return instance


def _instance_facts(instance: Instance) -> dict[str, Fact]:
    return {
        "zone": instance.zone,
        "project-id": instance.project_id,
        "project-number": instance.project_number,
        "instance-id": instance.instance_id,
        "instance-name": instance.instance_name,
    }


def _unlisted(chain: Chain) -> tuple[Unchecked, ...]:
    return tuple(
        Unchecked(
            f"revocation of the {name_of(certificate)}",
            "no list of its issuer was given; Google names none for attestation keys",
        )
        for certificate, has_crl in zip(chain.path, chain.has_crls, strict=False)
        if not has_crl
    )


def _bound_report(raw: bytes, extra_data: bytes) -> Evidence:
    with performing(BINDING, subject="hardware report"):
        form = detect(raw)
        if form not in _HARDWARE:
            raise Malformed(
                form, " or ".join(_HARDWARE), subject="hardware report", remedy=Remedy.RIGHT_FORMAT
            )
        seen = hashlib.sha256(raw).digest()
        if seen != extra_data:
            raise Unsigned(
                f"a quote asked for with {extra_data.hex() or 'nothing'}",
                f"{seen.hex()}, the report's SHA-256",
                subject="quote's extraData",
                remedy=Remedy.NEW_EVIDENCE,
            )
    return Evidence(form, raw)


def _on_hardware(claims: Claims, hardware: Claims) -> Claims:
    loose = Unchecked(
        "that report and TPM are of one machine",
        "whoever asked the TPM for the quote knew the report, but the report names no TPM: only"
        " what the report's own data binds is surely in the machine that it is of",
    )
    ends = [moment for moment in (claims.expires_at, hardware.expires_at) if moment is not None]
    return replace(
        claims,
        tee=hardware.tee,
        tcb=hardware.tcb,
        debug=hardware.debug,
        hardware_id=hardware.hardware_id,
        report_data=hardware.report_data,
        issued_at=hardware.issued_at,
        expires_at=min(ends),
        submodules={"hardware": hardware},
        unchecked=(*claims.unchecked, loose),
    )
