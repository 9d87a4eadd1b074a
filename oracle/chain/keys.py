"""The submitter's key: pays gas and holds the operator's seat. It signs no report."""

import json
import sys
from dataclasses import dataclass
from typing import Any

from enclave.domain.errors import ConfigError
from oracle.config import checksum_address


@dataclass(frozen=True, slots=True)
class SubmitterKey:
    """A key in memory.

    Attributes:
        address: Its account, in EIP-55 spelling.
    """

    address: str
    _account: Any

    def sign(self, fields: dict[str, Any]) -> tuple[bytes, bytes]:
        """Sign a transaction; its raw bytes and its hash."""
        signed = self._account.sign_transaction(fields)
        return bytes(signed.raw_transaction), bytes(signed.hash)

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
    try:
        values = json.loads(keystore)
        secret = _accounts().decrypt(values, password.removesuffix(b"\n").decode())
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        reason = "wrong password" if "MAC" in str(error) else "not a keystore of version 3"
        raise ConfigError(f"keys.keystore cannot be unlocked: {reason}") from None
    return submitter_key(bytes(secret))


def submitter_key(secret: bytes) -> SubmitterKey:
    """A key from its 32 bytes; for local chains, whose keys are public.

    Raises:
        ConfigError: libsecp256k1 is not what signs.
    """
    accounts = _accounts()
    from eth_keys.backends.coincurve import CoinCurveECCBackend
    from eth_keys.datatypes import PrivateKey

    if not isinstance(PrivateKey(secret).backend, CoinCurveECCBackend):
        raise ConfigError("eth-keys does not use coincurve; run scripts/setup again")
    account = accounts.from_key(secret)
    return SubmitterKey(str(account.address), account)


def _accounts() -> Any:
    """eth-account, which takes most of a second that a dry run need not pay.

    One of the libraries that it brings (py_ecc) raises Python's bound on recursion to 100,000, for
    the whole process: whatever reads a deeply nested document would then overrun the stack and end
    it. The bound is put back.
    """
    limit = sys.getrecursionlimit()
    from eth_account import Account

    sys.setrecursionlimit(limit)
    return Account


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
