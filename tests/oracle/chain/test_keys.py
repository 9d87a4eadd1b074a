"""The submitter's key: unlocked from an encrypted keystore, never shown."""

import json
import subprocess
import sys

import pytest
from eth_account import Account

from enclave.domain.errors import ConfigError
from oracle.chain.keys import submitter_key, unlock

SECRET = bytes(range(1, 33))
KEYSTORE = json.dumps(Account.encrypt(SECRET, "pass", kdf="pbkdf2", iterations=2)).encode()


@pytest.mark.parametrize("password", [b"pass", b"pass\n"])
def test_a_keystore_is_unlocked_by_its_password_with_or_without_a_newline(password: bytes) -> None:
    assert unlock(KEYSTORE, password).address == Account.from_key(SECRET).address


@pytest.mark.parametrize("password", [b"Pass", b"", b"pass\n\n"])
def test_another_password_is_refused_and_not_said(password: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        unlock(KEYSTORE, password)
    assert str(caught.value) == "keys.keystore cannot be unlocked: wrong password"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("keystore", [b"", b"{}", b"[]", b'{"version": 3}', b"\xff"])
def test_a_file_that_is_no_keystore_is_refused(keystore: bytes) -> None:
    with pytest.raises(ConfigError, match="not a keystore of version 3"):
        unlock(keystore, b"pass")


def test_a_key_leaves_the_bound_on_recursion_as_it_was() -> None:
    """A document nested 100,000 deep is then an error, and not the end of the process."""
    script = (
        "import json, sys\n"
        "before = sys.getrecursionlimit()\n"
        "from oracle.chain.keys import submitter_key\n"
        "submitter_key(bytes(31) + b'\\x01')\n"
        "assert sys.getrecursionlimit() == before\n"
        "try:\n"
        "    json.loads('[' * 100_000)\n"
        "except RecursionError:\n"
        "    sys.exit(7)\n"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, timeout=60, check=False).returncode == 7


def test_a_signed_transaction_recovers_to_the_account() -> None:
    key = submitter_key(SECRET)
    fields = {
        "type": 2,
        "chainId": 1,
        "nonce": 0,
        "to": key.address,
        "value": 0,
        "data": b"",
        "gas": 21_000,
        "maxFeePerGas": 2,
        "maxPriorityFeePerGas": 1,
        "accessList": [],
    }
    raw, hash_ = key.sign(fields)
    assert Account.recover_transaction(raw) == key.address
    assert len(hash_) == 32


def test_the_key_is_not_in_its_text() -> None:
    assert SECRET.hex() not in repr(submitter_key(SECRET))
    assert repr(submitter_key(SECRET)).startswith("SubmitterKey(0x")
