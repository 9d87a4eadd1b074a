"""Ethereum keystores of version 3: a secret behind a password.

Reference:
    Web3 Secret Storage Definition, version 3.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from enclave.domain.errors import ConfigError
from enclave.domain.report import keccak256

_VERSION: Final = 3
_KEY_BYTES: Final = 32
#: What scrypt may take, bytes; the usual parameters (n = 2^18, r = 8) take a quarter of it.
_MAX_MEMORY: Final = 1 << 30
_NO_KEYSTORE: Final = "keys.keystore cannot be unlocked: not a keystore of version 3"
_WRONG: Final = "keys.keystore cannot be unlocked: wrong password"


def decrypt_keystore(keystore: bytes, password: bytes) -> bytes:
    """Decrypt a keystore.

    1. Derive 32 bytes from the password, by scrypt or PBKDF2 with HMAC-SHA-256.
    2. Compare the keccak256 of their second half and the ciphertext with the file's code.
    3. Decrypt with the first half, by AES-128 in counter mode.

    Args:
        keystore: The file's JSON.
        password: As it was when the file was made.

    Returns:
        The secret, of any length; nothing establishes that it is a key.

    Raises:
        ConfigError: Not a keystore, or another password. Neither is ever in the message.
    """
    try:
        crypto = _crypto(json.loads(keystore))
        ciphertext, code = bytes.fromhex(crypto["ciphertext"]), bytes.fromhex(crypto["mac"])
        vector = bytes.fromhex(crypto["cipherparams"]["iv"])
        # 1.
        derived = _derive(crypto, password)
        # 2.
        is_right = hmac.compare_digest(keccak256(derived[16:32] + ciphertext), code)
        # 3.
        decryptor = Cipher(AES(derived[:16]), CTR(vector)).decryptor()
        secret = decryptor.update(ciphertext) + decryptor.finalize()
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        # Without the cause: it may quote what the file holds.
        raise ConfigError(_NO_KEYSTORE) from None
    if not is_right:
        raise ConfigError(_WRONG)
    return secret


def _crypto(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section `crypto`, which old programs write with a capital."""
    named = {name.lower(): value for name, value in values.items()}
    if named["version"] != _VERSION or named["crypto"]["cipher"] != "aes-128-ctr":
        raise ValueError("another version or cipher")
    return dict(named["crypto"])


def _derive(crypto: Mapping[str, Any], password: bytes) -> bytes:
    """The derived key, 32 bytes."""
    parameters = crypto["kdfparams"]
    salt = bytes.fromhex(parameters["salt"])
    if parameters["dklen"] != _KEY_BYTES:
        raise ValueError("another length of the derived key")
    if crypto["kdf"] == "pbkdf2" and parameters["prf"] == "hmac-sha256":
        return hashlib.pbkdf2_hmac("sha256", password, salt, parameters["c"], _KEY_BYTES)
    if crypto["kdf"] != "scrypt":
        raise ValueError("another key derivation")
    return _scrypt(password, salt, *(parameters[name] for name in ("n", "r", "p")))


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    # Imported here: most start without. OpenSSL's refuses r = 1, which some programs write.
    from Crypto.Protocol.KDF import scrypt

    if 128 * n * r * p > _MAX_MEMORY:
        raise ValueError("takes too much memory")
    # Its stub knows text alone; bytes are taken as they are.
    derived: Any = scrypt(password, salt, _KEY_BYTES, n, r, p)  # type: ignore[arg-type]
    return bytes(derived)
