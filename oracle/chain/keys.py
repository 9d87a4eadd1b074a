"""The submitter's key: pays gas and holds the operator's seat. It signs no report."""

import json
from dataclasses import dataclass
from typing import Any

from coincurve import PrivateKey, PublicKey

from enclave.domain.errors import ConfigError
from enclave.domain.report import keccak256
from oracle.chain.keystore import decrypt_keystore
from oracle.chain.signing import sign_transaction
from oracle.config import checksum_address

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class SubmitterKey:
    """A key in memory.

    Attributes:
        address: Its account, in EIP-55 spelling.
    """

    address: str
    _key: PrivateKey

    def sign(self, fields: dict[str, Any]) -> tuple[bytes, bytes]:
        """Sign a transaction; its raw bytes and its hash. See `sign_transaction`."""
        return sign_transaction(self._key, fields)

    def __repr__(self) -> str:
        return f"SubmitterKey({self.address})"


def unlock(keystore: bytes, password: bytes) -> SubmitterKey:
    """Decrypt an Ethereum keystore (version 3).

    Args:
        keystore: The file's JSON.
        password: One trailing newline is not part of it.

    Raises:
        ConfigError: Not a keystore, or another password. Neither is ever in the message.
    """
    return submitter_key(decrypt_keystore(keystore, password.removesuffix(b"\n")))


def submitter_key(secret: bytes) -> SubmitterKey:
    """A key from its 32 bytes.

    Raises:
        ConfigError: They are no key of the curve.
    """
    if len(secret) != _SECRET_BYTES:
        raise ConfigError(f"the key has {len(secret)} bytes, wanted {_SECRET_BYTES}")
    try:
        key = PrivateKey(secret)
    except ValueError:
        raise ConfigError("the key is zero, or not below the order of the curve") from None
    return SubmitterKey(_address(key.public_key), key)


def _address(key: PublicKey) -> str:
    digest = keccak256(key.format(compressed=False)[1:])
    return checksum_address("0x" + digest[-20:].hex())


def keystore_address(keystore: bytes) -> str | None:
    """The account that a keystore says it is for; unproven, and many say none.

    Args:
        keystore: The file's JSON.

    Returns:
        In EIP-55 spelling.
    """
    try:
        stated = json.loads(keystore)["address"]
        return checksum_address("0x" + stated.removeprefix("0x"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
