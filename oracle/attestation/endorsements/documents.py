"""Intel's collateral as a set of documents, each with the certificate that signed it.

Who signed what is found by verifying the signatures, so that nothing is paid to bring junk to a
chain. That the root is the vendor's is for the chain to say: it trusts its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.errors import MalformedEvidence, SignatureInvalid
from enclave.domain.report import keccak256
from oracle.attestation.codecs.certificates import UNREADABLE, quietly
from oracle.attestation.codecs.crl import RevocationList, parse_crl
from oracle.attestation.codecs.dcap import Certificate, parse_certificate
from oracle.attestation.codecs.pcs import (
    SignedText,
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers, QeIdentity, TcbInfo

#: Of the vendor there are four at a time: root, two PCK CAs, TCB signing certificate.
MAX_CERTIFICATES = 16


class DocumentKind(StrEnum):
    """What a document is, in the order in which a chain takes them."""

    ROOT_CRL = "root CRL"
    SIGNER = "TCB signing certificate"
    PCK_CA = "PCK CA certificate"
    PCK_CRL = "PCK CRL"
    NUMBERS = "evaluation numbers"
    TCB_INFO = "TCB info"
    QE_IDENTITY = "QE identity"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that the root issued: a PCK CA or a TCB signing certificate.

    Attributes:
        certificate: The whole certificate and its id.
        serial: Serial number.
        begins_at: Seconds since the epoch.
        ends_at: Seconds since the epoch.
    """

    certificate: Certificate
    serial: int
    begins_at: int
    ends_at: int


Content = RevocationList | Authority | EvaluationNumbers | TcbInfo | QeIdentity


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Attributes:
        kind: What it is.
        content: Taken apart.
        raw: Exactly the bytes that were signed; of certificates and lists, the whole DER.
        issuer: Id of the certificate that signed it, 32 bytes; empty for the root's own.
        signature: r and s, 64 bytes; empty where it stands in the DER.
    """

    kind: DocumentKind
    content: Content
    raw: bytes
    issuer: bytes = b""
    signature: bytes = b""

    @property
    def issued_at(self) -> int:
        """Issue date, `thisUpdate`, or begin, in seconds since the epoch."""
        content = self.content
        if isinstance(content, Authority):
            return content.begins_at
        return content.this_update if isinstance(content, RevocationList) else content.issued_at

    @property
    def ends_at(self) -> int:
        """Its own end, in seconds since the epoch; a certificate above it may end before."""
        content = self.content
        return content.ends_at if isinstance(content, Authority) else content.next_update

    @property
    def number(self) -> int | None:
        """TCB evaluation data number, or CRL number; `None` where there is none."""
        match self.content:
            case RevocationList(number=number) | TcbInfo(number=number) | QeIdentity(number=number):
                return number
            case _:
                return None

    @property
    def digest(self) -> bytes:
        """What a chain keeps of its tables, 16 bytes; empty for a certificate."""
        return b"" if isinstance(self.content, Authority) else self.content.digest

    @property
    def title(self) -> str:
        """What it is of, in a few words."""
        match self.content:
            case TcbInfo(tee=tee, fmspc=fmspc, number=number):
                return f"{self.kind.value} {tee.name} {fmspc.hex()}, number {number}"
            case QeIdentity(tee=tee, number=number):
                return f"{self.kind.value} {tee.name}, number {number}"
            case EvaluationNumbers(tee=tee):
                return f"{self.kind.value} {tee.name}"
            case _:
                return self.kind.value

    @property
    def place(self) -> tuple[object, ...]:
        """What it replaces and is replaced by: documents of one place differ in date alone."""
        content = self.content
        match content:
            case Authority(certificate=certificate):
                return self.kind, certificate.id
            case RevocationList():
                return self.kind, self.issuer
            case EvaluationNumbers(tee=tee):
                return self.kind, tee
            case TcbInfo(tee=tee, fmspc=fmspc, number=number):
                return self.kind, tee, fmspc, number
            case _:
                return self.kind, content.tee, content.number


@dataclass(slots=True)
class Findings:
    """What came from a vendor's service or a folder, in no order.

    Attributes:
        certificates: DER.
        crls: DER.
        texts: Signed texts by the name of what is in them: `tcbInfo`, `enclaveIdentity`,
            `tcbEvaluationDataNumbers`.
    """

    certificates: list[bytes] = field(default_factory=list)
    crls: list[bytes] = field(default_factory=list)
    texts: list[tuple[str, SignedText]] = field(default_factory=list)


@quietly
def assemble(findings: Findings) -> tuple[Document, ...]:
    """Put documents in the order in which a chain takes them.

    1. One certificate is its own issuer: the root. What it issued are the authorities; others,
       such as a machine's, are left out.
    2. Each list is signed by the root or by a PCK CA.
    3. Each text is signed by a TCB signing certificate.

    Of several documents for one place the newest is taken. Establishes that the signatures verify
    up to the root that came with them; whose root that is, and all dates, are left to the chain.

    Args:
        findings: At most 16 different certificates, since each may have to be tried.

    Raises:
        MalformedEvidence: Not one root, too many certificates, or a document in another form.
        SignatureInvalid: A document that no certificate here signed.
    """
    try:
        return _assembled(findings)
    except UNREADABLE as error:
        raise MalformedEvidence(f"a certificate or a list that cannot be read: {error}") from error


def _assembled(findings: Findings) -> tuple[Document, ...]:
    # 1. Certificates.
    ders = set(findings.certificates)
    if len(ders) > MAX_CERTIFICATES:
        raise MalformedEvidence(f"{len(ders)} certificates, wanted at most {MAX_CERTIFICATES}")
    certificates = [x509.load_der_x509_certificate(each) for each in ders]
    root = _root(certificates)
    issued = [each for each in certificates if each is not root and _has_issued(root, each)]
    authorities = {parse_certificate(_der(each)).id: each for each in issued}
    documents = [_authority(each) for each in issued]
    # 2. Lists.
    issuers = {b"": root} | {id_: each for id_, each in authorities.items() if _is_ca(each)}
    documents += [_crl(each, issuers) for each in findings.crls]
    # 3. Texts.
    signers = {id_: each for id_, each in authorities.items() if not _is_ca(each)}
    documents += [_text(name, signed, signers) for name, signed in findings.texts]
    order = list(DocumentKind)
    newest = {each.place: each for each in sorted(documents, key=lambda each: each.issued_at)}
    return tuple(
        sorted(newest.values(), key=lambda each: (order.index(each.kind), str(each.place)))
    )


_PARSERS: Mapping[str, tuple[DocumentKind, Callable[[bytes], Content]]] = {
    "tcbInfo": (DocumentKind.TCB_INFO, parse_tcb_info),
    "enclaveIdentity": (DocumentKind.QE_IDENTITY, parse_qe_identity),
    "tcbEvaluationDataNumbers": (DocumentKind.NUMBERS, parse_evaluation_numbers),
}


def _root(certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    roots = [each for each in certificates if each.subject == each.issuer]
    if len(roots) != 1:
        raise MalformedEvidence(f"{len(roots)} root certificates, wanted 1")
    return roots[0]


def _has_issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    values = [each.value for each in certificate.extensions]
    return any(isinstance(each, x509.BasicConstraints) and each.ca for each in values)


def _authority(certificate: x509.Certificate) -> Document:
    content = Authority(
        certificate=parse_certificate(_der(certificate)),
        serial=certificate.serial_number,
        begins_at=int(certificate.not_valid_before_utc.timestamp()),
        ends_at=int(certificate.not_valid_after_utc.timestamp()),
    )
    kind = DocumentKind.PCK_CA if _is_ca(certificate) else DocumentKind.SIGNER
    return Document(kind, content, content.certificate.der)


def _crl(encoded: bytes, issuers: Mapping[bytes, x509.Certificate]) -> Document:
    content = parse_crl(encoded)
    crl = x509.load_der_x509_crl(encoded)
    for id_, issuer in issuers.items():
        # A chain takes P-256 alone; the names are compared because a key may have several.
        if keccak256(issuer.subject.public_bytes()) == content.issuer and crl.is_signature_valid(
            _key(issuer)
        ):
            kind = DocumentKind.PCK_CRL if id_ else DocumentKind.ROOT_CRL
            return Document(kind, content, encoded, issuer=id_)
    raise SignatureInvalid(f"CRL of {crl.issuer.rfc4514_string()} is signed by none of its issuers")


def _text(name: str, signed: SignedText, signers: Mapping[bytes, x509.Certificate]) -> Document:
    kind, parse = _PARSERS[name]
    content = parse(signed.text)
    r, s = (int.from_bytes(half, "big") for half in (signed.signature[:32], signed.signature[32:]))
    for id_, signer in signers.items():
        try:
            _key(signer).verify(encode_dss_signature(r, s), signed.text, ec.ECDSA(SHA256()))
        except InvalidSignature:
            continue
        return Document(kind, content, signed.text, issuer=id_, signature=signed.signature)
    raise SignatureInvalid(f"{kind.value} is signed by none of {len(signers)} signing certificates")


def _key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedEvidence("a certificate's key is not of P-256")
    return key


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
