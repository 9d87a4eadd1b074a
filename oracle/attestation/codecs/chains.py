"""Certificate chains to a given root: names, signatures, dates, CA flags, path lengths, revocation.

The path verifier of `cryptography` is for TLS and refuses the vendors' real chains (AMD's have no
key identifiers), so the rules stand here, fewer and strict: each certificate issued directly by the
next, every window against `now`, every issuer a CA with room below it, no critical extension that
nobody here understands, no digest that collides. Where several certificates could be an issuer (a
root that was renewed, two authorities of one name), each is tried, and one path has to pass whole.

Reference: RFC 5280, sections 4.2, 5 and 6.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.codecs.certificates import (
    UNREADABLE,
    extensions_of,
    issuer_of,
    load_certificate,
    load_crl,
    name_of,
    quietly,
    serial_of,
)
from oracle.attestation.findings import Expired, Malformed, Refusal, Remedy, Unsigned

__all__ = ["Chain", "check_revocation", "load_certificate", "load_crl", "name_of", "verify_chain"]

#: Certificates between the leaf and the root, both included.
MAX_DEPTH: Final = 8
#: What a host may bring for one piece of evidence.
MAX_CERTIFICATES: Final = 32
MAX_CRLS: Final = 8
#: How often a certificate is tried as another's issuer: certificates of one name must not be able
#: to keep a verifier busy.
MAX_TRIES: Final = 16

#: Critical extensions that are read here.
_UNDERSTOOD: Final = frozenset(
    {x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.ExtendedKeyUsage.oid}
)
#: Of an RSA key; vendors have 65,537.
_MAX_EXPONENT: Final = 2**32
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES: Final = (SHA256, SHA384, SHA512)


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


@quietly
def verify_chain(
    leaf: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    roots: Sequence[x509.Certificate],
    *,
    now: int,
    crls: Iterable[x509.CertificateRevocationList] = (),
    understood: frozenset[x509.ObjectIdentifier] = frozenset(),
) -> Chain:
    """Find and check a path from a leaf to one of the roots.

    Does not establish what the leaf may be used for: extended key usage, names and the vendor's
    extensions are for the caller. A list that bears the name of no issuer of the path is not looked
    at; one that bears an issuer's name has to be that issuer's.

    Args:
        leaf: Whose key signed the evidence.
        intermediates: In any order, perhaps with roots and strangers; at most 32.
        roots: Certificates that are trusted; compared byte for byte.
        now: Seconds since the epoch.
        crls: Revocation lists from `load_crl`, at most 8.
        understood: Further critical extensions that the caller reads.

    Returns:
        The first path, roots before intermediates, that passes.

    Raises:
        Malformed: Too many certificates or lists, or extensions that cannot be read.
        Unsigned: No path to a root (of RSA keys of 2,048 to 4,096 bits with an exponent below 2^32,
            and keys on NIST's curves), a signature that does not verify or whose digest is not of
            the SHA-2 family, an issuer that is no CA or has no room, a critical extension that
            nobody reads, a list that its issuer did not sign, or a revoked certificate.
        Expired: A certificate or a list is outside its window.
        Refusal: Where several paths were tried, what the first one failed by.
    """
    others, lists = tuple(intermediates), tuple(crls)
    _bound(len(others), MAX_CERTIFICATES, "certificates")
    _bound(len(lists), MAX_CRLS, "revocation lists")
    trusted = tuple(roots)
    search = _Search(trusted, tuple(dict.fromkeys((*trusted, *others))), iter(range(MAX_TRIES)))
    refusals = []
    for path in search.paths((leaf,)):
        try:
            _check_root(path[-1], trusted)
            return _check_path(path, datetime.fromtimestamp(now, UTC), lists, understood)
        except Refusal as refusal:
            refusals.append(refusal)
    raise refusals[0]


@quietly
def check_revocation(
    chain: Chain, crls: Iterable[x509.CertificateRevocationList], *, now: int
) -> Chain:
    """Check revocation lists for a path that was verified without them.

    Args:
        chain: From `verify_chain`.
        crls: As there.
        now: Seconds since the epoch.

    Raises:
        Malformed: Too many lists.
        Unsigned: A list that its issuer did not sign, or a revoked certificate.
        Expired: A list is outside its window.
    """
    lists = tuple(crls)
    _bound(len(lists), MAX_CRLS, "revocation lists")
    return _check_lists(chain.path, datetime.fromtimestamp(now, UTC), lists)


@dataclass(frozen=True, slots=True)
class _Search:
    """Every way up from a certificate.

    Attributes:
        trusted: Where a way ends well.
        candidates: Possible issuers, each once, roots first.
        tries: One item for each signature that may still be tried, for all ways together.
    """

    trusted: tuple[x509.Certificate, ...]
    candidates: tuple[x509.Certificate, ...]
    tries: Iterator[int]

    def paths(self, path: tuple[x509.Certificate, ...]) -> Iterator[tuple[x509.Certificate, ...]]:
        """Each way on to a root, or to where it ends without one."""
        is_end = True
        if path[-1] not in self.trusted and len(path) < MAX_DEPTH:
            for issuer in self._issuers(path[-1]):
                if issuer not in path:
                    is_end = False
                    yield from self.paths((*path, issuer))
        if is_end:
            yield path

    def _issuers(self, certificate: x509.Certificate) -> Iterator[x509.Certificate]:
        for candidate in self.candidates:
            is_issuer = _is_issued_by(certificate, candidate)
            if is_issuer is not None and next(self.tries, None) is None:
                return
            if is_issuer:
                yield candidate


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Whether the issuer's key signed it; None, at once, where they cannot belong together."""
    try:
        if not _is_quick(issuer.public_key()):
            return None
        # Compares names byte for byte before it looks at the signature.
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except UNREADABLE:
        return None
    return True


def _is_quick(key: CertificatePublicKeyTypes) -> bool:
    """Whether it is of a kind that vendors use; others can take many times as long."""
    if isinstance(key, rsa.RSAPublicKey):
        return 2048 <= key.key_size <= 4096 and key.public_numbers().e < _MAX_EXPONENT
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)


def _bound(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise Malformed(
            f"{count} {what}",
            f"at most {limit}",
            subject="certificate chain",
            remedy=Remedy.FULL_CHAIN,
        )


def _check_root(last: x509.Certificate, trusted: tuple[x509.Certificate, ...]) -> None:
    if last not in trusted:
        raise Unsigned(
            f"issued by {issuer_of(last)}, whose certificate is not here or did not sign it",
            f"a chain of at most {MAX_DEPTH} certificates to a trusted root",
            subject=name_of(last),
            remedy=Remedy.FULL_CHAIN,
        )


def _check_path(
    path: tuple[x509.Certificate, ...],
    moment: datetime,
    lists: tuple[x509.CertificateRevocationList, ...],
    understood: frozenset[x509.ObjectIdentifier],
) -> Chain:
    for depth, certificate in enumerate(path):
        _check_window(certificate, moment)
        _check_extensions(certificate, understood)
        if depth:
            _check_issuer(certificate, below=depth - 1)
    for certificate in path[:-1]:
        _check_hash(certificate)
    return _check_lists(path, moment, lists)


def _check_lists(
    path: tuple[x509.Certificate, ...],
    moment: datetime,
    lists: tuple[x509.CertificateRevocationList, ...],
) -> Chain:
    ends = [certificate.not_valid_after_utc for certificate in path]
    # Asked for once: a list reads its name anew each time.
    named = [(_list_name(crl), crl) for crl in lists]
    covered = []
    for certificate, issuer in pairwise(path):
        own = _lists_of(issuer, named) if named else ()
        ends.extend(_check_list(crl, certificate, moment) for crl in own)
        covered.append(bool(own))
    return Chain(path, min(int(end.timestamp()) for end in ends), tuple(covered))


def _check_hash(certificate: x509.Certificate) -> None:
    algorithm = certificate.signature_hash_algorithm
    if not isinstance(algorithm, _HASHES):
        raise Unsigned(
            f"signed over {algorithm.name if algorithm else 'no digest'}",
            "SHA-256, SHA-384 or SHA-512",
            subject=name_of(certificate),
            remedy=Remedy.GENUINE_HARDWARE,
        )


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
    for extension in extensions_of(certificate):
        if extension.critical and extension.oid not in _UNDERSTOOD | understood:
            raise Unsigned(
                f"critical extension {extension.oid.dotted_string}",
                "no critical extension that this verifier does not read",
                subject=name_of(certificate),
                remedy=Remedy.GENUINE_HARDWARE,
            )


def _check_issuer(certificate: x509.Certificate, *, below: int) -> None:
    """That it may issue, with this many CA certificates below it."""
    extensions = extensions_of(certificate)
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


def _lists_of(
    issuer: x509.Certificate,
    lists: list[tuple[x509.Name | None, x509.CertificateRevocationList]],
) -> tuple[x509.CertificateRevocationList, ...]:
    """The issuer's own lists; there may be others of its name, but not others only."""
    subject = issuer.subject
    of_name = [crl for name, crl in lists if name == subject]
    own = tuple(crl for crl in of_name if _is_list_of(crl, issuer))
    if of_name and not own:
        raise Unsigned(
            "a signature that does not verify, a signer that may not sign lists, or a critical"
            " extension",
            "the issuer's own list, of all that it has revoked",
            subject=f"revocation list of {issuer.subject.rfc4514_string()}",
            remedy=Remedy.REFRESH_COLLATERAL,
        )
    return own


def _list_name(crl: x509.CertificateRevocationList) -> x509.Name | None:
    try:
        return crl.issuer
    except UNREADABLE:
        return None


def _is_list_of(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        if any(extension.critical for extension in crl.extensions):
            return False
        # Typed by the keys that can sign lists; any other raises TypeError.
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except UNREADABLE:
        return False


def _check_list(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, moment: datetime
) -> datetime:
    begins, ends = crl.last_update_utc, crl.next_update_utc
    if ends is None or not begins <= moment <= ends:
        raise Expired(
            f"{moment:%Y-%m-%d %H:%M:%S} UTC",
            f"{begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S}",
            subject=f"revocation list of {issuer_of(certificate)}",
            remedy=Remedy.REFRESH_COLLATERAL,
        )
    serial = serial_of(certificate)
    if crl.get_revoked_certificate_by_serial_number(serial) is not None:
        raise Unsigned(
            f"serial {serial:#x} is on its issuer's revocation list",
            "a certificate that is not revoked",
            subject=name_of(certificate),
            remedy=Remedy.REPLACE_MACHINE,
        )
    return ends
