"""AMD SEV-SNP: reports signed by a chip's VCEK or a cloud provider's VLEK, up to AMD's root (ARK).

Reference: AMD 56860, SEV Secure Nested Paging Firmware ABI Specification, revision 1.58, section
7.3 and table 23; AMD 57230, VCEK Certificate and KDS Interface Specification, revision 0.51.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.x509.oid import NameOID

from oracle.attestation.claims import Claims
from oracle.attestation.codecs.certificates import load_certificate, load_crl, name_of
from oracle.attestation.codecs.chains import MAX_CERTIFICATES, MAX_CRLS, Chain, verify_chain
from oracle.attestation.codecs.snp_keys import EndorsementKey, kind_of, parse_endorsement_key
from oracle.attestation.codecs.snp_report import (
    SigningKey,
    SnpReport,
    line_of,
    parse_report,
    tcb_components,
)
from oracle.attestation.codecs.snp_tree import report_tree
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence
from oracle.attestation.findings import (
    Malformed,
    Remedy,
    Step,
    Unacceptable,
    Unsigned,
    performing,
)
from oracle.attestation.roots import Anchors, Roots
from oracle.attestation.tees.snp_claims import claims_of

_LAYOUT: Final = Step(
    1,
    "snp.report-layout",
    "The report is whole, of a version that is read here, and zero where AMD wants it zero.",
)
_SIGNING_KEY: Final = Step(
    2,
    "snp.signing-key",
    "The report says which key signed it, and the certificate of such a key is here.",
)
_KEY: Final = Step(
    3,
    "snp.endorsement-key",
    "The certificate has AMD's extensions and a key on P-384.",
)
_CHAIN: Final = Step(
    4,
    "snp.chain",
    "AMD's root issued the certificate; nothing on the way has expired or is on the root's list.",
)
_LINE: Final = Step(
    5,
    "snp.product-line",
    "The certificate, its issuers and the report's CPUID name one product line.",
)
_TCB: Final = Step(
    6,
    "snp.tcb",
    "The key is of exactly the firmware level that the report states.",
)
_CHIP: Final = Step(
    7,
    "snp.chip-id",
    "The report is of the chip that the certificate names; a provider's key names none.",
)
_SIGNATURE: Final = Step(
    8,
    "snp.signature",
    "That key signed every byte of the report before the signature.",
)
STEPS: Final = (_LAYOUT, _SIGNING_KEY, _KEY, _CHAIN, _LINE, _TCB, _CHIP, _SIGNATURE)

#: Common names of the authorities that issue keys of each kind.
_ISSUERS: Final = {SigningKey.VCEK: "SEV-", SigningKey.VLEK: "SEV-VLEK-"}
_CURVE_SIZE: Final = 48


@dataclass(frozen=True, slots=True)
class EndorsedKey:
    """A key that AMD's root vouches for.

    Attributes:
        key: What its certificate says.
        chain: How it leads to the root.
    """

    key: EndorsementKey
    chain: Chain


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that AMD's firmware on a genuine chip made this report.

    1. Layout: 1,184 bytes, version 2, 3 or 5, reserved fields zero.
    2. Signing key: VCEK or VLEK as the report says, and a certificate of that kind is given.
    3. Endorsement key: the certificate has AMD's extensions and a key on P-384.
    4. Chain: to a root for SEV-SNP, all in date, nothing on the lists that are given.
    5. Product line: one for certificate, issuer, root, and, from version 3, CPUID.
    6. TCB: that of the certificate is REPORTED_TCB, all eight bytes.
    7. Chip: CHIP_ID is the certificate's hwID; it may be masked where a VLEK signed.
    8. Signature: ECDSA P-384 with SHA-384 over the first 672 bytes.

    Not judged: policy, debug, VMPL, firmware level, product line, measurements; not established:
    when the report was made, and what `Claims.unchecked` lists.

    Args:
        evidence: The report alone; parts are not looked at.
        endorsements: The VCEK or VLEK and its authority's certificate, in any order, perhaps with
            others and with the root's revocation list.
        roots: AMD's, one for each product line.
        now: Seconds since the epoch.

    Raises:
        Refusal: With its step.
    """
    # 1.
    with performing(_LAYOUT, subject="report"):
        report = parse_report(evidence.raw)
    # 2.
    with performing(_SIGNING_KEY, subject="SIGNING_KEY"):
        kind = _signing_key(report)
        certificates = _load(endorsements)
        own = [each for each in certificates if kind_of(each) is kind]
        if not own:
            raise Unsigned(
                f"{len(certificates)} certificates, none of a {kind.name}",
                f"the {kind.name}'s certificate",
                subject=f"certificate of the {kind.name}",
                remedy=Remedy.FULL_CHAIN,
            )
    # 3.
    with performing(_KEY, subject=f"certificate of the {kind.name}"):
        keys = [parse_endorsement_key(each) for each in own]
        key = next((each for each in keys if _is_for(each, report)), keys[0])
    # 4. and 5., as far as the certificates go.
    endorsed = _endorse(key, certificates, endorsements, roots, now)
    # 5.
    with performing(_LINE, subject="CPUID"):
        line = line_of(report) or key.line
        _check_line("CPUID_FAM_ID and CPUID_MOD_ID", [line], [key.line])
    # 6.
    with performing(_TCB, subject="REPORTED_TCB"):
        _check_tcb(report, key)
    # 7.
    with performing(_CHIP, subject="CHIP_ID"):
        _check_chip(report, key)
    # 8.
    with performing(_SIGNATURE, subject="signature of the report"):
        _check_signature(report, key.key)
    return claims_of(report, key, endorsed.chain)


def verify_endorsement_key(
    certificate: bytes, endorsements: Endorsements, *, roots: Roots, now: int
) -> EndorsedKey:
    """Establish that a VCEK or VLEK is AMD's, without a report: steps 3 to 5 of `verify`.

    Args:
        certificate: The key's, DER.
        endorsements: Its authority's certificate, perhaps with the root's revocation list.
        roots: AMD's, one for each product line.
        now: Seconds since the epoch.

    Raises:
        Refusal: With its step.
    """
    with performing(_KEY, subject="endorsement key"):
        key = parse_endorsement_key(load_certificate(certificate, subject="endorsement key"))
        others = _load(endorsements)
    return _endorse(key, others, endorsements, roots, now)


def show(evidence: Evidence) -> Node:
    """The report, field by field; nothing is verified.

    Raises:
        Malformed: No report of a version that is read here.
    """
    return report_tree(evidence.raw)


def _signing_key(report: SnpReport) -> SigningKey:
    """The kind of key that signed.

    Raises:
        Unsigned: None did.
    """
    number = report.signing_key
    if number == SigningKey.VCEK and report.is_chip_key_masked:
        raise Unsigned(
            "MASK_CHIP_KEY is set: the chip's key signs nothing",
            "a report that is signed",
            subject="KEY_INFO",
            remedy=Remedy.RECONFIGURE_PLATFORM,
        )
    if number not in set(SigningKey):
        raise Unsigned(
            f"{number}{', no key' if number == 7 else ''}",
            "0 (VCEK) or 1 (VLEK)",
            subject="SIGNING_KEY of KEY_INFO",
            remedy=Remedy.RECONFIGURE_PLATFORM,
        )
    return SigningKey(number)


def _load(endorsements: Endorsements) -> tuple[x509.Certificate, ...]:
    count = len(endorsements.certificates)
    if count > MAX_CERTIFICATES or len(endorsements.crls) > MAX_CRLS:
        raise Malformed(
            f"{count} certificates and {len(endorsements.crls)} revocation lists",
            f"at most {MAX_CERTIFICATES} and {MAX_CRLS}",
            subject="endorsements",
            remedy=Remedy.FULL_CHAIN,
        )
    return tuple(
        load_certificate(der, subject=f"certificate {number} of {count}")
        for number, der in enumerate(endorsements.certificates, start=1)
    )


def _is_for(key: EndorsementKey, report: SnpReport) -> bool:
    return key.tcb == report.reported_tcb and report.chip_id.startswith(key.hwid)


def _endorse(
    key: EndorsementKey,
    certificates: Sequence[x509.Certificate],
    endorsements: Endorsements,
    roots: Roots,
    now: int,
) -> EndorsedKey:
    with performing(_CHAIN, subject=name_of(key.certificate)):
        chain = verify_chain(
            key.certificate,
            certificates,
            [root.certificate for root in roots.of(Anchors.AMD_SNP)],
            now=now,
            crls=[load_crl(der) for der in endorsements.crls],
        )
    with performing(_LINE, subject=name_of(key.certificate)):
        issuers = [_common_name(each) for each in chain.path[1:]]
        wanted = [f"{_ISSUERS[key.kind]}{key.line}", f"ARK-{key.line}"]
        _check_line(f"issuers of {name_of(key.certificate)}", issuers, wanted)
    return EndorsedKey(key, chain)


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return ", ".join(str(name.value) for name in names)


def _check_line(subject: str, seen: Sequence[str], wanted: Sequence[str]) -> None:
    if seen != wanted:
        raise Unacceptable(
            ", ".join(seen), ", ".join(wanted), subject=subject, remedy=Remedy.FULL_CHAIN
        )


def _check_tcb(report: SnpReport, key: EndorsementKey) -> None:
    seen = tcb_components(report.reported_tcb, key.line)
    wanted = key.tcb_components
    for name, level in seen.items():
        if level != wanted[name]:
            raise Unacceptable(
                f"{level} in REPORTED_TCB",
                f"{wanted[name]}, for which the {key.kind.name} is",
                subject=f"TCB component {name}",
                remedy=Remedy.REFRESH_COLLATERAL,
            )


def _check_chip(report: SnpReport, key: EndorsementKey) -> None:
    if key.kind is SigningKey.VCEK and report.chip_id != key.hwid.ljust(len(report.chip_id), b"\0"):
        raise Unacceptable(
            "masked" if report.is_chip_masked else report.chip_id.hex(),
            key.hwid.hex(),
            subject="CHIP_ID",
            remedy=(
                Remedy.RECONFIGURE_PLATFORM if report.is_chip_masked else Remedy.REFRESH_COLLATERAL
            ),
        )


def _check_signature(report: SnpReport, key: ec.EllipticCurvePublicKey) -> None:
    parts = report.signature_r, report.signature_s
    if any(any(part[_CURVE_SIZE:]) for part in parts):
        raise Malformed(
            "more than 384 bits",
            f"{len(parts[0]) - _CURVE_SIZE} zero bytes after r and s",
            subject="signature of the report",
            remedy=Remedy.NEW_EVIDENCE,
        )
    r, s = (int.from_bytes(part, "little") for part in parts)
    try:
        key.verify(encode_dss_signature(r, s), report.signed, ec.ECDSA(SHA384()))
    except InvalidSignature as error:
        raise Unsigned(
            "a signature by another key or of another report",
            "one by the key in the certificate",
            subject="signature of the report",
            remedy=Remedy.GENUINE_HARDWARE,
        ) from error
