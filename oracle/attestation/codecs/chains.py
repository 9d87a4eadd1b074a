"""Certificate chains to a given root: names, signatures, dates, CA flags, path lengths, revocation.

The path verifier of `cryptography` is for TLS and refuses the vendors' real chains (AMD's have no
key identifiers), so the rules stand here, fewer and strict: one path, each certificate issued
directly by the next, every window against `now`, every issuer a CA with room below it, no critical
extension that nobody here understands.

Reference: RFC 5280, sections 4.2 and 6.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from oracle.attestation.findings import Expired, Malformed, Remedy, Unsigned

#: Certificates between the leaf and the root, both included.
MAX_DEPTH: Final = 8
#: What a host may bring for one piece of evidence.
MAX_CERTIFICATES: Final = 64
MAX_CERTIFICATE_SIZE: Final = 16_384
MAX_CRL_SIZE: Final = 4_194_304

#: Critical extensions that are read here.
_UNDERSTOOD: Final = frozenset(
    {x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.ExtendedKeyUsage.oid}
)
_Error = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class Chain:
    """A verified path.

    Attributes:
        path: Leaf first, the trusted root last.
        expires_at: End of the shortest validity of its certificates and of the lists that were
            checked, seconds since the epoch.
        has_crls: For each certificate but the root, in the path's order: whether a list of its
            issuer was checked.
    """

    path: tuple[x509.Certificate, ...]
    expires_at: int
    has_crls: tuple[bool, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate whose key signed the evidence."""
        return self.path[0]

    @property
    def root_der(self) -> bytes:
        """The trusted root."""
        return self.path[-1].public_bytes(Encoding.DER)


def load_certificate(der: bytes, *, subject: str) -> x509.Certificate:
    """Read one DER certificate.

    Args:
        der: At most 16,384 bytes.
        subject: What it is, for the refusal.

    Raises:
        Malformed: Too long, or not one X.509 certificate.
    """
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise Malformed(
            f"{len(der)} bytes",
            f"at most {MAX_CERTIFICATE_SIZE}",
            subject=subject,
            remedy=Remedy.FULL_CHAIN,
        )
    try:
        with warnings.catch_warnings():
            # AMD's chip certificates have the serial number 0.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise Malformed(
            "other bytes", "one DER certificate", subject=subject, remedy=Remedy.FULL_CHAIN
        ) from error


def load_crl(der: bytes) -> x509.CertificateRevocationList:
    """Read one DER revocation list.

    Raises:
        Malformed: Over 4 MiB, or not a list with an end.
    """
    subject = "revocation list"
    try:
        if len(der) <= MAX_CRL_SIZE:
            crl = x509.load_der_x509_crl(der)
            if crl.next_update_utc is not None:
                return crl
    except ValueError:
        pass
    raise Malformed(
        f"{len(der)} bytes",
        f"a DER list with nextUpdate of at most {MAX_CRL_SIZE} bytes",
        subject=subject,
        remedy=Remedy.REFRESH_COLLATERAL,
    )


def verify_chain(
    leaf: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    roots: Sequence[bytes],
    *,
    now: int,
    crls: Iterable[x509.CertificateRevocationList] = (),
    understood: frozenset[x509.ObjectIdentifier] = frozenset(),
) -> Chain:
    """Find and check the path from a leaf to one of the roots.

    Does not establish what the leaf may be used for: extended key usage, names and the vendor's
    extensions are for the caller. A list that no issuer of the path signed is not looked at.

    Args:
        leaf: Whose key signed the evidence.
        intermediates: In any order, perhaps with roots and strangers; at most 64.
        roots: DER certificates that are trusted; compared byte for byte.
        now: Seconds since the epoch.
        crls: Revocation lists.
        understood: Further critical extensions that the caller reads.

    Raises:
        Unsigned: No path to a root, a signature that does not verify, an issuer that is no CA or
            has no room, a critical extension that nobody reads, or a revoked certificate.
        Expired: A certificate or a list is outside its window.
    """
    path = _path(leaf, tuple(intermediates), roots)
    moment = datetime.fromtimestamp(now, UTC)
    for depth, certificate in enumerate(path):
        _check_window(certificate, moment)
        _check_extensions(certificate, understood)
        if depth:
            _check_issuer(certificate, below=depth - 1)
    ends = [certificate.not_valid_after_utc for certificate in path]
    lists = tuple(crls)
    covered = []
    for certificate, issuer in pairwise(path):
        own = [crl for crl in lists if _is_signed(crl, issuer)]
        ends.extend(_check_list(crl, certificate, moment) for crl in own)
        covered.append(bool(own))
    return Chain(path, min(int(end.timestamp()) for end in ends), tuple(covered))


def name_of(certificate: x509.Certificate) -> str:
    """How a certificate is called in refusals."""
    try:
        return f"certificate {certificate.subject.rfc4514_string()}"
    except ValueError:
        return "certificate with an unreadable name"


def _path(
    leaf: x509.Certificate, intermediates: tuple[x509.Certificate, ...], roots: Sequence[bytes]
) -> tuple[x509.Certificate, ...]:
    if len(intermediates) > MAX_CERTIFICATES:
        raise Malformed(
            f"{len(intermediates)} certificates",
            f"at most {MAX_CERTIFICATES}",
            subject="certificate chain",
            remedy=Remedy.FULL_CHAIN,
        )
    trusted = tuple(load_certificate(der, subject="trusted root") for der in roots)
    path = [leaf]
    while path[-1] not in trusted:
        issuer = _issuer(path[-1], (*trusted, *intermediates))
        if issuer is None or issuer in path or len(path) == MAX_DEPTH:
            raise Unsigned(
                f"issued by {_issuer_name(path[-1])}, whose certificate is not here or did not"
                " sign it",
                f"a chain of at most {MAX_DEPTH} certificates to a trusted root",
                subject=name_of(path[-1]),
                remedy=Remedy.FULL_CHAIN,
            )
        path.append(issuer)
    return tuple(path)


def _issuer(
    certificate: x509.Certificate, candidates: tuple[x509.Certificate, ...]
) -> x509.Certificate | None:
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except _Error:
            continue
        return candidate
    return None


def _issuer_name(certificate: x509.Certificate) -> str:
    try:
        return certificate.issuer.rfc4514_string()
    except ValueError:
        return "an unreadable name"


def _check_window(certificate: x509.Certificate, moment: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= moment <= ends:
        raise Expired(
            f"{moment:%Y-%m-%d %H:%M:%S} UTC",
            f"{begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S}",
            subject=name_of(certificate),
            remedy=Remedy.CHECK_TIME if moment < begins else Remedy.NEW_EVIDENCE,
        )


def _check_extensions(
    certificate: x509.Certificate, understood: frozenset[x509.ObjectIdentifier]
) -> None:
    for extension in _extensions(certificate):
        if extension.critical and extension.oid not in _UNDERSTOOD | understood:
            raise Unsigned(
                f"critical extension {extension.oid.dotted_string}",
                "no critical extension that this verifier does not read",
                subject=name_of(certificate),
                remedy=Remedy.GENUINE_HARDWARE,
            )


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except ValueError as error:
        raise Malformed(
            "extensions that do not parse",
            "well-formed extensions, each once",
            subject=name_of(certificate),
            remedy=Remedy.FULL_CHAIN,
        ) from error


def _check_issuer(certificate: x509.Certificate, *, below: int) -> None:
    """That it may issue, with this many CA certificates below it."""
    extensions = _extensions(certificate)
    seen = ""
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca:
            seen = "no CA"
        elif constraints.path_length is not None and constraints.path_length < below:
            seen = f"path length {constraints.path_length}"
    except x509.ExtensionNotFound:
        seen = "no basic constraints"
    try:
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            seen = "a key that may not sign certificates"
    except x509.ExtensionNotFound:
        pass
    if seen:
        raise Unsigned(
            seen,
            f"a CA with room for {below} below it",
            subject=name_of(certificate),
            remedy=Remedy.FULL_CHAIN,
        )


def _is_signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if crl.issuer != issuer.subject:
        return False
    try:
        # Typed by the keys that can sign lists; any other raises TypeError.
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except _Error:
        return False


def _check_list(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, moment: datetime
) -> datetime:
    begins, ends = crl.last_update_utc, crl.next_update_utc
    if ends is None or not begins <= moment <= ends:
        raise Expired(
            f"{moment:%Y-%m-%d %H:%M:%S} UTC",
            f"{begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S}",
            subject=f"revocation list of {_issuer_name(certificate)}",
            remedy=Remedy.REFRESH_COLLATERAL,
        )
    if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
        raise Unsigned(
            f"serial {certificate.serial_number:#x} is on its issuer's revocation list",
            "a certificate that is not revoked",
            subject=name_of(certificate),
            remedy=Remedy.REPLACE_MACHINE,
        )
    return ends
