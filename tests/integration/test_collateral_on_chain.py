"""Intel's collateral on a real chain: what is taken is what the codec reads."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.pcs import (
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_tables import (
    TcbStatus,
)
from oracle.devnet.silicon.documents import (
    render_numbers,
    render_qe_identity,
    render_tcb_info,
)
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.integration.collateral import (
    AT,
    MOST_GAS,
    NOW,
    Case,
    Chained,
    brought_by,
    needs_vectors,
    publish,
    recorded,
    recorded_numbers,
    signed_arguments,
    silicon,
    under,
)

MUTANTS = 2_400


@needs_vectors
@pytest.mark.parametrize("case", recorded())
async def test_recorded_collateral_is_taken_and_read_as_the_codec_reads_it(case: Case) -> None:
    info, identity = parse_tcb_info(case.tcb_info.text), parse_qe_identity(case.qe_identity.text)
    pck_crl, root_crl = parse_crl(case.pck_crl), parse_crl(case.root_crl)
    async with under(case) as contract:
        gas = await contract.bring(case)
        kept = await contract.ask("tcbInfo", info.tee, info.fmspc, info.number)
        kept_qe = await contract.ask("qeIdentity", identity.tee, identity.number)
        kept_crl = await contract.ask("pckCrl", case.ca.id)
        names = (info.tee, info.fmspc, info.number, identity.number, case.ca.id, False)
        usable = await contract.ask("quoteCollateral", *names)
        ca = await contract.ask("pckCollateral", case.ca.id)
        (brought,) = await contract.events("TcbInfoUpdated")
        (brought_qe,) = await contract.events("QeIdentityUpdated")
        (brought_crl,) = await contract.events("PckCrlUpdated")
        tier = await contract.ask("tier")
    print(case.name, gas)
    assert kept["digest"] == info.digest
    assert (kept["issuedAt"], kept["validUntil"]) == (info.issued_at, info.next_update)
    assert kept_qe["digest"] == identity.digest
    assert kept_crl["digest"] == pck_crl.digest
    ends = (info.next_update, identity.next_update, root_crl.next_update, pck_crl.next_update)
    assert usable == {
        "tcb": info.digest,
        "qe": identity.digest,
        "numbers": bytes(16),
        "validUntil": min(ends),
        "epoch": 1,
    }
    assert ca[1:] == (pck_crl.digest, min(pck_crl.next_update, root_crl.next_update))
    assert brought["levels"] == b"".join(level.packed for level in info.levels)
    assert brought["modules"] == b"".join(module.packed for module in info.modules)
    assert brought["pceId"] == info.pce_id
    assert brought_qe["identity"] == identity.identity
    assert brought_qe["levels"] == b"".join(level.packed for level in identity.levels)
    assert brought_crl["serials"] == pck_crl.table
    assert tier == (1 if case.is_intel else 4)
    assert max(gas.values()) < MOST_GAS


@needs_vectors
async def test_gas_of_updates_stays_below_the_targets() -> None:
    seen: dict[str, int] = {}
    for parameter in recorded():
        case: Case = parameter.values[0]
        if not case.is_intel:
            continue
        async with under(case) as contract:
            gas = await contract.bring(case)
        sizes = {
            "updateRootCrl": 0,
            "updatePckCrl": len(parse_crl(case.pck_crl).serials),
            "updateTcbInfo": len(case.tcb_info.text),
            "updateQeIdentity": len(case.qe_identity.text),
        }
        for function, size in sizes.items():
            name = f"{function} {size}"
            seen[name] = max(seen.get(name, 0), gas[function])
    print(seen)
    assert seen["updateTcbInfo 6578"] <= 330_000
    assert seen["updateQeIdentity 1217"] <= 130_000
    assert seen["updatePckCrl 57"] <= 215_000
    assert seen["updateRootCrl 0"] <= 110_000


@needs_vectors
async def test_no_altered_bit_of_recorded_collateral_is_taken() -> None:
    cases: list[Case] = [parameter.values[0] for parameter in recorded()]
    intel = [case for case in cases if case.is_intel]
    source = random.Random(1)
    tried = 0
    for case in intel:
        async with under(case) as contract:
            calls = brought_by(case)
            for function, arguments, at in calls[:3]:
                await _refuse_flips(contract, source, function, arguments, at, count=60)
                await contract.send(function, *arguments)
            for function, arguments, at in calls[3:]:
                await _refuse_flips(contract, source, function, arguments, at, count=60)
            tried += 60 * sum(len(at) for *_, at in calls)
    assert tried >= 2_000, tried


async def _refuse_flips(
    contract: Chained,
    source: random.Random,
    function: str,
    arguments: tuple[Any, ...],
    positions: tuple[int, ...],
    *,
    count: int,
) -> None:
    for position in positions:
        bits = [source.randrange(8 * len(arguments[position])) for _ in range(count)]
        for begin in range(0, count, 20):
            await asyncio.gather(
                *(
                    contract.refusal(function, *_flipped(arguments, position, bit))
                    for bit in bits[begin : begin + 20]
                )
            )


def _flipped(arguments: tuple[Any, ...], position: int, bit: int) -> tuple[Any, ...]:
    altered = bytearray(arguments[position])
    altered[bit // 8] ^= 1 << bit % 8
    return (*arguments[:position], bytes(altered), *arguments[position + 1 :])


@needs_vectors
async def test_recorded_evaluation_numbers_are_taken() -> None:
    documents = recorded_numbers()
    assert {parse_evaluation_numbers(document.text).tee for document, _ in documents} == {
        TeeKind.SGX,
        TeeKind.TDX,
    }
    cases: list[Case] = [parameter.values[0] for parameter in recorded()]
    case = next(case for case in cases if case.is_intel)
    for document, signer in documents:
        numbers = parse_evaluation_numbers(document.text)
        async with under(replace(case, now=numbers.issued_at)) as contract:
            await contract.send("updateRootCrl", case.root_crl)
            await contract.send("cacheAuthority", signer.der)
            gas = await contract.signed("updateEvaluationNumbers", document, signer.id)
            kept = await contract.ask("evaluationNumbers", numbers.tee)
            (brought,) = await contract.events("EvaluationNumbersUpdated")
        print("updateEvaluationNumbers", len(document.text), gas)
        assert gas < MOST_GAS
        assert kept["digest"] == numbers.digest
        assert (kept["issuedAt"], kept["validUntil"]) == (numbers.issued_at, numbers.next_update)
        assert brought["table"] == numbers.table


@needs_vectors
async def test_vendor_collateral_is_refused_under_another_root() -> None:
    async with silicon() as (_, _, contract):
        for parameter in recorded():
            case: Case = parameter.values[0]
            assert "Issuer" in await contract.refusal("updateRootCrl", case.root_crl)
            assert "Issuer" in await contract.refusal("cacheAuthority", case.signer.der)
            assert "Issuer" in await contract.refusal("cacheAuthority", case.ca.der)
            arguments = signed_arguments(case.tcb_info, case.signer.id)
            assert "UnknownAuthority" in await contract.refusal("updateTcbInfo", *arguments)


def _texts(vendor: SiliconVendor) -> list[tuple[str, bytes, Callable[[bytes], Any]]]:
    """Signed texts with everything that they can have, and their parsers."""
    office, number = vendor.collateral, vendor.collateral.number
    info = office.tcb_info(TeeKind.TDX, NOW, number)
    grade = replace(
        info.levels[0].grade,
        status=TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
        advisories=("INTEL-SA-00001", "INTEL-DOC-7"),
    )
    info = replace(info, levels=(replace(info.levels[0], grade=grade), *info.levels))
    labelled = render_tcb_info(info).replace(
        b'{"svn":14}', b'{"svn":14,"category":"OS/VMM","type":"a TXT SINIT that is long enough"}', 1
    )
    identity = parse_qe_identity(publish(vendor, now=NOW).qe_identity[TeeKind.TDX].text)
    identity = replace(identity, levels=(replace(grade, svn=9), *identity.levels))
    return [
        ("updateTcbInfo", labelled, parse_tcb_info),
        ("updateTcbInfo", render_tcb_info(replace(info, number=99)), parse_tcb_info),
        ("updateQeIdentity", render_qe_identity(identity), parse_qe_identity),
        (
            "updateEvaluationNumbers",
            render_numbers(office.evaluation_numbers(TeeKind.TDX, NOW)),
            parse_evaluation_numbers,
        ),
    ]


async def test_contract_and_codec_refuse_the_same_texts() -> None:
    """Signed anew after each change, so that the parsers alone decide."""
    source = random.Random(2)
    refused = taken = 0
    async with silicon() as (vendor, case, contract):
        for function, text, parse in _texts(vendor):
            for _ in range(MUTANTS // 8):
                mutant = _mutant(source, text)
                arguments = signed_arguments(vendor.collateral.sign(mutant), case.signer.id)
                error = await contract.error(function, *arguments)
                try:
                    parsed = parse(mutant)
                except MalformedEvidence:
                    assert error is not None, mutant
                    refused += 1
                    continue
                in_time = parsed.issued_at <= AT <= parsed.next_update
                assert (error is None) == in_time, mutant
                taken += error is None
    assert refused > MUTANTS // 4
    assert taken > 20


def _mutant(source: random.Random, text: bytes) -> bytes:
    """A byte flipped, changed, left out, put in, or a piece repeated."""
    at = source.randrange(len(text))
    kind = source.randrange(6)
    if kind == 0:
        return text[:at] + bytes((text[at] ^ 1 << source.randrange(8),)) + text[at + 1 :]
    if kind == 1:
        digits = [index for index, byte in enumerate(text) if chr(byte).isdigit()]
        at = source.choice(digits)
        return text[:at] + str(source.randrange(10)).encode() + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[at + 1 :]
    if kind == 3:
        return text[:at] + bytes((source.choice(b'0"\\{}[],: \x00\x1f\x7f\x80\xff'),)) + text[at:]
    commas = [index for index, byte in enumerate(text) if byte == ord(",")]
    begin, end = source.choice(list(pairwise(commas)))
    if kind == 4:
        return text[:end] + text[begin:end] + text[end:]
    return text[:begin] + text[end:]
