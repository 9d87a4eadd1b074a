"""What a TPM's quote proves, given the attestation key: shared by every platform with a TPM.

`tpm`, `azure` and `google` decide which key to believe, and call these under steps of their own.

Reference: TCG TPM 2.0 Library, revision 1.59: part 1 "Architecture" (attestation), part 3
"Commands" (TPM2_Quote).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from oracle.attestation.claims import Claims, DebugState, Fact, Measurement, Tee, Unchecked
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
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Malformed, Remedy, Step, Unsigned, performing

_MIN_RSA_BITS: Final = 2048
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


def quote_claims(
    signed: SignedQuote,
    key: PublicKey,
    *,
    root_id: bytes,
    expires_at: int | None,
    log: Mapping[str, Fact] | None,
    more: Mapping[str, Fact] | None = None,
    unchecked: Sequence[Unchecked] = (),
) -> Claims:
    """The claims of a quote that `check_quote` has passed.

    Args:
        signed: The quote.
        key: That signed it: the machine is known by its SHA-256.
        root_id: Of what vouches for the key.
        expires_at: How long that does, seconds since the epoch; None for ever.
        log: From `check_event_log`; None if there was no log.
        more: Further facts, such as those of the key's certificate.
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
        facts={**facts(signed), **(log or {}), **(more or {})},
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
