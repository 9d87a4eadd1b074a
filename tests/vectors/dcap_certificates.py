"""Certificates of the emulated vendor that are issued again, well or ill."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.devnet.silicon.pki import CA_LIFE, SGX_EXTENSION, Authority

#: Far from any year in which the tests run: they warp to it.
NOW = datetime(2031, 6, 1, tzinfo=UTC)

#: subjectKeyIdentifier and authorityKeyIdentifier.
KEY_IDENTIFIERS = frozenset({"2.5.29.14", "2.5.29.35"})

Edit = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def reissue(
    original: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    replaced: tuple[x509.Extension[x509.ExtensionType], ...] = (),
    without: frozenset[str] = frozenset(),
    edit: Edit = lambda builder: builder,
) -> bytes:
    """The certificate again, with extensions replaced or left out, or another field edited."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(original.subject)
        .issuer_name(original.issuer)
        .public_key(original.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(original.not_valid_before_utc)
        .not_valid_after(original.not_valid_after_utc)
    )
    by_oid = {extension.oid: extension for extension in (*original.extensions, *replaced)}
    for oid, extension in by_oid.items():
        if oid.dotted_string not in without:
            builder = builder.add_extension(extension.value, critical=extension.critical)
    return edit(builder).sign(issuer_key, SHA256()).public_bytes(Encoding.DER)


def extension(
    value: x509.ExtensionType, *, critical: bool = True
) -> x509.Extension[x509.ExtensionType]:
    """An extension with its own object identifier."""
    return x509.Extension(value.oid, critical, value)


def usage(*, sign: bool, cert_sign: bool) -> x509.Extension[x509.ExtensionType]:
    """A key usage with two of its bits; a third keeps it from being empty."""
    flags = dict.fromkeys(
        (
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return extension(
        x509.KeyUsage(
            digital_signature=sign,
            content_commitment=True,
            key_cert_sign=cert_sign,
            crl_sign=False,
            **flags,
        )
    )


def refused_root(ca: Authority, root: Authority) -> dict[str, bytes]:
    """A root that is none: not its own issuer, though with a root's path length."""
    constraints = x509.BasicConstraints(True, 1)
    return {"pathLength1": reissue(ca.certificate, root.key, replaced=(extension(constraints),))}


def refused_pcks(pck: Authority, ca: Authority, root: Authority) -> dict[str, bytes]:
    """Leaves that must not be cached."""
    key, old = ca.key, pck.certificate
    late, early = NOW - timedelta(days=1), NOW + timedelta(days=1)
    constraints = x509.BasicConstraints
    return {
        "isCa": reissue(old, key, replaced=(extension(constraints(True, 0)),)),
        "certSign": reissue(old, key, replaced=(usage(sign=True, cert_sign=True),)),
        "noSignature": reissue(old, key, replaced=(usage(sign=False, cert_sign=False),)),
        "noSgx": reissue(old, key, without=frozenset({SGX_EXTENSION})),
        "expired": reissue(old, key, edit=set_field("_not_valid_after", late)),
        "notYetValid": reissue(old, key, edit=set_field("_not_valid_before", early)),
        "signedByRoot": reissue(old, root.key),
        "otherIssuer": reissue(old, key, edit=set_field("_issuer_name", root.certificate.subject)),
        "signedByItself": reissue(old, pck.key),
        "noKeyIdentifiers": reissue(old, pck.key, without=KEY_IDENTIFIERS),
    }


def accepted_cas(ca: Authority, root: Authority) -> dict[str, bytes]:
    """Intermediates that differ from the vendor's and are sound."""
    soon = NOW + timedelta(days=1)
    return {
        "endsSoon": reissue(ca.certificate, root.key, edit=set_field("_not_valid_after", soon)),
        # From 2050 on times are GeneralizedTime; this one ends after the root.
        "outlivesRoot": reissue(
            ca.certificate, root.key, edit=set_field("_not_valid_after", NOW + 3 * CA_LIFE)
        ),
    }


def accepted_pcks(pck: Authority, ca: Authority) -> dict[str, bytes]:
    """Further certificates of the same machine: one ends before its present one, one after."""
    end = pck.certificate.not_valid_after_utc
    month = timedelta(days=30)
    return {
        "earlier": reissue(
            pck.certificate, ca.key, edit=set_field("_not_valid_after", end - month)
        ),
        "later": reissue(pck.certificate, ca.key, edit=set_field("_not_valid_after", end + month)),
        "unknownExtension": reissue(pck.certificate, ca.key, edit=_add_unknown),
    }


def set_field(name: str, value: object) -> Edit:
    """The builder refuses to set a field twice; this replaces it."""

    def edit(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        setattr(builder, name, value)
        return builder

    return edit


def _add_unknown(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    return builder.add_extension(unknown, critical=False)
