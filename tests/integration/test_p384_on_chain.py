"""P-384 and SHA-384 on a chain, against those who published signatures and against OpenSSL."""

import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from hypothesis import settings

from enclave.domain.errors import AttestationError
from oracle.attestation.codecs.p384_hints import ORDER, SIZE, prove
from oracle.devnet.anvil import Anvil, anvil
from oracle.devnet.artifacts import creation_code
from tests.integration.collateral import mined, needs_vectors

VECTORS = os.environ.get("ORACLE_VECTORS")
_GAS = hex(16_000_000)
#: Calls in one request, of some 32 KB each.
_AT_ONCE = 16
TRUE, FALSE = (f"0x{number:064x}" for number in (1, 0))


@dataclass(frozen=True, slots=True)
class Signature:
    """One case.

    Attributes:
        name: Its number and comment.
        digest: SHA-384 of the message.
        pair: r and s, of any length.
        key: Coordinates.
        is_good: Whether it verifies.
    """

    name: str
    digest: bytes
    pair: bytes
    key: bytes
    is_good: bool

    @property
    def head(self) -> bytes:
        """What the machine is called with before the hint."""
        packed = self.digest + self.pair + self.key
        numbers = (packed[at : at + SIZE] for at in range(0, len(packed), SIZE))
        return b"".join(number.rjust(64, b"\0") for number in numbers)


def _recorded() -> Iterator[Signature]:
    """Every recorded signature over P-384 and SHA-384 whose halves have a fixed length."""
    path = Path(str(VECTORS)) / "wycheproof" / "ecdsa_secp384r1_sha384_p1363_test.json"
    for group in json.loads(path.read_text())["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["uncompressed"])[1:]
        for test in group["tests"]:
            yield Signature(
                f"{test['tcId']} {test['comment']}",
                hashlib.sha384(bytes.fromhex(test["msg"])).digest(),
                bytes.fromhex(test["sig"]),
                key,
                is_good=test["result"] == "valid",
            )


def _hint(signature: Signature) -> bytes | None:
    """Its hint, if there is one."""
    try:
        return prove(signature.digest, signature.pair, signature.key)
    except AttestationError:
        return None


async def created(chain: Anvil, name: str) -> str:
    """Address of a new contract."""
    sender = (await chain.call("eth_accounts"))[0]
    code = f"0x{creation_code(name).hex()}"
    receipt = await mined(chain, {"from": sender, "data": code, "gas": _GAS})
    assert receipt["status"] == "0x1"
    return str(receipt["contractAddress"])


async def answers(chain: Anvil, machine: str, inputs: Sequence[bytes]) -> list[Any]:
    """What a machine says to each input."""
    calls = [
        ("eth_call", ({"to": machine, "data": f"0x{each.hex()}", "gas": _GAS}, "latest"))
        for each in inputs
    ]
    found: list[Any] = []
    for first in range(0, len(calls), _AT_ONCE):
        found += await chain.batch(calls[first : first + _AT_ONCE])
    return found


@needs_vectors
async def test_recorded_signatures_are_judged_as_they_are_marked() -> None:
    signatures = list(_recorded())
    hints = {one.name: _hint(one) for one in signatures}
    good = [one.name for one in signatures if one.is_good]
    assert [name for name, hint in hints.items() if hint is not None] == good
    assert len(good) >= 150
    assert len(signatures) - len(good) >= 80
    another = next(hint for hint in hints.values() if hint is not None)
    async with anvil() as chain:
        machine = await created(chain, "P384Machine")
        # Bad ones come with the hint of a good one, and of one of its own key where there is one.
        inputs = [one.head + (hints[one.name] or another) for one in signatures]
        judged = await answers(chain, machine, inputs)
    accepted = [one.name for one, said in zip(signatures, judged, strict=True) if said == TRUE]
    print(f"{len(accepted)} of {len(signatures)} recorded signatures accepted")
    assert accepted == good
    assert set(judged) == {TRUE, FALSE}


async def test_new_signatures_and_digests_are_those_of_openssl() -> None:
    count = 1_000 if settings.get_current_profile_name() == "nightly" else 12
    seed = random.randrange(1 << 32)
    print(f"{count} signatures, seed {seed}")
    drawn = random.Random(seed)
    async with anvil() as chain:
        machine = await created(chain, "P384Machine")
        hasher = await created(chain, "Sha384Machine")
        for _ in range(count):
            message = drawn.randbytes(drawn.randrange(600))
            one = _signed(drawn, message)
            (digest,) = await answers(chain, hasher, [message])
            assert digest == f"0x{one.digest.hex()}"
            hint = prove(one.digest, one.pair, one.key)
            at = drawn.randrange(len(hint))
            altered = hint[:at] + bytes((hint[at] ^ 1 << drawn.randrange(8),)) + hint[at + 1 :]
            inputs = [one.head + hint, one.head + altered]
            assert await answers(chain, machine, inputs) == [TRUE, FALSE], at


def _signed(drawn: random.Random, message: bytes) -> Signature:
    secret = ec.derive_private_key(drawn.randrange(1, ORDER), ec.SECP384R1())
    pair = decode_dss_signature(secret.sign(message, ec.ECDSA(SHA384())))
    numbers = secret.public_key().public_numbers()
    halves = [number.to_bytes(SIZE, "big") for number in (*pair, numbers.x, numbers.y)]
    digest = hashlib.sha384(message).digest()
    return Signature("", digest, b"".join(halves[:2]), b"".join(halves[2:]), is_good=True)
