"""Intel ECDSA quotes: the vendor's whole quote into what the chain takes.

On-chain evidence leaves out what the chain has or derives: `header 48 | body type and size 6
(version 5 only) | body (384 SGX, 584 TD 1.0, 648 TD 1.5) | signature 64 | attestation key 64 | QE
report 384 | QE report signature 64 | QE authentication data`.
The certificates go to the verifier's cache, once for each machine.

Reference: Intel SGX ECDSA QuoteLib reference, tables 2 to 9 (version 3); Intel TDX DCAP Quoting
Library API, appendix 3 (versions 4 and 5). The same forms are in
`contracts/src/libraries/DcapQuote.sol`.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

import sha3
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from enclave.domain.errors import MalformedEvidence, SignatureInvalid
from enclave.domain.evidence import (
    SGX_BODY_SIZE,
    SGX_REPORT_DATA,
    TD15_BODY_SIZE,
    TDX_BODY_SIZE,
    TDX_REPORT_DATA,
    TeeKind,
    image_id,
)
from oracle.attestation.codecs.certificates import load_certificate
from oracle.attestation.codecs.reader import Reader
from oracle.attestation.findings import Malformed, Remedy

#: A driver's buffer is larger than the quote; a larger file than this is none.
MAX_QUOTE = 16_384
MAX_QE_AUTH = 1_024
MAX_CERTIFICATE = 4_096
CHAIN_LENGTH = 3
HEADER_SIZE = 48
_SGX_V3 = bytes.fromhex("0300020000000000")
#: The first eight bytes: version, key type (ECDSA with P-256), TEE type. They decide the body's
#: size, in version 5 together with the body's own type and size, which follow the header.
_KINDS = {
    _SGX_V3: (TeeKind.SGX, {b"": SGX_BODY_SIZE}),
    bytes.fromhex("0400020000000000"): (TeeKind.SGX, {b"": SGX_BODY_SIZE}),
    bytes.fromhex("0400020081000000"): (TeeKind.TDX, {b"": TDX_BODY_SIZE}),
    bytes.fromhex("0500020000000000"): (
        TeeKind.SGX,
        {bytes.fromhex("010080010000"): SGX_BODY_SIZE},
    ),
    bytes.fromhex("0500020081000000"): (
        TeeKind.TDX,
        {
            bytes.fromhex("020048020000"): TDX_BODY_SIZE,
            bytes.fromhex("030088020000"): TD15_BODY_SIZE,
        },
    ),
}
_BODY_TYPE_SIZE = 6
#: From this version on the header is followed by the body's type and size.
_TYPED = 5
_QE_REPORT_SIZE = 384
_CERT_PEM_CHAIN = 5
_CERT_QE_REPORT = 6
_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\r?\n"
    r"((?:[A-Za-z0-9+/=]{1,76}\r?\n)+)"
    r"-----END CERTIFICATE-----(?:\r?\n)?"
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of the chain.

    Attributes:
        der: The whole certificate.
        parsed: The same, read.
    """

    der: bytes
    parsed: x509.Certificate = field(repr=False, compare=False)

    @property
    def id(self) -> bytes:
        """keccak256 of the part that its issuer signed, 32 bytes: how the contracts name it."""
        return bytes(sha3.keccak_256(self.parsed.tbs_certificate_bytes).digest())


@dataclass(frozen=True, slots=True)
class DcapQuote:
    """A quote taken apart.

    Attributes:
        tee: `SGX` or `TDX`.
        body: The report body: 384 (SGX), 584 (TD 1.0) or 648 bytes (TD 1.5).
        evidence: What `DcapVerifier.verify` takes.
        qe_report: The quoting enclave's own report body, 384 bytes.
        pck: The machine's certificate.
        ca: Its issuer.
        root: The vendor's root as the quote carries it, if it does; verifiers trust their own.
    """

    tee: TeeKind
    body: bytes
    evidence: bytes
    qe_report: bytes
    pck: Certificate
    ca: Certificate
    root: Certificate | None

    @property
    def report_data(self) -> bytes:
        """The 64 bytes that the enclave chose."""
        return self.body[SGX_REPORT_DATA if self.tee is TeeKind.SGX else TDX_REPORT_DATA]

    @property
    def header(self) -> bytes:
        """48 bytes."""
        return self.evidence[:HEADER_SIZE]

    @property
    def version(self) -> int:
        """3, 4 or 5."""
        return int.from_bytes(self.header[:2], "little")

    @property
    def signed(self) -> bytes:
        """What the attestation key signs: header, in version 5 type and size, and body."""
        return self.evidence[: self._signed_size]

    @property
    def signature(self) -> bytes:
        """The attestation key's, r and s, 64 bytes."""
        return self._after_body(0, 64)

    @property
    def attestation_key(self) -> bytes:
        """Both coordinates, 64 bytes."""
        return self._after_body(64, 128)

    @property
    def qe_signature(self) -> bytes:
        """The machine's over the QE report, r and s, 64 bytes."""
        return self._after_body(128 + _QE_REPORT_SIZE, 192 + _QE_REPORT_SIZE)

    @property
    def qe_auth(self) -> bytes:
        """QE authentication data."""
        return self._after_body(192 + _QE_REPORT_SIZE, None)

    @property
    def _signed_size(self) -> int:
        return HEADER_SIZE + (_BODY_TYPE_SIZE if self.version == _TYPED else 0) + len(self.body)

    def _after_body(self, begin: int, end: int | None) -> bytes:
        at = self._signed_size
        return self.evidence[at + begin : None if end is None else at + end]

    @property
    def image_id(self) -> bytes:
        """What `ImagePolicy` must have approved, 32 bytes."""
        return image_id(self.tee, self.body)


def split_quote(raw: bytes) -> DcapQuote:
    """Take a quote apart.

    Checks shape only; nothing here establishes that the quote is genuine.

    Args:
        raw: SGX version 3, 4 or 5 or TDX version 4 or 5 with a PEM chain (certification data type
            5), at most 16,384 bytes. Bytes after the declared length are a driver's buffer: zeros,
            left out.

    Raises:
        MalformedEvidence: Another version, key, body or certification type, a length that does not
            match, a chain of other than three certificates, or bytes left over.
    """
    if len(raw) > MAX_QUOTE:
        raise MalformedEvidence(f"quote of {len(raw)} bytes, wanted at most {MAX_QUOTE}")
    quote = Reader(raw)
    header, tee, body = _header_and_body(quote)
    data = Reader(quote.take(quote.u32("signature length"), "signature data"))
    if any(quote.rest()):
        raise MalformedEvidence("quote is followed by bytes that are not zero")
    signature_and_key = data.take(128, "signature and attestation key")
    certified = data if header[:8] == _SGX_V3 else _certified(data)
    report = certified.take(_QE_REPORT_SIZE + 64, "QE report")
    auth_size = certified.u16("QE authentication data length")
    if auth_size > MAX_QE_AUTH:
        raise MalformedEvidence(f"QE authentication data of {auth_size} bytes, wanted <= 1024")
    auth = certified.take(auth_size, "QE authentication data")
    pck, ca, root = _chain(_certification(certified, _CERT_PEM_CHAIN))
    certified.end("certification data")
    evidence = header + body + signature_and_key + report + auth
    return DcapQuote(tee, body, evidence, report[:_QE_REPORT_SIZE], pck, ca, root)


def report_body(raw: bytes) -> bytes:
    """The report body of a quote, whatever follows it.

    Args:
        raw: A quote that `split_quote` takes.

    Raises:
        MalformedEvidence: Another version or body, or no whole body.
    """
    return _header_and_body(Reader(raw))[2]


def parse_evidence(raw: bytes, *, pck: Certificate, ca: Certificate) -> DcapQuote:
    """Take evidence apart that was registered, with the certificates that were left out of it.

    Establishes that the machine's key signed the QE report, and nothing else.

    Args:
        raw: What `DcapVerifier.verify` took.
        pck: A machine's certificate.
        ca: Its issuer.

    Raises:
        MalformedEvidence: No evidence of this form.
        SignatureInvalid: Of another machine.
    """
    evidence = Reader(raw)
    _, tee, body = _header_and_body(evidence)
    evidence.take(128, "signature and attestation key")
    report = evidence.take(_QE_REPORT_SIZE, "QE report")
    signature = evidence.take(64, "QE report signature")
    if len(evidence.rest()) > MAX_QE_AUTH:
        raise MalformedEvidence(f"QE authentication data of more than {MAX_QE_AUTH} bytes")
    require_signed(report, signature, pck.parsed.public_key(), what="QE report, by the machine")
    return DcapQuote(tee, body, raw, report, pck, ca, None)


def require_signed(
    message: bytes, signature: bytes, key: CertificatePublicKeyTypes, *, what: str
) -> None:
    """Require an ECDSA signature with SHA-256 in the form that quotes and collateral carry.

    Args:
        message: What is signed.
        signature: r and s, 32 bytes each, big-endian.
        key: Whose signature is wanted.
        what: Whose and over what, for the error.

    Raises:
        MalformedEvidence: The key is on no elliptic curve.
        SignatureInvalid: Signed by another key, or another message.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise MalformedEvidence(f"{what}: the key is on no elliptic curve")
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise SignatureInvalid(f"{what}: not signed by this key") from error


def parse_pem_chain(pem: bytes) -> tuple[Certificate, ...]:
    """Certificates of a PEM chain, in order.

    Checks shape only: no signature, date or name.

    Args:
        pem: Certificates and nothing between them; one NUL may end it, as the vendor writes it.

    Raises:
        MalformedEvidence: Other text, bad base64, not a DER certificate, or one over 4,096 bytes.
    """
    try:
        text = pem.removesuffix(b"\0").decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedEvidence("certificate chain is not ASCII") from error
    position, certificates = 0, []
    while position < len(text):
        block = _PEM.match(text, position)
        if block is None:
            raise MalformedEvidence(f"certificate chain has other text at {position}")
        certificates.append(parse_certificate(_decode_base64(block[1])))
        position = block.end()
    return tuple(certificates)


def parse_certificate(encoded: bytes) -> Certificate:
    """Name a DER certificate as the contracts do.

    Args:
        encoded: At most 4,096 bytes.

    Raises:
        MalformedEvidence: Not one DER certificate.
    """
    if len(encoded) > MAX_CERTIFICATE:
        raise MalformedEvidence(f"certificate of {len(encoded)} bytes, wanted <= {MAX_CERTIFICATE}")
    return Certificate(encoded, load_certificate(encoded, subject="certificate of the chain"))


def _header_and_body(quote: Reader) -> tuple[bytes, TeeKind, bytes]:
    """What comes before the body (in version 5 with its type and size), the TEE, the body."""
    header = quote.take(HEADER_SIZE, "header")
    if header[:8] not in _KINDS:
        raise MalformedEvidence(
            f"quote begins {header[:8].hex()}, wanted {' or '.join(k.hex() for k in _KINDS)}"
        )
    tee, sizes = _KINDS[header[:8]]
    kind = b"" if b"" in sizes else quote.take(_BODY_TYPE_SIZE, "body type and size")
    if kind not in sizes:
        wanted = " or ".join(k.hex() for k in sizes)
        raise MalformedEvidence(f"{tee.name} body type and size {kind.hex()}, wanted {wanted}")
    return header + kind, tee, quote.take(sizes[kind], "report body")


def _certified(data: Reader) -> Reader:
    """From version 4 on, certification data of type 6 wrap the QE report and its chain."""
    inner = _certification(data, _CERT_QE_REPORT)
    data.end("signature data")
    return Reader(inner)


def _certification(data: Reader, wanted: int) -> bytes:
    """Certification data of one type: `type u16 | size u32 | data`."""
    seen = data.u16("certification data type")
    if seen != wanted:
        raise Malformed(
            f"type {seen}",
            f"type {wanted}",
            subject="certification data",
            remedy=Remedy.FULL_CHAIN,
        )
    return data.take(data.u32("certification data length"), "certification data")


def _chain(pem: bytes) -> tuple[Certificate, Certificate, Certificate]:
    certificates = parse_pem_chain(pem)
    if len(certificates) != CHAIN_LENGTH:
        raise MalformedEvidence(f"chain of {len(certificates)} certificates, wanted {CHAIN_LENGTH}")
    pck, ca, root = certificates
    return pck, ca, root


def _decode_base64(lines: str) -> bytes:
    text = "".join(lines.split())
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise MalformedEvidence("certificate is not base64") from error
    if base64.b64encode(decoded).decode() != text:
        raise MalformedEvidence("certificate is not canonical base64")
    return decoded
