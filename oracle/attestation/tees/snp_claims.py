"""What an SEV-SNP report says, as claims; `snp` establishes it.

Reference: AMD 56860, SEV Secure Nested Paging Firmware ABI Specification, revision 1.58: section
4.3 (guest policy), tables 23 and 24 (report, PLATFORM_INFO).
"""

import hashlib
from typing import Final

from oracle.attestation.claims import Claims, DebugState, Fact, Measurement, Tcb, Tee, Unchecked
from oracle.attestation.codecs.certificates import name_of
from oracle.attestation.codecs.chains import Chain
from oracle.attestation.codecs.snp_keys import EndorsementKey
from oracle.attestation.codecs.snp_report import SigningKey, SnpReport, line_of, tcb_components
from oracle.attestation.evidence import EvidenceFormat

#: Bits of the guest policy: 56860, section 4.3.
POLICY_BITS: Final = {
    "policy-smt": 16,
    "policy-reserved-17": 17,
    "policy-migrate-ma": 18,
    "policy-debug": 19,
    "policy-single-socket": 20,
    "policy-cxl": 21,
    "policy-aes-256-xts": 22,
    "policy-rapl-disabled": 23,
    "policy-ciphertext-hiding": 24,
    "policy-page-swap-disabled": 25,
}
_DEBUG_BIT: Final = 19
#: Bits of PLATFORM_INFO: 56860, table 24.
PLATFORM_BITS: Final = {
    "platform-smt": 0,
    "platform-tsme": 1,
    "platform-ecc": 2,
    "platform-rapl-disabled": 3,
    "platform-ciphertext-hiding": 4,
    "platform-alias-check": 5,
}


def claims_of(report: SnpReport, key: EndorsementKey, chain: Chain) -> Claims:
    """The claims of a report that was verified.

    Args:
        report: Signed by the key.
        key: Of whose certificate the chain is.
        chain: Certificate, authority, root.
    """
    components = tcb_components(report.reported_tcb, key.line)
    is_debug = report.policy >> _DEBUG_BIT & 1
    return Claims(
        format=EvidenceFormat.SNP_REPORT,
        tee=Tee.SNP,
        root_id=hashlib.sha256(chain.root_der).digest(),
        measurements=(
            Measurement("measurement", "sha384", report.measurement),
            Measurement("host-data", "", report.host_data),
            Measurement("id-key-digest", "sha384", report.id_key_digest),
            Measurement("author-key-digest", "sha384", report.author_key_digest),
        ),
        tcb=Tcb(
            status="",
            advisories=(),
            components={
                name: level for name, level in components.items() if not name.startswith("spl")
            },
        ),
        debug=DebugState.ENABLED if is_debug else DebugState.DISABLED,
        hardware_id=b"" if report.is_chip_masked else report.chip_id,
        report_data=report.report_data,
        issued_at=None,
        expires_at=chain.expires_at,
        facts=_facts(report, key),
        unchecked=tuple(_unchecked(report, key, chain)),
    )


def _facts(report: SnpReport, key: EndorsementKey) -> dict[str, Fact]:
    return {
        "report-version": report.version,
        "endorsement-key": key.kind.name,
        "product-line": str(key.line),
        "product-name": key.product,
        "struct-version": key.struct_version,
        "hwid": key.hwid,
        "csp": key.csp,
        "sig-algo": report.signature_algo,
        "vmpl": report.vmpl,
        "guest-svn": report.guest_svn,
        "policy": report.policy,
        "abi": f"{report.policy >> 8 & 0xFF}.{report.policy & 0xFF}",
        **{name: bool(report.policy >> bit & 1) for name, bit in POLICY_BITS.items()},
        "plat-info": report.platform_info,
        **{name: bool(report.platform_info >> bit & 1) for name, bit in PLATFORM_BITS.items()},
        "key-info": report.key_info,
        "author-key-en": report.is_author_key_used,
        "mask-chip-key": report.is_chip_key_masked,
        "family-id": report.family_id,
        "image-id": report.image_id,
        "report-id": report.report_id,
        "report-id-ma": report.report_id_ma,
        "chip-id": report.chip_id,
        "reported-tcb": report.reported_tcb,
        "current-tcb": report.current_tcb,
        "committed-tcb": report.committed_tcb,
        "launch-tcb": report.launch_tcb,
        "current-firmware": (
            f"{report.current_major}.{report.current_minor}.{report.current_build}"
        ),
        "committed-firmware": (
            f"{report.committed_major}.{report.committed_minor}.{report.committed_build}"
        ),
        "cpuid-fam": report.cpuid_fam_id,
        "cpuid-mod": report.cpuid_mod_id,
        "cpuid-step": report.cpuid_step,
        "launch-mitigations": report.launch_mit_vector,
        "current-mitigations": report.current_mit_vector,
    }


def _unchecked(report: SnpReport, key: EndorsementKey, chain: Chain) -> list[Unchecked]:
    kind = key.kind.name
    found = [
        Unchecked(
            f"revocation of the {kind}",
            "AMD publishes no list of such keys: one that has leaked stays valid until it expires",
        )
    ]
    if not chain.has_crls[1]:
        issuer = name_of(chain.path[1])
        found.append(
            Unchecked(f"revocation of {issuer}", "no revocation list of AMD's root was given")
        )
    if key.kind is SigningKey.VLEK:
        found.append(
            Unchecked(
                "chip", "a VLEK is of all machines of a provider: it does not say which chip signed"
            )
        )
    if line_of(report) is None:
        found.append(
            Unchecked(
                "CPUID", "version 2 has none: the product line is what the certificates say of it"
            )
        )
    return found
