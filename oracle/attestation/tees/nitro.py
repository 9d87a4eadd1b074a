"""AWS Nitro attestation documents: of enclaves, and of whole instances with NitroTPM.

Reference: AWS, Nitro Enclaves Attestation Process (aws-nitro-enclaves-nsm-api,
docs/attestation_process.md), sections 2.2 and 3; Amazon EC2 User Guide, Validate a NitroTPM
Attestation Document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from oracle.attestation.claims import Claims, DebugState, Fact, Measurement, Tee, Unchecked
from oracle.attestation.codecs import cbor, cose
from oracle.attestation.codecs.cbor_tree import node_of
from oracle.attestation.codecs.chains import (
    MAX_DEPTH,
    Chain,
    load_certificate,
    load_crl,
    name_of,
    verify_chain,
)
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence
from oracle.attestation.findings import Expired, Malformed, Remedy, Step, Unsigned, performing
from oracle.attestation.roots import Anchors, Root, Roots

ENVELOPE = Step(
    1, "nitro.envelope", "The file is one COSE_Sign1 that says ES384 and nothing else of itself."
)
DOCUMENT = Step(
    2, "nitro.document", "The payload has the fields that AWS documents, of its types and lengths."
)
ROOT = Step(3, "nitro.root", "The first certificate of the bundle is AWS's root, byte for byte.")
CHAIN = Step(
    4, "nitro.chain", "Each certificate is in date, and issued by the one before it in the bundle."
)
SIGNER = Step(5, "nitro.signer", "The signing certificate is for signatures and issues none.")
SIGNATURE = Step(6, "nitro.signature", "The signing certificate's key signed these very bytes.")
TIME = Step(7, "nitro.time", "The document was made while all its certificates were valid.")
STEPS: Final = (ENVELOPE, DOCUMENT, ROOT, CHAIN, SIGNER, SIGNATURE, TIME)

#: Bytes of the payload.
MAX_PAYLOAD: Final = 16_384
_MAX_PCRS: Final = 32
_PCR_SIZE: Final = 48  # of SHA384, the only digest that AWS names
_CERTIFICATE_SIZES: Final = range(1, 1_025)
#: Milliseconds since the epoch, to the end of the year 9999.
_TIMES_MS: Final = range(1, 253_402_300_800_000)
_LABELS: Final[dict[str, cbor.Label]] = {
    name: name
    for name in (
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "nitrotpm_pcrs",
        "certificate",
        "cabundle",
        "public_key",
        "user_data",
        "nonce",
    )
}
#: Optional fields and their bytes: of an enclave (section 3.2.2.2), of an instance (its CDDL).
_ENCLAVE_SIZES: Final = {
    "public_key": range(1, 1_025),
    "user_data": range(513),
    "nonce": range(513),
}
_NITROTPM_SIZES: Final = dict.fromkeys(_ENCLAVE_SIZES, range(1_025))
_REVOCATION: Final = Unchecked(
    "revocation of AWS's certificates",
    "AWS says to leave it out: a signing certificate lives about three hours, and no list was given"
    " for every issuer",
)
_NITROTPM_DEBUG: Final = Unchecked(
    "debug state",
    "an instance has no debug mode; who may log in and read its memory is up to its image, which"
    " PCR 4 or PCR 7 with PCR 12 tell",
)
_ABSENT_PCR0: Final = Unchecked("debug state", "PCR 0 is not in the document")


@dataclass(frozen=True, slots=True)
class Document:
    """The payload, as AWS documents it; nothing is verified.

    Attributes:
        is_nitrotpm: Of an instance with NitroTPM; else of an enclave.
        module_id: The issuing module.
        timestamp_ms: When it was made, milliseconds since the epoch.
        pcrs: Number -> SHA384 value, 48 bytes.
        certificate: Whose key signed, DER.
        cabundle: Its issuers, root first, DER.
        options: Those of public_key, user_data and nonce that are there.
    """

    is_nitrotpm: bool
    module_id: str
    timestamp_ms: int
    pcrs: Mapping[int, bytes]
    certificate: bytes
    cabundle: tuple[bytes, ...]
    options: Mapping[str, bytes]


def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that AWS's Nitro hypervisor made a document.

    1. The file is a COSE_Sign1, tagged or not; its protected header is ES384 alone.
    2. The payload (at most 16,384 bytes) has AWS's fields, each within its limits: SHA384, PCRs 0
       to 31 of 48 bytes, 1 to 7 certificates in `cabundle`; optional fields may be null; no others.
    3. `cabundle[0]` is a trusted root, byte for byte.
    4. `cabundle` leads from the root to `certificate` in its order, each certificate issued by the
       one before, in date at `now`, its issuer a CA with room below, and not revoked by any list
       given.
    5. `certificate` is for digital signatures (its key usage) and is no CA.
    6. Its P-384 key signed the exact bytes of protected header and payload.
    7. `timestamp` lies within the validity of every certificate of the chain.

    Not established: that the document is fresh (compare nonce, user data or `issued_at`), nor what
    its PCRs mean. Debug mode (PCR 0 is zero) is a claim. A NitroTPM document speaks of a whole
    instance: `tee` is then `tpm`, its registers are `nitrotpm-pcr0` to `nitrotpm-pcr31`, and its
    debug state is unknown.

    Args:
        evidence: The document, raw.
        endorsements: Only revocation lists are read; the document brings its certificates.
        roots: AWS's root.
        now: Seconds since the epoch.

    Raises:
        Refusal: With the step that failed.
    """
    # 1. Envelope.
    with performing(ENVELOPE, subject="document"):
        sign1 = cose.parse_sign1(evidence.raw, algorithms=(cose.Algorithm.ES384,))
    # 2. Fields.
    with performing(DOCUMENT, subject="payload"):
        document = parse_document(evidence.raw, sign1)
    # 3. Root.
    with performing(ROOT, subject="cabundle[0]"):
        root = _find_root(document, roots.of(Anchors.AWS_NITRO))
    # 4. Chain.
    with performing(CHAIN, subject="certificate chain"):
        chain = _verify_chain(document, root, endorsements, now)
    # 5. Signing certificate.
    with performing(SIGNER, subject="certificate"):
        _check_signer(chain.leaf)
    # 6. Signature.
    with performing(SIGNATURE, subject="signature"):
        cose.verify_sign1(sign1, chain.leaf.public_key(), subject="document")
    # 7. Time.
    with performing(TIME, subject="timestamp"):
        _check_time(document, chain)
    return _claims(evidence, document, root, chain)


def parse_document(raw: bytes, sign1: cose.Sign1) -> Document:
    """Read the payload of a document; checks shape only.

    Args:
        raw: The whole file.
        sign1: Its envelope.

    Raises:
        Malformed: A field is missing, unknown, of another type, or outside AWS's limits.
    """
    fields = _fields(raw, sign1)
    pcrs, tpm_pcrs = fields.get("pcrs"), fields.get("nitrotpm_pcrs")
    registers = pcrs or tpm_pcrs
    if registers is None or (pcrs and tpm_pcrs):
        raise _malformed("both or neither", "either pcrs or nitrotpm_pcrs", "pcrs")
    digest = cbor.text(fields.need("digest"), "digest")
    if digest != "SHA384":
        raise _malformed(digest, "SHA384", "digest")
    sizes = _NITROTPM_SIZES if tpm_pcrs else _ENCLAVE_SIZES
    options = {name: fields.get(name) for name in sizes}
    certificate = fields.need("certificate")
    return Document(
        is_nitrotpm=tpm_pcrs is not None,
        module_id=cbor.text(fields.need("module_id"), "module_id"),
        timestamp_ms=cbor.integer(fields.need("timestamp"), "timestamp", _TIMES_MS),
        pcrs=_pcrs(registers),
        certificate=cbor.byte_string(certificate, "certificate", _CERTIFICATE_SIZES),
        cabundle=_cabundle(fields.need("cabundle")),
        options={
            name: cbor.byte_string(item, name, sizes[name])
            for name, item in options.items()
            if item is not None and item.value is not None
        },
    )


def show(evidence: Evidence) -> Node:
    """Decode a document into a tree with offsets; nothing is verified.

    Raises:
        Malformed: Not a Nitro document.
    """
    sign1 = cose.parse_sign1(evidence.raw, algorithms=(cose.Algorithm.ES384,))
    document = parse_document(evidence.raw, sign1)
    payload = node_of("payload", _decode(evidence.raw, sign1), {})
    notes = {
        "timestamp": _date(document.timestamp_ms),
        "certificate": _note(document.certificate),
    }
    children = tuple(
        replace(child, note=notes.get(child.name, ""), children=_noted(child, document))
        for child in payload.children
    )
    return cose.show_sign1("nitro document", sign1, replace(payload, children=children))


def _decode(raw: bytes, sign1: cose.Sign1) -> cbor.Item:
    begins = sign1.payload_at
    if len(sign1.payload) > MAX_PAYLOAD:
        raise _malformed(f"{len(sign1.payload)} bytes", f"at most {MAX_PAYLOAD}", "payload")
    return cbor.decode(raw, start=begins, end=begins + len(sign1.payload), allow_indefinite=True)


def _fields(raw: bytes, sign1: cose.Sign1) -> cbor.Fields:
    entries = cbor.mapping(_decode(raw, sign1), "payload")
    fields = cbor.Fields("a document", entries, _LABELS)
    if fields.unknown:
        raise _malformed(str(fields.unknown[0]), "only fields that AWS documents", "payload")
    return fields


def _pcrs(item: cbor.Item) -> dict[int, bytes]:
    entries = cbor.mapping(item, "pcrs")
    numbers = [label for label in entries if isinstance(label, int) and label in range(_MAX_PCRS)]
    if not entries or len(numbers) != len(entries):
        raise _malformed(f"registers {list(entries)}", "1 to 32 registers, 0 to 31", "pcrs")
    return {
        number: cbor.byte_string(entries[number], f"PCR {number}", (_PCR_SIZE,))
        for number in sorted(numbers)
    }


def _cabundle(item: cbor.Item) -> tuple[bytes, ...]:
    certificates = cbor.array(item, "cabundle")
    if len(certificates) not in range(1, MAX_DEPTH):
        raise _malformed(f"{len(certificates)} certificates", f"1 to {MAX_DEPTH - 1}", "cabundle")
    return tuple(
        cbor.byte_string(certificate, f"cabundle[{i}]", _CERTIFICATE_SIZES)
        for i, certificate in enumerate(certificates)
    )


def _malformed(seen: str, wanted: str, subject: str) -> Malformed:
    return Malformed(seen, wanted, subject=subject, remedy=Remedy.NEW_EVIDENCE)


def _find_root(document: Document, trusted: tuple[Root, ...]) -> Root:
    for root in trusted:
        if root.der == document.cabundle[0]:
            return root
    wanted = " or ".join(f"{root.vendor}'s root {root.id.hex()}" for root in trusted)
    raise Unsigned(
        f"another certificate of {len(document.cabundle[0])} bytes",
        wanted or "a trusted root; none is configured",
        subject="cabundle[0]",
        remedy=Remedy.GENUINE_HARDWARE,
    )


def _verify_chain(document: Document, root: Root, endorsements: Endorsements, now: int) -> Chain:
    issuers = [
        load_certificate(der, subject=f"cabundle[{i}]") for i, der in enumerate(document.cabundle)
    ]
    leaf = load_certificate(document.certificate, subject="certificate")
    chain = verify_chain(
        leaf,
        issuers[:0:-1],
        [root.certificate],
        now=now,
        crls=[load_crl(der) for der in endorsements.crls],
    )
    if chain.path != (leaf, *reversed(issuers)):
        raise Unsigned(
            f"a path of {len(chain.path)} certificates in another order",
            "all certificates of the bundle, root first",
            subject="cabundle",
            remedy=Remedy.NEW_EVIDENCE,
        )
    return chain


def _check_signer(leaf: x509.Certificate) -> None:
    """Section 3.2.3: the target's key usage and basic constraints; it has both or none."""
    seen = ""
    for extension in leaf.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            seen = "a key that is not for signatures"
        elif isinstance(value, x509.BasicConstraints) and value.ca:
            seen = "a certificate authority"
    if seen:
        raise Unsigned(
            seen,
            "a key for digital signatures that issues no certificates",
            subject=name_of(leaf),
            remedy=Remedy.GENUINE_HARDWARE,
        )


def _check_time(document: Document, chain: Chain) -> None:
    made = datetime.fromtimestamp(document.timestamp_ms // 1000, UTC)
    for certificate in chain.path:
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not begins <= made <= ends:
            raise Expired(
                _date(document.timestamp_ms),
                f"{begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S}",
                subject=f"timestamp within the validity of {name_of(certificate)}",
                remedy=Remedy.NEW_EVIDENCE,
            )


def _claims(evidence: Evidence, document: Document, root: Root, chain: Chain) -> Claims:
    debug, unchecked = _debug(document)
    prefix = "nitrotpm-pcr" if document.is_nitrotpm else "pcr"
    return Claims(
        format=evidence.format,
        tee=Tee.TPM if document.is_nitrotpm else Tee.NITRO,
        root_id=root.id,
        measurements=tuple(
            Measurement(f"{prefix}{number}", "sha384", value)
            for number, value in document.pcrs.items()
        ),
        tcb=None,
        debug=debug,
        hardware_id=b"",
        report_data=document.options.get("user_data", b""),
        issued_at=document.timestamp_ms // 1000,
        expires_at=chain.expires_at,
        facts=_facts(document, chain),
        unchecked=unchecked if all(chain.has_crls) else (*unchecked, _REVOCATION),
    )


def _debug(document: Document) -> tuple[DebugState, tuple[Unchecked, ...]]:
    """Of an enclave: PCR 0 covers its whole image, and is zero in debug mode only."""
    if document.is_nitrotpm:
        return DebugState.UNKNOWN, (_NITROTPM_DEBUG,)
    if 0 not in document.pcrs:
        return DebugState.UNKNOWN, (_ABSENT_PCR0,)
    return (DebugState.DISABLED if any(document.pcrs[0]) else DebugState.ENABLED), ()


def _facts(document: Document, chain: Chain) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "document": "nitrotpm" if document.is_nitrotpm else "enclave",
        "module-id": document.module_id,
        "timestamp-ms": document.timestamp_ms,
        "digest": "SHA384",
        "cose-alg": int(cose.Algorithm.ES384),
        "pcr-count": len(document.pcrs),
        "chain-len": len(chain.path),
        "certificate-begins-at": int(chain.leaf.not_valid_before_utc.timestamp()),
        "certificate-ends-at": int(chain.leaf.not_valid_after_utc.timestamp()),
    }
    return facts | {name.replace("_", "-"): value for name, value in document.options.items()}


def _noted(node: Node, document: Document) -> tuple[Node, ...]:
    if node.name != "cabundle":
        return node.children
    return tuple(
        replace(child, note=_note(der))
        for child, der in zip(node.children, document.cabundle, strict=True)
    )


def _note(der: bytes) -> str:
    certificate = load_certificate(der, subject="certificate")
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"{name_of(certificate)}, {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC"


def _date(timestamp_ms: int) -> str:
    return f"{datetime.fromtimestamp(timestamp_ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
