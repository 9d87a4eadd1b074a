"""Quotes of a TPM 2.0: what was booted, said by a key that the TPM keeps.

A TPM protects nothing that runs, and says nothing of where it is plugged in; the claims are about
boot, of the machine whose attestation key is pinned or certified. `azure` and `google` check the
quotes of their virtual TPMs with the same functions (`tpm_quotes`), under steps of their own.

Reference: TCG TPM 2.0 Library, revision 1.59: part 1 "Architecture" (names, attestation), part 3
"Commands" (TPM2_Quote, TPM2_ActivateCredential); TPM 2.0 Keys for
Device Identity and Attestation 1.0 (certificates of attestation keys).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from oracle.attestation.claims import Claims, Unchecked
from oracle.attestation.codecs.chains import Chain
from oracle.attestation.codecs.event_log import show_event_log
from oracle.attestation.codecs.tpm import (
    show_pcr_values,
    show_quote,
    show_signature,
)
from oracle.attestation.codecs.tpm_keys import PublicKey, TpmPublic, parse_key, show_key, spki
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, Part
from oracle.attestation.findings import Remedy, Step, Unsigned, performing
from oracle.attestation.roots import Anchors, Roots
from oracle.attestation.tees.attestation_keys import certificate_facts, certified_key, public_key
from oracle.attestation.tees.tpm_quotes import (
    QuoteSteps,
    SignedQuote,
    check_event_log,
    check_quote,
    quote_claims,
    read_quote,
)

FORMAT: Final = Step(1, "tpm.format", "The quote, its signature and its registers are well formed.")
ATTESTATION_KEY: Final = Step(
    2, "tpm.attestation-key", "The attestation key is pinned, or certified up to a trusted root."
)
RESTRICTED_KEY: Final = Step(
    3,
    "tpm.restricted-key",
    "The attestation key, where the TPM's description of it is given, is a restricted signing key.",
)
SIGNATURE: Final = Step(4, "tpm.signature", "The attestation key signed the quote.")
GENERATED: Final = Step(5, "tpm.generated", "The TPM itself made what the key signed.")
REGISTERS: Final = Step(6, "tpm.registers", "The registers' values are those that the TPM quoted.")
EVENT_LOG: Final = Step(7, "tpm.event-log", "The event log explains the registers that it names.")
STEPS: Final = (FORMAT, ATTESTATION_KEY, RESTRICTED_KEY, SIGNATURE, GENERATED, REGISTERS, EVENT_LOG)

_ANCHORS: Final = (Anchors.TPM, Anchors.AZURE_VTPM, Anchors.GOOGLE_VTPM)
_QUOTE_STEPS: Final = QuoteSteps(SIGNATURE, GENERATED, REGISTERS)


@dataclass(frozen=True, slots=True)
class _Key:
    """Whose quotes are believed, and why."""

    key: PublicKey
    root_id: bytes
    chain: Chain | None


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that a TPM with a trusted attestation key quoted these registers.

    1. tpm.format: the quote, its signature, and the registers' values are well formed.
    2. tpm.attestation-key: the key of `Part.AK_PUBLIC` is pinned; or a certificate (of that key, if
       it is given) chains to a root of TPMs.
    3. tpm.restricted-key: a TPMT_PUBLIC describes a restricted signing key that was made in its TPM
       and cannot leave it.
    4. tpm.signature: that key signed the quote.
    5. tpm.generated: the quote says TPM_GENERATED.
    6. tpm.registers: the values hash to the quote's digest.
    7. tpm.event-log: the log's replay gives the values of the registers that it extends.

    Not established: that the nonce is yours (compare `report_data`), how long ago the quote was
    made, that the registers' values are good ones, where the TPM is. An endorsement key's
    certificate is of no use here: it proves an attestation key only in the exchange of
    TPM2_ActivateCredential.

    Args:
        evidence: TPMS_ATTEST, with `Part.TPM_SIGNATURE`, and perhaps `Part.PCR_VALUES`,
            `Part.AK_PUBLIC`, `Part.EVENT_LOG`.
        endorsements: The attestation key's certificate, if it is not pinned: the one that is no CA,
            or has the key of `Part.AK_PUBLIC`; its issuers; revocation lists.
        roots: Pinned keys, and roots that anchor TPMs.
        now: Seconds since the epoch.

    Raises:
        Malformed: Step 1, or a certificate or key that is none.
        Unsigned: Steps 2 to 7.
        Expired: Step 2: a certificate or a list.
    """
    parts = evidence.parts
    # 1. Format.
    with performing(FORMAT, subject="TPM quote"):
        signed = read_quote(evidence.raw, parts.get(Part.TPM_SIGNATURE), parts.get(Part.PCR_VALUES))
        given = parse_key(parts[Part.AK_PUBLIC]) if Part.AK_PUBLIC in parts else None
    # 2. Attestation key.
    with performing(ATTESTATION_KEY, subject="attestation key"):
        trusted = _attestation_key(given, endorsements, roots, now)
    # 3. Restricted key.
    if isinstance(given, TpmPublic) and not given.is_restricted_signing:
        raise Unsigned(
            f"attributes {given.attributes:#010x}",
            "fixedTPM, sensitiveDataOrigin, restricted and sign, without decrypt",
            subject="attestation key",
            remedy=Remedy.PIN_KEY,
            step=RESTRICTED_KEY,
        )
    # 4. to 6. Signature, generated, registers.
    check_quote(signed, trusted.key, _QUOTE_STEPS)
    # 7. Event log.
    log = parts.get(Part.EVENT_LOG)
    return quote_claims(
        signed,
        trusted.key,
        root_id=trusted.root_id,
        expires_at=trusted.chain.expires_at if trusted.chain else None,
        log=None if log is None else check_event_log(log, signed, EVENT_LOG),
        more=certificate_facts(trusted.chain) if trusted.chain else None,
        unchecked=_unchecked_key(trusted, given, signed),
    )


def show(evidence: Evidence) -> Node:
    """The quote and its parts as a tree.

    Raises:
        MalformedEvidence: A part that does not decode.
    """
    parts = evidence.parts
    shown = [show_quote(evidence.raw)]
    if Part.TPM_SIGNATURE in parts:
        shown.append(show_signature(parts[Part.TPM_SIGNATURE]))
    if Part.AK_PUBLIC in parts:
        shown.append(show_key(parts[Part.AK_PUBLIC]))
    if Part.PCR_VALUES in parts:
        shown.append(show_pcr_values(parts[Part.PCR_VALUES]))
    if Part.EVENT_LOG in parts:
        shown.append(show_event_log(parts[Part.EVENT_LOG]))
    return Node("TPM quote", children=tuple(shown))


def _attestation_key(
    given: TpmPublic | PublicKey | None, endorsements: Endorsements, roots: Roots, now: int
) -> _Key:
    key = given.key if isinstance(given, TpmPublic) else given
    if key is not None:
        encoded = spki(key)
        for pinned in roots.keys:
            if pinned.spki == encoded:
                return _Key(key, pinned.id, None)
    if not endorsements.certificates:
        raise Unsigned(
            "a key that is not pinned" if key else "no key",
            "a pinned key, or a certificate chain to a trusted root",
            subject="attestation key",
            remedy=Remedy.PIN_KEY,
        )
    anchors = tuple(root for anchor in _ANCHORS for root in roots.of(anchor))
    chain = certified_key(key, endorsements, anchors, now)
    return _Key(public_key(chain.leaf), hashlib.sha256(chain.root_der).digest(), chain)


def _unchecked_key(
    trusted: _Key, given: TpmPublic | PublicKey | None, signed: SignedQuote
) -> tuple[Unchecked, ...]:
    found = []
    if trusted.chain is None:
        found.append(
            Unchecked("revocation of the attestation key", "a pinned key is on no list: unpin it")
        )
    elif not trusted.chain.has_crls[0]:
        found.append(
            Unchecked("revocation of the attestation key", "no list of its issuer was given")
        )
    signer = signed.quote.qualified_signer
    if not isinstance(given, TpmPublic) or signer != given.qualified_name_in_endorsement:
        found.append(
            Unchecked(
                "attributes of the attestation key",
                "the quote's signer is not, by its name, a described primary key of the endorsement"
                " hierarchy: whoever pinned or certified the key answers for its being restricted",
            )
        )
    return tuple(found)
