"""Makes `dcap.json`: quotes, certificates and their ill-made variants for the tests in Solidity.

Run `scripts/gen_fixtures`. Keys are new each time, so the bytes are too; the tests take every value
from the file. Each refused variant is genuine but for the one thing that its name says, signed anew
by the emulated vendor, so that the step under test is the only one that can refuse it.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import coincurve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.evidence import (
    TD15_BODY_SIZE,
    RegistrationContext,
    TeeKind,
    image_id,
    registration_digest,
    report_data,
)
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import parse_certificate
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.pki import CA_LIFE, SGX_EXTENSION, Authority, sgx_extension
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor

FILE = Path(__file__).with_name("dcap.json")
#: Far from any year in which the tests run: they warp to it.
NOW = datetime(2031, 6, 1, tzinfo=UTC)
CHAIN_ID = 31_337
DEPLOYER = bytes.fromhex("d0" * 20)
OPERATOR = bytes.fromhex("0e" * 20)
REF_BLOCKS = (1_000_000, 1_000_050)
MEASUREMENT = hashlib.sha384(b"an image for tests").digest()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a piece of evidence is put together from."""

    form: QuoteForm
    body: bytes
    mrsigner: bytes = quotes.QE_MRSIGNER
    product: int | None = None
    attributes: bytes = quotes.QE_ATTRIBUTES
    binding_tail: bytes = bytes(32)
    auth: bytes = bytes(range(32))
    bind_other_key: bool = False
    vendor_id: bytes = quotes.QE_VENDOR_ID


def evidence(parts: Parts, pck: ec.EllipticCurvePrivateKey) -> bytes:
    """On-chain evidence with a new attestation key, certified by `pck`."""
    key = ec.generate_private_key(ec.SECP256R1())
    bound = ec.generate_private_key(ec.SECP256R1()) if parts.bind_other_key else key
    binding = hashlib.sha256(quotes.raw_public_key(bound) + parts.auth).digest()
    report = quotes.sgx_report_body(
        cpu_svn=bytes(16),
        attributes=parts.attributes,
        mrenclave=quotes.QE_MRENCLAVE,
        mrsigner=parts.mrsigner,
        product=quotes.QE_PRODUCT[parts.form.tee] if parts.product is None else parts.product,
        svn=quotes.QE_SVN,
        report_data=binding + parts.binding_tail,
    )
    head = parts.form.head(qe_svn=0, pce_svn=0, vendor_id=parts.vendor_id, user_data=bytes(20))
    signed = head + parts.body
    return b"".join(
        (
            signed,
            quotes.raw_signature(key, signed),
            quotes.raw_public_key(key),
            report,
            quotes.raw_signature(pck, report),
            parts.auth,
        )
    )


def sgx_body(attributes: bytes = quotes.ENCLAVE_ATTRIBUTES, data: bytes = bytes(64)) -> bytes:
    """Report body of the test image."""
    return quotes.sgx_report_body(
        cpu_svn=bytes(range(16)),
        attributes=attributes,
        mrenclave=MEASUREMENT[:32],
        mrsigner=quotes.ENCLAVE_MRSIGNER,
        product=0,
        svn=0,
        report_data=data,
    )


def tdx_body(attributes: bytes = quotes.TD_ATTRIBUTES, data: bytes = bytes(64)) -> bytes:
    """TD report body of the test image."""
    return quotes.td_report_body(td_attributes=attributes, mrtd=MEASUREMENT, report_data=data)


def body_of(form: QuoteForm, *, data: bytes = bytes(64)) -> bytes:
    """Report body of the test image in one of the forms."""
    return quotes.enclave_body(form, cpu_svn=bytes(range(16)), measurement=MEASUREMENT, data=data)


def with_bits(form: QuoteForm, at: int, bits: int) -> Parts:
    """The test image with some bits of one byte of its body toggled."""
    body = bytearray(body_of(form))
    body[at] ^= bits
    return Parts(form, bytes(body))


def accepted_quotes(pck: ec.EllipticCurvePrivateKey) -> dict[str, dict[str, bytes]]:
    """A quote in each of the forms."""
    data = bytes(range(64))
    bodies = {form: body_of(form, data=data) for form in QuoteForm}
    return {
        form.name: {
            "evidence": evidence(Parts(form, body), pck),
            "imageId": image_id(form.tee, body),
            "reportData": data,
        }
        for form, body in bodies.items()
    }


def refused_forms(pck: ec.EllipticCurvePrivateKey) -> dict[str, dict[str, bytes]]:
    """For each form what a body must not say, by the attribute; the byte is the attribute's."""
    sgx = {"debug": (48, 0x02), "provision": (48, 0x10), "initToken": (48, 0x20), "init": (48, 1)}
    # TDATTRIBUTES begin at byte 120, MRSERVICETD of a TD 1.5 body at byte 600.
    tdx = {"debug": (120, 0x01), "septVeDisable": (123, 0x10), "migratable": (123, 0x20)}
    service = {"serviceHigh": (600, 0x01), "serviceLow": (647, 0x01)}
    found: dict[str, dict[str, bytes]] = {}
    for form in QuoteForm:
        wrong = sgx if form.tee is TeeKind.SGX else tdx
        if form.body_size == TD15_BODY_SIZE:
            wrong = wrong | service
        found[form.name] = {
            name: evidence(with_bits(form, *where), pck) for name, where in wrong.items()
        }
    return found


def refused_evidence(pck: ec.EllipticCurvePrivateKey) -> dict[str, bytes]:
    """Variants that a verifier must refuse, by what is wrong with them."""
    sgx, tdx = Parts(QuoteForm.SGX_V3, sgx_body()), Parts(QuoteForm.TDX_V4, tdx_body())
    debug_qe = bytes.fromhex("17") + quotes.QE_ATTRIBUTES[1:]
    variants = {
        "sgxDebug": replace(sgx, body=sgx_body(b"\x07" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "sgxProvision": replace(sgx, body=sgx_body(b"\x15" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "sgxInitToken": replace(sgx, body=sgx_body(b"\x25" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "sgxNotInitialised": replace(sgx, body=sgx_body(b"\x04" + quotes.ENCLAVE_ATTRIBUTES[1:])),
        "tdxDebug": replace(tdx, body=tdx_body(b"\x01" + quotes.TD_ATTRIBUTES[1:])),
        "tdxTestUnderDebug": replace(tdx, body=tdx_body(b"\x80" + quotes.TD_ATTRIBUTES[1:])),
        "qeSigner": replace(sgx, mrsigner=hashlib.sha256(b"another signer").digest()),
        "qeProduct": replace(sgx, product=2),
        "qeProductTdx": replace(tdx, product=1),
        "qeProductSgxV5": replace(sgx, form=QuoteForm.SGX_V5, product=2),
        "qeProductTdxV5": replace(tdx, form=QuoteForm.TDX_V5_TD10, product=1),
        "qeProductHighByte": replace(sgx, product=0x0101),
        "qeDebug": replace(sgx, attributes=debug_qe),
        "qeReportData": replace(sgx, bind_other_key=True),
        "qeReportDataTail": replace(sgx, binding_tail=bytes(31) + b"\x01"),
        "qeVendor": replace(sgx, vendor_id=bytes(16)),
        "authTooLong": replace(sgx, auth=bytes(1025)),
    }
    return {name: evidence(parts, pck) for name, parts in variants.items()}


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


def refused_cas(ca: Authority, root: Authority, pck: Authority) -> dict[str, bytes]:
    """Intermediates that must not be cached, signed by the root unless the name says otherwise."""
    key, old = root.key, ca.certificate
    late, early = NOW - timedelta(days=1), NOW + timedelta(days=1)
    stranger = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stranger")])
    constraints = x509.BasicConstraints
    return {
        "notCa": reissue(old, key, replaced=(extension(constraints(False, None)),)),
        "noConstraints": reissue(old, key, without=frozenset({"2.5.29.19"})),
        "pathLength1": reissue(old, key, replaced=(extension(constraints(True, 1)),)),
        "noPathLength": reissue(old, key, replaced=(extension(constraints(True, None)),)),
        "noCertSign": reissue(old, key, replaced=(usage(sign=True, cert_sign=False),)),
        "noKeyUsage": reissue(old, key, without=frozenset({"2.5.29.15"})),
        "expired": reissue(old, key, edit=_set("_not_valid_after", late)),
        "notYetValid": reissue(old, key, edit=_set("_not_valid_before", early)),
        "otherIssuer": reissue(old, key, edit=_set("_issuer_name", stranger)),
        "signedByAnother": reissue(old, pck.key),
        "unknownCritical": reissue(old, key, edit=_add_unknown(critical=True)),
        "root": root.der,
    }


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
        "expired": reissue(old, key, edit=_set("_not_valid_after", late)),
        "notYetValid": reissue(old, key, edit=_set("_not_valid_before", early)),
        "signedByRoot": reissue(old, root.key),
        "signedByItself": reissue(old, pck.key),
    }


def accepted_cas(ca: Authority, root: Authority) -> dict[str, bytes]:
    """Intermediates that differ from the vendor's and are sound."""
    soon = NOW + timedelta(days=30)
    return {
        "unknownExtension": reissue(ca.certificate, root.key, edit=_add_unknown(critical=False)),
        "endsSoon": reissue(ca.certificate, root.key, edit=_set("_not_valid_after", soon)),
        # From 2050 on times are GeneralizedTime; this one ends after the root.
        "outlivesRoot": reissue(
            ca.certificate, root.key, edit=_set("_not_valid_after", NOW + 3 * CA_LIFE)
        ),
    }


def _set(name: str, value: object) -> Edit:
    """The builder refuses to set a field twice; this replaces it."""

    def edit(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        setattr(builder, name, value)
        return builder

    return edit


def _add_unknown(*, critical: bool) -> Edit:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    return lambda builder: builder.add_extension(unknown, critical=critical)


def registrations(pck: ec.EllipticCurvePrivateKey) -> Iterator[tuple[str, dict[str, object]]]:
    """Registrations of one signer at two heights and on both TEEs, for a registry known ahead."""
    key = coincurve.PrivateKey(hashlib.sha256(b"signer for tests").digest())
    signer = keccak256(key.public_key.format(compressed=False)[1:])[12:]
    hpke = hashlib.sha256(b"hpke for tests").digest()
    # RLP of [deployer, 0]: a list of 22 bytes, a string of 20, the empty string.
    registry = keccak256(b"\xd6\x94" + DEPLOYER + b"\x80")[12:]
    for tee, make_body in ((TeeKind.SGX, sgx_body), (TeeKind.TDX, tdx_body)):
        for height in REF_BLOCKS:
            context = RegistrationContext(
                CHAIN_ID, registry, OPERATOR, height, keccak256(height.to_bytes(32, "big"))
            )
            digest = registration_digest(context, hpke_public_key=hpke)
            raw = key.sign_recoverable(digest, hasher=None)
            data = report_data(context, signer=signer, hpke_public_key=hpke)
            body = make_body(data=data)
            yield (
                f"{tee.name.lower()}{REF_BLOCKS.index(height)}",
                {
                    "deployer": DEPLOYER,
                    "registry": registry,
                    "signer": signer,
                    "operator": OPERATOR,
                    "hpkePublicKey": hpke,
                    "refBlock": height,
                    "refBlockHash": context.block_hash,
                    "signature": raw[:32] + bytes((raw[32] | raw[64] << 7,)) + raw[33:64],
                    "imageId": image_id(tee, body),
                    "reportData": data,
                    "evidence": evidence(Parts(QuoteForm.oldest(tee), body), pck),
                },
            )


def make() -> dict[str, object]:
    """The whole file, before its bytes become text."""
    vendor = SiliconVendor(now=NOW - timedelta(days=30))
    other = SiliconVendor(now=NOW - timedelta(days=30))
    chain = vendor.chain
    root, ca, pck = chain.root, chain.platform_ca, chain.pck
    constants = vendor.constants
    return {
        "now": int(NOW.timestamp()),
        "chainId": CHAIN_ID,
        "root": {
            "x": constants.root_x.to_bytes(32, "big"),
            "y": constants.root_y.to_bytes(32, "big"),
            "nameHash": constants.root_name_hash,
            "notAfter": constants.root_not_after,
        },
        "qe": {
            "mrSigner": constants.qe_mrsigner,
            "sgxProdId": constants.sgx_qe_product,
            "tdxProdId": constants.tdx_qe_product,
        },
        "ca": _described(ca),
        "pck": _described(pck) | {"ppid": vendor.platform.ppid, "fmspc": vendor.platform.fmspc},
        "sgxExtension": sgx_extension(vendor.platform),
        "foreign": {"ca": other.chain.platform_ca.der, "pck": other.chain.pck.der},
        "registration": dict(registrations(pck.key)),
        "foreignEvidence": evidence(Parts(QuoteForm.SGX_V3, sgx_body()), other.chain.pck.key),
        "emptyAuth": evidence(Parts(QuoteForm.SGX_V3, sgx_body(), auth=b""), pck.key),
        "quotes": accepted_quotes(pck.key),
        # ICSSD, LASS, PKS and PERFMON besides SEPT_VE_DISABLE.
        "freeAttributes": evidence(
            Parts(QuoteForm.TDX_V4, tdx_body(bytes.fromhex("0000015800000080"))), pck.key
        ),
        "refusedEvidence": refused_evidence(pck.key),
        "refusedForms": refused_forms(pck.key),
        "acceptedCa": accepted_cas(ca, root),
        "refusedCa": refused_cas(ca, root, pck),
        "refusedPck": refused_pcks(pck, ca, root),
    }


def _described(authority: Authority) -> dict[str, object]:
    return {
        "certificate": authority.der,
        "id": parse_certificate(authority.der).id,
        "x": authority.coordinates[0].to_bytes(32, "big"),
        "y": authority.coordinates[1].to_bytes(32, "big"),
        "nameHash": authority.name_hash,
        "notAfter": authority.not_after,
    }


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    return value


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(_as_json(make()), indent=1) + "\n")
    sys.stdout.write(f"wrote {FILE.name}\n")


if __name__ == "__main__":
    main()
