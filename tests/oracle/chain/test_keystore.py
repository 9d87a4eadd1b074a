"""Keystores of version 3: those of the definition and of another program, and what is none."""

import json
from typing import Any, Literal

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import ConfigError
from oracle.chain.keystore import decrypt_keystore

#: The test vectors of the Web3 Secret Storage Definition; both hold the same secret.
_SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
_PASSWORD = b"testpassword"
_PBKDF2: dict[str, Any] = {
    "cipher": "aes-128-ctr",
    "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
    "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
    "kdf": "pbkdf2",
    "kdfparams": {
        "c": 262144,
        "dklen": 32,
        "prf": "hmac-sha256",
        "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
    },
    "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
}
_SCRYPT: dict[str, Any] = {
    "cipher": "aes-128-ctr",
    "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
    "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
    "kdf": "scrypt",
    "kdfparams": {
        "dklen": 32,
        "n": 262144,
        "p": 8,
        "r": 1,
        "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
    },
    "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
}
#: Name and work.
_KDFS: list[tuple[Literal["pbkdf2", "scrypt"], int]] = [
    ("pbkdf2", 1),
    ("pbkdf2", 3),
    ("scrypt", 2),
    ("scrypt", 16),
]
#: A quick one, by another program.
_QUICK = Account.encrypt(bytes(range(1, 33)), "pass", kdf="pbkdf2", iterations=2)


def _keystore(crypto: dict[str, Any], *, version: object = 3, name: str = "crypto") -> bytes:
    return json.dumps({name: crypto, "version": version}).encode()


@pytest.mark.parametrize("crypto", [_PBKDF2, _SCRYPT], ids=["pbkdf2", "scrypt"])
def test_the_vectors_of_the_definition_are_decrypted(crypto: dict[str, Any]) -> None:
    assert decrypt_keystore(_keystore(crypto), _PASSWORD).hex() == _SECRET


@given(
    # Numbers below the order of the curve, which the other program asks for.
    secret=st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big")),
    password=st.text(max_size=20),
    kdf=st.sampled_from(_KDFS),
)
def test_what_another_program_encrypted_is_decrypted(
    secret: bytes, password: str, kdf: tuple[Literal["pbkdf2", "scrypt"], int]
) -> None:
    password = password.encode(errors="ignore").decode()
    values = Account.encrypt(secret, password, kdf=kdf[0], iterations=kdf[1])
    assert decrypt_keystore(json.dumps(values).encode(), password.encode()) == secret
    with pytest.raises(ConfigError, match="wrong password"):
        decrypt_keystore(json.dumps(values).encode(), password.encode() + b"x")


def test_old_programs_capital_is_read() -> None:
    keystore = _keystore(_QUICK["crypto"], name="Crypto")
    assert decrypt_keystore(keystore, b"pass") == bytes(range(1, 33))


def _altered(*path: str, value: object) -> dict[str, Any]:
    crypto: dict[str, Any] = json.loads(json.dumps(_QUICK["crypto"]))
    *above, last = path
    section = crypto
    for name in above:
        section = section[name]
    section[last] = value
    return crypto


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cipher",), "aes-128-cbc"),
        (("cipherparams", "iv"), "00" * 15),
        (("cipherparams", "iv"), "zz"),
        (("ciphertext",), None),
        (("mac",), 5),
        (("kdf",), "argon2"),
        (("kdfparams", "prf"), "hmac-sha512"),
        (("kdfparams", "c"), 0),
        (("kdfparams", "c"), 2**80),
        (("kdfparams", "dklen"), 16),
        (("kdfparams", "salt"), []),
        (("kdfparams",), {"salt": "00", "dklen": 32}),
    ],
)
def test_a_keystore_with_one_wrong_field_is_refused(path: tuple[str, ...], value: object) -> None:
    with pytest.raises(ConfigError, match="not a keystore of version 3") as caught:
        decrypt_keystore(_keystore(_altered(*path, value=value)), b"pass")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"n": 3, "r": 8, "p": 1},
        {"n": 2**21, "r": 8, "p": 1},
        {"n": 2, "r": 0, "p": 1},
        {"n": 0, "r": 0, "p": 0},
        {"n": -2, "r": 8, "p": 1},
        {"n": "2", "r": 8, "p": 1},
    ],
    ids=["no power of two", "2 GiB", "no blocks", "zeros", "negative", "text"],
)
def test_scrypt_with_parameters_that_it_cannot_have_is_refused(
    parameters: dict[str, object],
) -> None:
    crypto = {**_SCRYPT, "kdfparams": {"dklen": 32, "salt": "00", **parameters}}
    with pytest.raises(ConfigError, match="not a keystore of version 3"):
        decrypt_keystore(_keystore(crypto), _PASSWORD)


@pytest.mark.parametrize("field", ["ciphertext", "mac"])
def test_an_altered_byte_is_a_wrong_password(field: str) -> None:
    flipped = bytes.fromhex(_QUICK["crypto"][field])
    flipped = bytes((flipped[0] ^ 1,)) + flipped[1:]
    with pytest.raises(ConfigError, match="wrong password"):
        decrypt_keystore(_keystore(_altered(field, value=flipped.hex())), b"pass")


@pytest.mark.parametrize("version", [1, 4, "3", None])
def test_another_version_is_refused(version: object) -> None:
    with pytest.raises(ConfigError, match="not a keystore of version 3"):
        decrypt_keystore(_keystore(_QUICK["crypto"], version=version), b"pass")
