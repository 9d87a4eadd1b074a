"""Who verifies P-256 signatures on Intel's collateral: the chain's precompile, or Solidity."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.devnet.silicon.vendor import SiliconVendor
from tests.integration.collateral import (
    AT,
    DAY,
    MOST_GAS,
    NOW,
    Chained,
    case_of,
    collateral,
    construction_refusal,
    documents,
    name_hash,
    needs_vectors,
    publish,
)

VECTORS = os.environ.get("ORACLE_VECTORS")
PRECOMPILE = "0x" + "0100".rjust(40, "0")
_NUMBERS = "updateEvaluationNumbers"
ACCEPTED = "0x" + "1".rjust(64, "0")


@dataclass(frozen=True, slots=True)
class Signature:
    """One recorded case.

    Attributes:
        name: Its number and comment.
        call: Digest, signature and key, as the precompile takes them.
        is_good: Whether it verifies.
    """

    name: str
    call: bytes
    is_good: bool


def _recorded() -> Iterator[Signature]:
    """Every recorded signature over P-256 and SHA-256 whose halves have a fixed length."""
    folder = Path(str(VECTORS)) / "wycheproof"
    for entry in json.loads((folder / "manifest.json").read_text()):
        for group in json.loads((folder / entry["file"]).read_text())["testGroups"]:
            key = group["publicKey"]
            if group["type"] != "EcdsaP1363Verify" or key["curve"] != "secp256r1":
                continue
            assert group["sha"] == "SHA-256"
            yield from _of_group(group["tests"], bytes.fromhex(key["uncompressed"]))


def _of_group(tests: list[dict[str, Any]], key: bytes) -> Iterator[Signature]:
    for test in tests:
        digest = hashlib.sha256(bytes.fromhex(test["msg"])).digest()
        call = digest + bytes.fromhex(test["sig"]) + key[1:]
        name = f"{test['tcId']} {test['comment']}"
        yield Signature(name, call, is_good=test["result"] == "valid")


async def _accepted(contract: Chained, backend: str, signatures: list[Signature]) -> list[str]:
    calls = [
        ("eth_call", ({"to": backend, "data": f"0x{one.call.hex()}"}, "latest"))
        for one in signatures
    ]
    answers = await contract.chain.batch(calls)
    assert set(answers) == {"0x", ACCEPTED}
    return [one.name for one, said in zip(signatures, answers, strict=True) if said == ACCEPTED]


@needs_vectors
async def test_precompile_and_solidity_judge_the_recorded_signatures_as_they_are_marked() -> None:
    signatures = list(_recorded())
    good = [one.name for one in signatures if one.is_good]
    assert len(good) >= 100
    assert len(signatures) - len(good) >= 50
    case = case_of(SiliconVendor(now=NOW - 40 * DAY), now=AT)
    signer = name_hash(case.signer.der)
    async with collateral(case.root, signer, now=AT, has_precompile=False) as contract:
        backend = await contract.ask("p256")
        assert backend != PRECOMPILE
        assert await _accepted(contract, backend, signatures) == good
        assert await _accepted(contract, PRECOMPILE, signatures) == good


async def test_all_collateral_is_taken_by_solidity_alone() -> None:
    vendor = SiliconVendor(now=NOW - 40 * DAY)
    case = case_of(vendor, now=AT)
    signer = name_hash(case.signer.der)
    gas = {}
    for has_precompile in (True, False):
        async with collateral(case.root, signer, now=AT, has_precompile=has_precompile) as contract:
            gas[has_precompile] = await contract.bring(case)
            numbers = documents(publish(vendor, now=NOW))[_NUMBERS]
            gas[has_precompile][_NUMBERS] = await contract.signed(_NUMBERS, numbers, case.signer.id)
    print(gas)
    # One signature each.
    assert all(cost - gas[True][name] < 300_000 for name, cost in gas[False].items())
    assert max(gas[False].values()) < MOST_GAS


async def test_a_chain_without_the_precompile_is_refused_unless_solidity_was_chosen() -> None:
    case = case_of(SiliconVendor(now=NOW - 40 * DAY), now=AT)
    signer = name_hash(case.signer.der)
    refusal = await construction_refusal(case.root, signer, now=AT, hardfork="prague")
    assert refusal == f"IntelCollateral_NoP256(backend {PRECOMPILE})"
    async with collateral(
        case.root, signer, now=AT, has_precompile=False, hardfork="prague"
    ) as contract:
        await contract.send("updateRootCrl", case.root_crl)
        await contract.send("cacheAuthority", case.signer.der)
        await contract.send("cacheAuthority", case.ca.der)
        await contract.send("updatePckCrl", case.pck_crl, case.ca.id)
