"""What a TPM's quote proves, given the attestation key: shared by every platform with a TPM.

`tpm`, `azure` and `google` decide which key to believe, and call these under steps of their own.

Reference: TCG TPM 2.0 Library, revision 1.59: part 1 "Architecture" (attestation), part 3
"Commands" (TPM2_Quote); TPM 2.0 Keys for
Device Identity and Attestation 1.0 (certificates of attestation keys).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from oracle.attestation.claims import Claims, DebugState, Fact, Measurement, Tee, Unchecked
from oracle.attestation.codecs.certificates import (
    UNREADABLE,
    extensions_of,
    load_certificate,
    load_crl,
    name_of,
)
from oracle.attestation.codecs.chains import MAX_CERTIFICATES, MAX_CRLS, Chain, verify_chain
from oracle.attestation.codecs.event_log import parse_event_log, replay
from oracle.attestation.codecs.tpm import (
    TPM_GENERATED,
    Quote,
    Scheme,
    TpmSignature,
    parse_pcr_values,
    parse_quote,
    parse_signature,
    pcr_digest,
)
from oracle.attestation.codecs.tpm_keys import PublicKey, spki
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Malformed, Remedy, Step, Unsigned, performing
from oracle.attestation.roots import Root

#: tcg-kp-AIKCertificate: the certificate is of an attestation key.
_AIK_CERTIFICATE: Final = x509.ObjectIdentifier("2.23.133.8.3")
_MIN_RSA_BITS: Final = 2048
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_HASHES: Final = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}


@dataclass(frozen=True, slots=True)
class SignedQuote:
    """A quote with what belongs to it, decoded and not yet checked.

    Attributes:
        raw: TPMS_ATTEST: what is signed.
        quote: Decoded.
        signature: Over `raw`.
        registers: Bank and number to value, in the selection's order; None if none were given.
    """

    raw: bytes
    quote: Quote
    signature: TpmSignature
    registers: Mapping[tuple[str, int], bytes] | None


@dataclass(frozen=True, slots=True)
class QuoteSteps:
    """Under which steps `check_quote` works."""

    signature: Step
    generated: Step
    registers: Step


def read_quote(raw: bytes, signature: bytes | None, values: bytes | None) -> SignedQuote:
    """Decode a quote and what belongs to it; nothing is checked.

    Args:
        raw: TPMS_ATTEST.
        signature: TPMT_SIGNATURE, or bare; None if the evidence has none.
        values: The registers' values in JSON, or None.

    Raises:
        Malformed: One that does not decode, or no signature.
    """
    if signature is None:
        raise Malformed(
            "no signature", "its file", subject="quote's signature", remedy=Remedy.NEW_EVIDENCE
        )
    quote = parse_quote(raw)
    registers = None if values is None else parse_pcr_values(values, quote.selection)
    return SignedQuote(raw, quote, parse_signature(signature), registers)


def check_quote(signed: SignedQuote, key: PublicKey, steps: QuoteSteps) -> None:
    """That a key signed a quote, its TPM made it, and the registers' values are those quoted.

    Does not establish whose key it is, nor that it is a restricted one.

    Args:
        signed: From `read_quote`.
        key: The attestation key; RSA of at least 2,048 bits, or on a curve.
        steps: What refusals name.

    Raises:
        Unsigned: Not signed by the key, not made by its TPM, or other values than those quoted.
    """
    quote = signed.quote
    with performing(steps.signature, subject="quote's signature"):
        _check_signature(signed, key)
    if quote.magic != TPM_GENERATED:
        raise Unsigned(
            f"{quote.magic:#010x}",
            f"{TPM_GENERATED:#010x} (TPM_GENERATED)",
            subject="quote's magic",
            remedy=Remedy.GENUINE_HARDWARE,
            step=steps.generated,
        )
    if signed.registers is None:
        return
    digest = pcr_digest(signed.signature.algorithm, signed.registers)
    if digest != quote.pcr_digest:
        raise Unsigned(
            f"values that hash to {digest.hex()}",
            f"{quote.pcr_digest.hex()}, as the TPM says",
            subject="PCR values",
            remedy=Remedy.NEW_EVIDENCE,
            step=steps.registers,
        )


def check_event_log(log: bytes, signed: SignedQuote, step: Step) -> Mapping[str, Fact]:
    """That a log replays to the registers' values, in every bank quoted.

    Does not establish an event's data, nor registers that the log never extends.

    Args:
        log: TCG event log.
        signed: Checked by `check_quote`.
        step: What refusals name.

    Returns:
        Fact `event-log-registers`: which registers it explains, such as `0,1,4`.

    Raises:
        Malformed: No log, or one without digests of a bank.
        Unsigned: A register's value is another, or the log explains none of those quoted.
    """
    values = signed.registers or {}
    with performing(step, subject="event log"):
        events = parse_event_log(log)
        replayed = {
            (bank, number): value
            for bank in dict.fromkeys(bank for bank, _ in values)
            for number, value in replay(events, bank).items()
        }
    explained = [name for name in values if name in replayed]
    for bank, number in explained:
        if replayed[bank, number] != values[bank, number]:
            raise Unsigned(
                f"replay to {replayed[bank, number].hex()}",
                f"{values[bank, number].hex()}, as quoted",
                subject=f"event log of PCR {number} ({bank})",
                remedy=Remedy.NEW_EVIDENCE,
                step=step,
            )
    if not explained:
        raise Unsigned(
            "no event of a register with a quoted value",
            "the log of this boot, with the registers' values",
            subject="event log",
            remedy=Remedy.NEW_EVIDENCE,
            step=step,
        )
    numbers = sorted({number for _, number in explained})
    return {"event-log-registers": ",".join(map(str, numbers))}


def certified_key(
    key: PublicKey | None, endorsements: Endorsements, anchors: tuple[Root, ...], now: int
) -> Chain:
    """Find an attestation key's certificate and verify its chain.

    Args:
        key: The attestation key, if it is known; else the one certificate that is no CA has it.
        endorsements: Certificates and revocation lists.
        anchors: Trusted roots.
        now: Seconds since the epoch.

    Returns:
        The chain; its leaf has the key.

    Raises:
        Malformed: Too many certificates, or one that is none.
        Unsigned: No certificate of the key, no chain to a root, or one for another use.
        Expired: A certificate or a list is outside its window.
    """
    loaded = load_certificates(endorsements)
    leaf = _leaf(loaded, key)
    others = [certificate for certificate in loaded if certificate != leaf]
    crls = [load_crl(der) for der in endorsements.crls]
    chain = verify_chain(leaf, others, [root.der for root in anchors], now=now, crls=crls)
    _check_use(leaf)
    return chain


def load_certificates(endorsements: Endorsements) -> list[x509.Certificate]:
    """Read what was brought, each certificate once.

    Raises:
        Malformed: More than 64 certificates or 8 revocation lists, or a certificate that is none.
    """
    counts = len(endorsements.certificates), len(endorsements.crls)
    if counts[0] > MAX_CERTIFICATES or counts[1] > MAX_CRLS:
        raise Malformed(
            f"{counts[0]} certificates and {counts[1]} revocation lists",
            f"at most {MAX_CERTIFICATES} and {MAX_CRLS}",
            subject="endorsements",
            remedy=Remedy.FULL_CHAIN,
        )
    ders = dict.fromkeys(endorsements.certificates)
    return [load_certificate(der, subject="certificate") for der in ders]


def quote_claims(
    signed: SignedQuote,
    key: PublicKey,
    *,
    root_id: bytes,
    expires_at: int | None,
    log: Mapping[str, Fact] | None,
    unchecked: Sequence[Unchecked] = (),
) -> Claims:
    """The claims of a quote that `check_quote` has passed.

    Args:
        signed: The quote.
        key: That signed it: the machine is known by its SHA-256.
        root_id: Of what vouches for the key.
        expires_at: How long that does, seconds since the epoch; None for ever.
        log: From `check_event_log`; None if there was no log.
        unchecked: What else is open about the key.
    """
    return Claims(
        format=EvidenceFormat.TPM_QUOTE,
        tee=Tee.TPM,
        root_id=root_id,
        measurements=measurements(signed),
        tcb=None,
        debug=DebugState.UNKNOWN,
        hardware_id=hashlib.sha256(spki(key)).digest(),
        report_data=signed.quote.extra_data,
        issued_at=None,
        expires_at=expires_at,
        facts={**facts(signed), **(log or {})},
        unchecked=(*_unchecked(signed, log), *unchecked),
    )


def measurements(signed: SignedQuote) -> tuple[Measurement, ...]:
    """Quoted registers that have values (`pcr0` …), then the digest over all that were quoted."""
    registers = (
        Measurement(f"pcr{number}", bank, value)
        for (bank, number), value in (signed.registers or {}).items()
    )
    digest = Measurement("pcr-digest", signed.signature.algorithm, signed.quote.pcr_digest)
    return (*registers, digest)


def facts(signed: SignedQuote) -> dict[str, Fact]:
    """What else a quote says; the names are in `README.md`."""
    quote = signed.quote
    banks = [bank.algorithm for bank in quote.selection if bank.registers]
    return {
        "nonce-present": bool(quote.extra_data),
        "pcr-bank": ",".join(banks),
        "signature-scheme": f"{signed.signature.scheme}-{signed.signature.algorithm}",
        "qualified-signer": quote.qualified_signer,
        "clock-ms": quote.clock_ms,
        "clock-safe": quote.is_clock_safe,
        "reset-count": quote.reset_count,
        "restart-count": quote.restart_count,
        "firmware-version": quote.firmware_version,
    }


def _unchecked(signed: SignedQuote, log: Mapping[str, Fact] | None) -> tuple[Unchecked, ...]:
    """What is open about a checked quote."""
    found = []
    if signed.registers is None:
        found.append(Unchecked("PCR values", "none were given: only their digest can be compared"))
    if log is None:
        found.append(
            Unchecked("event log", "none was given: nothing says what the registers measured")
        )
    return tuple(found)


def public_key(certificate: x509.Certificate) -> PublicKey:
    """An attestation key from its certificate.

    Raises:
        Malformed: Neither RSA nor on an elliptic curve.
    """
    try:
        key = certificate.public_key()
    except UNREADABLE:
        key = None
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return key
    raise Malformed(
        "another key",
        "an RSA key or one on an elliptic curve",
        subject=name_of(certificate),
        remedy=Remedy.FULL_CHAIN,
    )


def has_key(certificate: x509.Certificate, key: PublicKey) -> bool:
    """Whether a certificate is of this key."""
    try:
        return certificate.public_key() == key
    except UNREADABLE:
        return False


def is_for_attestation(certificate: x509.Certificate) -> bool:
    """Whether it calls itself the certificate of an attestation key, and is no CA's.

    Raises:
        Malformed: Extensions that cannot be read.
    """
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    return usages is not None and _AIK_CERTIFICATE in usages and not _is_ca(certificate)


def _leaf(certificates: list[x509.Certificate], key: PublicKey | None) -> x509.Certificate:
    found = [
        certificate
        for certificate in certificates
        if (not _is_ca(certificate) if key is None else has_key(certificate, key))
    ]
    if len(found) != 1:
        raise Unsigned(
            f"{len(found)} among {len(certificates)} certificates",
            "one certificate of the attestation key",
            subject="attestation key's certificate",
            remedy=Remedy.FULL_CHAIN,
        )
    return found[0]


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _check_use(leaf: x509.Certificate) -> None:
    """That the key may sign, and if the certificate says what for, quotes."""
    usage = _extension(leaf, x509.KeyUsage)
    purposes = _extension(leaf, x509.ExtendedKeyUsage)
    if _is_ca(leaf):
        seen = "a certification authority"
    elif usage is not None and not usage.digital_signature:
        seen = "a key that may not sign"
    elif purposes is not None and _AIK_CERTIFICATE not in purposes:
        seen = ", ".join(purpose.dotted_string for purpose in purposes)
    else:
        return
    raise Unsigned(
        seen,
        f"digital signature, and no purpose or that of attestation keys"
        f" ({_AIK_CERTIFICATE.dotted_string})",
        subject=name_of(leaf),
        remedy=Remedy.FULL_CHAIN,
    )


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    for extension in extensions_of(certificate):
        if isinstance(extension.value, kind):
            return extension.value
    return None


def _check_signature(signed: SignedQuote, key: PublicKey) -> None:
    signature = signed.signature
    algorithm = _HASHES[signature.algorithm]
    try:
        match key, signature.scheme:
            case rsa.RSAPublicKey(), Scheme.RSASSA if key.key_size >= _MIN_RSA_BITS:
                key.verify(signature.value, signed.raw, padding.PKCS1v15(), algorithm)
            case rsa.RSAPublicKey(), Scheme.RSAPSS if key.key_size >= _MIN_RSA_BITS:
                pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
                key.verify(signature.value, signed.raw, pss, algorithm)
            case ec.EllipticCurvePublicKey(), Scheme.ECDSA:
                key.verify(signature.value, signed.raw, ec.ECDSA(algorithm))
            case _:
                raise InvalidSignature
    except InvalidSignature as error:
        raise Unsigned(
            f"{signature.scheme} with {signature.algorithm} that a key of {key.key_size} bits"
            " did not make",
            "the attestation key's signature of this quote (RSA: 2048 bits or more)",
            subject="quote's signature",
            remedy=Remedy.NEW_EVIDENCE,
        ) from error
