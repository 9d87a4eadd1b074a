"""The emulated AWS: attestation documents of its Nitro hypervisor, with a root of its own.

Fields, their order, the chain's five certificates and their lives are those of real documents; the
names are not AWS's. Nothing that trusts AWS accepts this root.

Reference: AWS, Nitro Enclaves Attestation Process (aws-nitro-enclaves-nsm-api,
docs/attestation_process.md), sections 2.2 and 3.1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.x509.oid import NameOID

from oracle.devnet.silicon.pki import ORGANIZATION, Authority

ES384 = -35
PCR_SIZE = 48
#: Registers that an enclave's module has locked: the document shows these.
LOCKED_PCRS = 16
#: How long the certificates of a real document live: root, region, zone, instance, module.
LIVES = (
    timedelta(days=30 * 365),
    timedelta(days=20),
    timedelta(days=6),
    timedelta(days=1),
    timedelta(hours=3, seconds=3),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AUTHORITIES = ("Root", "Region", "Zone", "Instance")


@dataclass(frozen=True, slots=True)
class Request:
    """What the enclave asks its module to sign; each is null in the document unless given.

    Attributes:
        public_key: 1 to 1,024 bytes.
        user_data: At most 512 bytes.
        nonce: At most 512 bytes.
    """

    public_key: bytes | None = None
    user_data: bytes | None = None
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class NitroModule:
    """A module with its certificate and those above it.

    Attributes:
        module_id: Of the enclave or instance.
        issuers: Root first; as `cabundle` has them.
        signer: The module's own certificate and key.
    """

    module_id: str
    issuers: tuple[Authority, ...]
    signer: Authority

    @property
    def root(self) -> Authority:
        """The emulated vendor's root."""
        return self.issuers[0]

    def document(
        self,
        pcrs: Mapping[int, bytes],
        request: Request,
        *,
        now: datetime,
        pcrs_field: str = "pcrs",
    ) -> bytes:
        """A signed document.

        Args:
            pcrs: Registers that are not zero, 48 bytes each.
            request: From the enclave.
            now: The document's time.
            pcrs_field: `nitrotpm_pcrs` for an instance with NitroTPM.
        """
        zero = bytes(PCR_SIZE)
        fields = {
            "module_id": self.module_id,
            "digest": "SHA384",
            "timestamp": (now - _EPOCH) // timedelta(milliseconds=1),
            pcrs_field: {number: pcrs.get(number, zero) for number in range(LOCKED_PCRS)},
            "certificate": self.signer.der,
            "cabundle": [issuer.der for issuer in self.issuers],
            "public_key": request.public_key,
            "user_data": request.user_data,
            "nonce": request.nonce,
        }
        return sign_document(cbor2.dumps(fields), self.signer.key)


def make_module(
    *, now: datetime, module_id: str = "i-0e5a1a7ed0000000-enc0e5a1a7ed000000", depth: int = 5
) -> NitroModule:
    """Fresh keys and certificates, from a root of its own down to one module.

    Args:
        now: The module's certificate begins three seconds before it, the others up to a day.
        module_id: Of the enclave or instance.
        depth: Certificates, root and module's included: 2 to 5.
    """
    begin = now.astimezone(UTC).replace(microsecond=0)
    issuers: list[Authority] = []
    for level, name in enumerate(_AUTHORITIES[: depth - 1]):
        above = issuers[-1] if issuers else None
        room = depth - 2 - level if above else None
        key = ec.generate_private_key(ec.SECP384R1())
        age = min(timedelta(days=1), LIVES[level] // 2)
        builder = _builder(f"Emulated Nitro {name}", key, above, begin - age, LIVES[level])
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=room), critical=True
        ).add_extension(_usage(is_authority=True), critical=True)
        certificate = builder.sign(above.key if above else key, SHA384())
        issuers.append(Authority(certificate, key))
    return NitroModule(module_id, tuple(issuers), make_signer(module_id, issuers[-1], now=begin))


def make_signer(
    module_id: str, issuer: Authority, *, now: datetime, usage: x509.KeyUsage | None = None
) -> Authority:
    """A module's key and certificate.

    Args:
        module_id: In its subject.
        issuer: The instance's authority.
        now: It begins three seconds before.
        usage: Instead of that of real ones.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    begin = now.astimezone(UTC).replace(microsecond=0) - timedelta(seconds=3)
    builder = _builder(module_id, key, issuer, begin, LIVES[-1])
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    ).add_extension(usage or _usage(is_authority=False), critical=False)
    return Authority(builder.sign(issuer.key, SHA384()), key)


def sign_document(
    payload: bytes,
    key: ec.EllipticCurvePrivateKey,
    *,
    protected: Mapping[int, int] | None = None,
    unprotected: Mapping[int, bytes] | None = None,
) -> bytes:
    """An untagged COSE_Sign1, as the hypervisor gives it; headers may be other than its own.

    Args:
        payload: The document.
        key: P-384.
        protected: Instead of ES384.
        unprotected: Instead of nothing.
    """
    header = cbor2.dumps({1: ES384} if protected is None else dict(protected))
    signed = cbor2.dumps(["Signature1", header, b"", payload])
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA384())))
    parts: Sequence[object] = [
        header,
        dict(unprotected or {}),
        payload,
        r.to_bytes(PCR_SIZE) + s.to_bytes(PCR_SIZE),
    ]
    return cbor2.dumps(parts)


def _builder(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority | None,
    begin: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    """Issued by itself if by none."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
