"""Certificates of TPMs' attestation keys, up to a trusted root.

Reference: TCG TPM 2.0 Keys for Device Identity and Attestation, version 1.0 (certificates of
attestation keys); RFC 5280.
"""

from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from oracle.attestation.claims import Fact
from oracle.attestation.codecs.certificates import (
    UNREADABLE,
    extensions_of,
    issuer_of,
    load_certificate,
    load_crl,
    name_of,
)
from oracle.attestation.codecs.chains import MAX_CERTIFICATES, MAX_CRLS, Chain, verify_chain
from oracle.attestation.codecs.tpm_keys import PublicKey
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.findings import Malformed, Remedy, Unsigned
from oracle.attestation.roots import Root

#: tcg-kp-AIKCertificate: the certificate is of an attestation key.
_AIK_CERTIFICATE: Final = x509.ObjectIdentifier("2.23.133.8.3")

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


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
    chain = verify_chain(leaf, others, [root.certificate for root in anchors], now=now, crls=crls)
    _check_use(leaf)
    return chain


def certificate_facts(chain: Chain) -> dict[str, Fact]:
    """Whom the attestation key's certificate names, and who says so."""
    names = name_of(chain.leaf), issuer_of(chain.leaf)
    subject, issuer = (name.removeprefix("certificate ") for name in names)
    return {"ak-certificate-subject": subject, "ak-certificate-issuer": issuer}


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
