"""Attestation tokens as Google and Microsoft issue them, signed by keys made for the test."""

import base64
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NOW = 1_768_435_800
ISSUED_AT = NOW - 600
EXPIRES_AT = NOW + 3_000
NONCE = "7e57" * 16
REPORT_DATA = bytes(range(64))
_DAY = 86_400

#: Of a signature by a key of 2,048 bits, in base64url.
SIGNATURE_SIZE = 342

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def rsa_key(bits: int = 2_048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def issue(
    name: str,
    key: PrivateKey,
    issuer: Issued | None = None,
    *,
    is_ca: bool = False,
    may_sign: bool | None = None,
    days: int = 60,
) -> Issued:
    """Make a certificate around `NOW`; `may_sign` is the key usage's digital signature, if any."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.fromtimestamp(NOW - 90 * _DAY, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(NOW + days * _DAY, dt.UTC))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if may_sign is not None:
        usage = dict.fromkeys(
            (
                *("content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "crl_sign", "encipher_only", "decipher_only"),
            ),
            False,
        )
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=may_sign, key_cert_sign=is_ca, **usage), critical=True
        )
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def revocation_list(issuer: Issued, *serials: int) -> bytes:
    """Make a list that holds around `NOW`, DER."""
    moment = dt.datetime.fromtimestamp(NOW, dt.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(moment - dt.timedelta(days=1))
        .next_update(moment + dt.timedelta(days=6))
    )
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(moment - dt.timedelta(days=2))
            .build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(key: rsa.RSAPrivateKey, header: Mapping[str, Any], claims: Mapping[str, Any]) -> bytes:
    """Make a compact JWS with RS256, whatever the header says."""
    return sign_raw(key, json.dumps(header).encode(), json.dumps(claims).encode())


def sign_raw(key: rsa.RSAPrivateKey, header: bytes, claims: bytes) -> bytes:
    """Make a compact JWS of any bytes."""
    signed = f"{base64url(header)}.{base64url(claims)}".encode()
    signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return signed + b"." + base64url(signature).encode()


def x5c(*certificates: Issued) -> list[str]:
    return [base64.b64encode(issued.der).decode() for issued in certificates]


def numbers(key: rsa.RSAPrivateKey, **more: Any) -> dict[str, Any]:
    """Make an entry of a key set with n and e."""
    public = key.public_key().public_numbers()
    raw = {"n": public.n, "e": public.e}
    return {
        "kty": "RSA",
        **{
            name: base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
            for name, value in raw.items()
        },
        **more,
    }


def key_set(*entries: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": entries}).encode()


def dates(**changes: Any) -> dict[str, Any]:
    return {"nbf": ISSUED_AT, "iat": ISSUED_AT, "exp": EXPIRES_AT, **changes}


def space_claims(**changes: Any) -> dict[str, Any]:
    """Make claims of a production Confidential Space on TDX."""
    return {
        **dates(),
        "iss": "https://confidentialcomputing.googleapis.com",
        "aud": "https://oracle.example",
        "sub": "https://www.googleapis.com/compute/v1/projects/p/zones/z/instances/i",
        "eat_nonce": NONCE,
        "secboot": True,
        "hwmodel": "GCP_INTEL_TDX",
        "swname": "CONFIDENTIAL_SPACE",
        "swversion": ["250800"],
        "dbgstat": "disabled-since-boot",
        "tdx": {
            "gcp_attester_tcb_status": "UpToDate",
            "gcp_attester_tcb_date": "2024-03-13T00:00:00Z",
        },
        "submods": {
            "confidential_space": {"support_attributes": ["LATEST", "STABLE", "USABLE"]},
            "container": {
                "image_reference": "registry.example/oracle:1",
                "image_digest": "sha256:" + "ab" * 32,
                "image_id": "sha256:" + "cd" * 32,
                "args": ["/oracle", "run"],
                "env": {"PATH": "/bin"},
            },
        },
        **changes,
    }


def machine_claims(**changes: Any) -> dict[str, Any]:
    """Make claims of a Confidential VM on SEV, which has neither container nor debug state."""
    claims = space_claims(hwmodel="GCP_AMD_SEV", swname="GCE", submods={"gce": {"zone": "z"}})
    return {
        name: value for name, value in claims.items() if name not in ("tdx", "dbgstat", "eat_nonce")
    } | changes


def _azure(kind: str, **claims: Any) -> dict[str, Any]:
    return {
        **dates(),
        "iss": "https://sharedneu.neu.attest.azure.net",
        "x-ms-attestation-type": kind,
        "x-ms-policy-hash": "bROrN897ZfWmWY2V0FLUlu3uwk5xatGnKYHn3zBbSlw",
        "x-ms-ver": "1.0",
        **claims,
    }


def sgx_claims(**changes: Any) -> dict[str, Any]:
    return _azure(
        "sgx",
        **{
            "x-ms-sgx-is-debuggable": False,
            "x-ms-sgx-mrenclave": "11" * 32,
            "x-ms-sgx-mrsigner": "22" * 32,
            "x-ms-sgx-product-id": 7,
            "x-ms-sgx-svn": 3,
            "x-ms-sgx-report-data": REPORT_DATA.hex(),
            **changes,
        },
    )


def snp_claims(**changes: Any) -> dict[str, Any]:
    return _azure(
        "sevsnpvm",
        **{
            "x-ms-sevsnpvm-launchmeasurement": "33" * 48,
            "x-ms-sevsnpvm-hostdata": "44" * 32,
            "x-ms-sevsnpvm-is-debuggable": False,
            "x-ms-sevsnpvm-migration-allowed": False,
            "x-ms-sevsnpvm-smt-allowed": True,
            "x-ms-sevsnpvm-reportdata": REPORT_DATA.hex(),
            "x-ms-sevsnpvm-vmpl": 0,
            "x-ms-sevsnpvm-bootloader-svn": 3,
            "x-ms-sevsnpvm-tee-svn": 0,
            "x-ms-sevsnpvm-snpfw-svn": 8,
            "x-ms-sevsnpvm-microcode-svn": 115,
            **changes,
        },
    )


def tdx_claims(**changes: Any) -> dict[str, Any]:
    registers = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrsignerseam")
    chosen = ("mrconfigid", "mrowner", "mrownerconfig")
    return _azure(
        "tdxvm",
        **{
            **{f"tdx_{name}": f"{place:02x}" * 48 for place, name in enumerate(registers + chosen)},
            "tdx_td_attributes": "0000001000000000",
            "tdx_td_attributes_debug": False,
            "tdx_td_attributes_septve_disable": True,
            "tdx_report_data": REPORT_DATA.hex(),
            "attester_tcb_status": "UpToDate",
            **changes,
        },
    )


def azurevm_claims(nested: Mapping[str, Any]) -> dict[str, Any]:
    return _azure("azurevm", **{"x-ms-isolation-tee": nested})
