"""What Azure's paravisor writes: reports with runtime data, in Microsoft's exact layout."""

import base64
import hashlib
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

SNP, TDX = 2, 4
#: Of the virtual TPM's index that holds the report.
INDEX_SIZE = 2600
SETTINGS: dict[str, Any] = {
    "root-cert-thumbprint": "",
    "console-enabled": True,
    "secure-boot": True,
    "tpm-enabled": True,
    "tpm-persisted": False,
    "vmUniqueId": "3c18c97a-0d2a-4565-969d-166cdcef26a3",
}
USER_DATA = bytes(range(64))


def jwk(key: rsa.RSAPrivateKey, kid: str, operation: str) -> dict[str, Any]:
    """A JSON Web Key as the paravisor writes it."""
    numbers = key.public_key().public_numbers()
    return {
        "kid": kid,
        "key_ops": [operation],
        "kty": "RSA",
        "e": _base64url(numbers.e),
        "n": _base64url(numbers.n),
    }


def runtime_data(key: rsa.RSAPrivateKey, other: rsa.RSAPrivateKey, **changes: Any) -> bytes:
    """Runtime data that name an attestation key and an endorsement key.

    Args:
        key: HCLAkPub.
        other: HCLEkPub.
        changes: Members, `_` for `-`; None for none.
    """
    members: dict[str, Any] = {
        "keys": [jwk(key, "HCLAkPub", "sign"), jwk(other, "HCLEkPub", "encrypt")],
        "vm-configuration": SETTINGS,
        "user-data": USER_DATA.hex().upper(),
    }
    members |= {name.replace("_", "-"): value for name, value in changes.items()}
    given = {name: value for name, value in members.items() if value is not None}
    return json.dumps(given, separators=(",", ":")).encode()


def report_data(runtime: bytes) -> bytes:
    """What the paravisor has the hardware sign."""
    return hashlib.sha256(runtime).digest() + bytes(32)


def hcl_report(kind: int, report: bytes, runtime: bytes, **changes: Any) -> bytes:
    """The report, as the TPM's index holds it.

    Args:
        kind: `SNP` or `TDX`.
        report: Of the hardware.
        runtime: JSON.
        changes: Fields of header and request data, and `rest`.
    """
    fields: dict[str, Any] = {
        "signature": b"HCLA",
        "version": 2,
        "report_size": 1236 + len(runtime),
        "request_type": 2,
        "data_size": 20 + len(runtime),
        "data_version": 1,
        "report_type": kind,
        "hash_type": 1,
        "variable_data_size": len(runtime),
        "rest": bytes(INDEX_SIZE - 1236 - len(runtime)),
        **changes,
    }
    header = ("signature", "version", "report_size", "request_type")
    data = ("data_size", "data_version", "report_type", "hash_type", "variable_data_size")
    head = struct.pack("<4sIII16x", *(fields[name] for name in header))
    tail = struct.pack("<5I", *(fields[name] for name in data))
    rest: bytes = fields["rest"]
    return head + report.ljust(1184, b"\0") + tail + runtime + rest


def td_report(body: bytes) -> bytes:
    """The TDREPORT of which a quote's body (TDX 1.0 or 1.5) is made; its MAC is none."""
    tcb = bytes(8) + body[:120] + body[584:600]
    tcb = tcb.ljust(239, b"\0")
    td = (body[120:520] + body[600:648]).ljust(512, b"\0")
    head = b"\x81" + bytes(31) + hashlib.sha384(tcb).digest() + hashlib.sha384(td).digest()
    return head + body[520:584] + bytes(64) + tcb + bytes(17) + td


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
