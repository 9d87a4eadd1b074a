"""The operators of a local world: a folder, an account, and a certificate for each."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_account import Account

from oracle.quorum.certificates import make_certificate

_PRIVATE: Final = 0o600
#: Key derivation work of the throw-away keystores; a real one takes far more.
_KDF_ROUNDS: Final = 2
_CERTIFICATE_DAYS: Final = 7
_KEYSTORE: Final = "keystore.json"
_PASSWORD: Final = "password"  # noqa: S105 the name of a file
_CERTIFICATE: Final = "node.pem"
_PRIVATE_KEY: Final = "node.key"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs one node.

    Attributes:
        number: From 1.
        folder: Private; all files of the node are in it.
        address: That pays gas and gets the seat, 20 bytes.
        port: Where peers reach the node on 127.0.0.1; 0 without peers.
    """

    number: int
    folder: Path
    address: bytes
    port: int

    @property
    def certificate(self) -> Path:
        """Shown to peers and pinned by them, PEM."""
        return self.folder / _CERTIFICATE

    def keys(self) -> dict[str, str]:
        """The section `keys` of the configuration file."""
        names = {"keystore": _KEYSTORE, "password_file": _PASSWORD}
        return {key: str(self.folder / name) for key, name in names.items()}

    def quorum(self, others: Sequence["Operator"]) -> dict[str, Any]:
        """The section `quorum` of the configuration file."""
        return {
            "listen": f"127.0.0.1:{self.port}",
            "certificate": str(self.certificate),
            "private_key": str(self.folder / _PRIVATE_KEY),
            "peers": [
                {
                    "operator": f"0x{other.address.hex()}",
                    "url": f"https://127.0.0.1:{other.port}",
                    "certificate": str(other.certificate),
                }
                for other in others
            ],
        }


def make_operators(folder: Path, ports: Sequence[int]) -> tuple[Operator, ...]:
    """One operator for each port, each in a folder of its own with fresh keys.

    Args:
        folder: An existing private directory.
        ports: Where peers reach the nodes; 0 makes no certificate.

    Raises:
        ConfigError: A file cannot be written.
    """
    return tuple(
        _make(folder / f"node-{number}", number, port) for number, port in enumerate(ports, 1)
    )


def _make(folder: Path, number: int, port: int) -> Operator:
    folder.mkdir(mode=0o700)
    account = Account.create()
    password = secrets.token_hex(16)
    keystore = Account.encrypt(account.key, password, kdf="pbkdf2", iterations=_KDF_ROUNDS)
    for name, text in ((_KEYSTORE, json.dumps(keystore)), (_PASSWORD, password)):
        path = folder / name
        path.touch(mode=_PRIVATE)
        path.write_text(text)
    operator = Operator(number, folder, bytes.fromhex(account.address[2:]), port)
    if port:
        key = folder / _PRIVATE_KEY
        make_certificate(
            operator.certificate, key, name=f"node-{number}.local", days=_CERTIFICATE_DAYS
        )
    return operator
