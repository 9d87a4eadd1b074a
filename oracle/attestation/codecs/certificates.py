"""X.509 certificates and revocation lists, read with bounds and typed errors.

Nothing here establishes that anybody signed them: that is for `chains`.

Reference: RFC 5280, sections 4 and 5.
"""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from oracle.attestation.findings import Malformed, Remedy

MAX_CERTIFICATE_SIZE: Final = 8_192
MAX_CRL_SIZE: Final = 262_144
#: What `cryptography` raises for bytes that are not what they should be, when it first needs them.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
#: What `warnings.simplefilter` puts first.
_QUIET: Final = ("ignore", None, UserWarning, None, 0)

_P = ParamSpec("_P")
_R = TypeVar("_R")


def quietly(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A function that reads what vendors issue although `cryptography` warns of it.

    AMD's chip certificates have the serial number 0, a root of Google's a name of 84 characters.
    """

    @wraps(function)
    def quiet(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        # Within another such function there is nothing left to do.
        if warnings.filters[:1] == [_QUIET]:
            return function(*args, **kwargs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return function(*args, **kwargs)

    return quiet


@quietly
def load_certificate(der: bytes, *, subject: str) -> x509.Certificate:
    """Read one DER certificate.

    Args:
        der: At most 8,192 bytes.
        subject: What it is, for the refusal.

    Raises:
        Malformed: Too long, or not one X.509 certificate with dates from the year 1 on.
    """
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise Malformed(
            f"{len(der)} bytes",
            f"at most {MAX_CERTIFICATE_SIZE}",
            subject=subject,
            remedy=Remedy.FULL_CHAIN,
        )
    try:
        certificate = x509.load_der_x509_certificate(der)
        _check_signature_bits(der, certificate.signature)
        # The library reads dates when they are asked for, and raises for the year 0.
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE as error:
        raise Malformed(
            "other bytes", "one DER certificate", subject=subject, remedy=Remedy.FULL_CHAIN
        ) from error
    return certificate


def load_crl(der: bytes) -> x509.CertificateRevocationList:
    """Read one DER revocation list.

    Raises:
        Malformed: Over 256 KiB, or not a list with an end.
    """
    try:
        if len(der) <= MAX_CRL_SIZE:
            crl = x509.load_der_x509_crl(der)
            _check_signature_bits(der, crl.signature)
            _ = crl.last_update_utc
            if crl.next_update_utc is not None:
                return crl
    except UNREADABLE:
        pass
    raise Malformed(
        f"{len(der)} bytes",
        f"a DER list with nextUpdate of at most {MAX_CRL_SIZE} bytes",
        subject="revocation list",
        remedy=Remedy.REFRESH_COLLATERAL,
    )


def _check_signature_bits(der: bytes, signature: bytes) -> None:
    """That the signature, the last element, is whole bytes: its unused bits are nobody's.

    The number of unused bits, before it, is not signed; the library overlooks it.
    """
    if der[-1 - len(signature)]:
        raise ValueError


@quietly
def name_of(certificate: x509.Certificate) -> str:
    """How a certificate is called in refusals."""
    try:
        return f"certificate {certificate.subject.rfc4514_string()}"
    except UNREADABLE:
        return "certificate with an unreadable name"


@quietly
def issuer_of(certificate: x509.Certificate) -> str:
    """How its issuer is called in refusals."""
    try:
        return certificate.issuer.rfc4514_string()
    except UNREADABLE:
        return "an unreadable name"


@quietly
def extensions_of(certificate: x509.Certificate) -> x509.Extensions:
    """Its extensions.

    Raises:
        Malformed: They cannot be read, or one occurs twice.
    """
    try:
        return certificate.extensions
    except UNREADABLE as error:
        raise Malformed(
            "extensions that do not parse",
            "well-formed extensions, each once",
            subject=name_of(certificate),
            remedy=Remedy.FULL_CHAIN,
        ) from error


@quietly
def serial_of(certificate: x509.Certificate) -> int:
    """Its serial number, also where that is 0."""
    return certificate.serial_number
