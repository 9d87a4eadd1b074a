"""Mutation gets past a parser's first check, into its depth, and is the same for one seed."""

import random
import re
from functools import cache

import pytest

from tests.oracle.attestation.hostile.limits import Target
from tests.oracle.attestation.hostile.mutants import MAX_SIZE, mutants
from tests.oracle.attestation.hostile.targets import all_targets

_SAMPLES = (
    bytes(range(256)),
    bytes.fromhex("300602010702017f"),
    b'{"a":[1,"b",{"c":null}]}',
    b"eyJhIjoxfQ.eyJiIjoiYyJ9.AAAA",
    bytes.fromhex("a2016161028101"),
    b"-----BEGIN CERTIFICATE-----\nMAYCAQcCAX8=\n-----END CERTIFICATE-----\n",
)
_COUNT = 600


@cache
def _targets() -> dict[str, Target]:
    return {target.name: target for target in all_targets()}


def _made(seed: int, *samples: bytes) -> list[bytes]:
    return list(mutants(samples or _SAMPLES, _COUNT, random.Random(seed)))


def test_one_seed_makes_the_same_mutants_and_another_makes_others() -> None:
    assert _made(1) == _made(1)
    assert len(set(_made(1)) & set(_made(2))) < _COUNT // 2


def test_mutants_differ_and_are_bounded() -> None:
    made = _made(3)
    assert len(set(made)) > _COUNT // 2
    assert max(map(len, made)) == MAX_SIZE


@pytest.mark.parametrize("sample", [b"", b"\x30", b"{", b"ey..", b"-----BEGIN A-----\n-----END A"])
def test_any_sample_will_do(sample: bytes) -> None:
    assert len(_made(4, sample)) == _COUNT


def _refusals(target: Target) -> set[str]:
    """What refusals say, without the values that they saw."""
    said = set()
    for mutant in mutants(target.samples, _COUNT, random.Random(5)):
        try:
            target.read(mutant)
        except target.refusals as error:
            said.add(re.sub(r"'.*'|\b[0-9a-fx]+\b", "", str(error)))
    return said


#: How many different refusals mutation reaches at least, by target.
_REACH = {
    "PCK": 12,
    "quote": 8,
    "TCB info": 20,
    "CBOR": 8,
    "COSE_Sign1": 7,
    "JWS": 12,
    "JWKS": 20,
    "TPMS_ATTEST": 12,
    "TPMT_PUBLIC": 12,
    "event log": 10,
    "SNP report": 6,
    "HCL report": 8,
    "runtime data": 15,
    "policy": 25,
    "signed leaf": 4,
    "signed Nitro document": 25,
    "signed PSA token": 18,
    "signed CCA realm token": 16,
    "signed maa-token": 35,
    "signed confidential-space-token": 30,
}


@pytest.mark.parametrize("name", _REACH)
def test_mutants_reach_beyond_the_first_check(name: str) -> None:
    said = _refusals(_targets()[name])
    print(name, len(said))
    assert len(said) >= _REACH[name], sorted(said)
