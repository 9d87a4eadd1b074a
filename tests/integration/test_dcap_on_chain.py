"""Quotes on a real chain: from the emulated vendor's bytes to a registered signer, and refusals."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import coincurve
import pytest
from eth_abi.abi import encode

from enclave.domain.evidence import RegistrationContext, registration_digest, report_data
from enclave.domain.report import keccak256
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import DcapQuote, split_quote
from oracle.attestation.codecs.dcap_hints import DcapHints, build_hints
from oracle.attestation.codecs.pcs import (
    SignedText,
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.devnet.anvil import CHAIN_ID, anvil
from oracle.devnet.deploy import Plan, deploy
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor, predict_image_id
from tests.integration.collateral import Case, Chained, case_of, needs_vectors
from tests.integration.recorded_evidence import recorded_evidence
from tests.integration.verdicts import Refused, court

MEASUREMENT = hashlib.sha384(b"an enclave").digest()
OPERATOR = bytes.fromhex("0e" * 20)
HPKE_KEY = bytes(range(32))
KEY = coincurve.PrivateKey(hashlib.sha256(b"a signer").digest())
SIGNER = keccak256(KEY.public_key.format(compressed=False)[1:])[12:]
#: The vendor is older than the chain, and its documents are as old as they are when they come.
AGE = timedelta(days=40)
HANDLING = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class World:
    """Registry, verifier and collateral for a vendor; the test's image is approved."""

    vendor: SiliconVendor
    form: QuoteForm
    case: Case
    numbers: SignedText
    registry: Chained
    verifier: Chained
    collateral: Chained

    async def bring(self) -> None:
        """All the collateral that there is."""
        await self.collateral.bring(self.case)
        await self.collateral.signed("updateEvaluationNumbers", self.numbers, self.case.signer.id)

    def endorsements(self, quote: DcapQuote) -> tuple[bytes, bytes, bytes]:
        """Arguments of `cachePck`."""
        return quote.pck.der, quote.ca.id, parse_crl(self.case.pck_crl).table

    def hints(self, quote: DcapQuote) -> DcapHints:
        """By what the vendor published."""
        return build_hints(
            quote,
            parse_tcb_info(self.case.tcb_info.text),
            parse_qe_identity(self.case.qe_identity.text),
            parse_evaluation_numbers(self.numbers.text),
        )


@asynccontextmanager
async def _world(form: QuoteForm) -> AsyncIterator[World]:
    """A chain with all contracts and no collateral yet."""
    now = datetime.now(UTC)
    vendor = SiliconVendor(now=now - AGE)
    plan = Plan(
        definitions=(),
        operators=(OPERATOR,),
        images={form.tee: predict_image_id(form, MEASUREMENT)},
        build_digest=keccak256(b"build"),
        vendor=vendor.constants,
        reseat_interval_s=0,
    )
    async with anvil() as chain:
        deployed = (await deploy(chain, plan)).contracts
        await chain.call("evm_setAutomine", True)
        sender = (await chain.call("eth_accounts"))[0]
        registry, verifier, collateral = (
            Chained(chain, sender, f"0x{deployed[name].hex()}", name)
            for name in ("AttestationRegistry", "DcapVerifier", "IntelCollateral")
        )
        issued = now - HANDLING
        case = case_of(vendor, now=int(issued.timestamp()), tee=form.tee)
        numbers = vendor.collateral.publish(now=issued).numbers[form.tee]
        yield World(vendor, form, case, numbers, registry, verifier, collateral)


async def _request(
    world: World, vendor: SiliconVendor, *, is_cold: bool = False
) -> tuple[DcapQuote, tuple[Any, ...]]:
    """A quote over a recent block, and the registration that it is for."""
    block = await world.registry.chain.call("eth_getBlockByNumber", "latest", False)
    context = RegistrationContext(
        chain_id=CHAIN_ID,
        registry=bytes.fromhex(world.registry.address[2:]),
        operator=OPERATOR,
        ref_block=int(block["number"], 16),
        block_hash=bytes.fromhex(block["hash"][2:]),
    )
    data = report_data(context, signer=SIGNER, hpke_public_key=HPKE_KEY)
    quote = split_quote(vendor.quote(world.form, measurement=MEASUREMENT, report_data=data))
    raw = KEY.sign_recoverable(registration_digest(context, hpke_public_key=HPKE_KEY), hasher=None)
    signature = raw[:32] + bytes((raw[32] | raw[64] << 7,)) + raw[33:64]
    types = ["bytes", "bytes32", "bytes"]
    endorsements = encode(types, world.endorsements(quote)) if is_cold else b""
    shown = (quote.evidence, world.hints(quote).packed, endorsements)
    return quote, (1, SIGNER, OPERATOR, HPKE_KEY, context.ref_block, *shown, signature)


@pytest.mark.parametrize("form", QuoteForm)
async def test_a_quote_registers_its_signer(form: QuoteForm, record_property: Any) -> None:
    async with _world(form) as world:
        await world.bring()
        quote, request = await _request(world, world.vendor)
        gas = {
            "cachePck": await world.verifier.send("cachePck", *world.endorsements(quote)),
            "register": await world.registry.send("register", request),
        }
        info = await world.registry.ask("signerInfo", SIGNER)
        (event,) = await world.registry.events("SignerRegistered")
    record_property("gas", gas)
    print(form.name, gas)
    assert info["valid"]
    assert info["imageId"] == quote.image_id
    assert (info["tee"], info["tier"]) == (form.tee, 4)
    assert event["evidence"] == quote.evidence
    assert event["evidenceHash"] == keccak256(quote.evidence)
    assert (event["tcbStatus"], event["evaluationNumber"]) == (1, world.vendor.collateral.number)
    assert gas["register"] < 200_000


@pytest.mark.parametrize("form", [QuoteForm.SGX_V3, QuoteForm.TDX_V4])
async def test_a_machine_that_nobody_knows_registers_in_one_transaction(form: QuoteForm) -> None:
    async with _world(form) as world:
        await world.bring()
        _, request = await _request(world, world.vendor, is_cold=True)
        gas = await world.registry.send("register", request)
        print(form.name, gas)
        assert await world.registry.ask("isValid", SIGNER)
    assert gas < 350_000


async def test_nothing_registers_before_the_collateral_is_there() -> None:
    async with _world(QuoteForm.TDX_V5_TD15) as world:
        quote, request = await _request(world, world.vendor)
        assert "Missing" in await world.verifier.refusal("cachePck", *world.endorsements(quote))
        assert "Missing" in await world.verifier.refusal("verify", *request[5:7])
        await world.bring()
        assert "UnknownPck" in await world.registry.refusal("register", request)
        await world.verifier.send("cachePck", *world.endorsements(quote))
        await world.registry.send("register", request)


async def test_a_block_beyond_the_opcodes_reach_is_found_in_the_history_contract() -> None:
    async with _world(QuoteForm.SGX_V3) as world:
        await world.bring()
        _, request = await _request(world, world.vendor, is_cold=True)
        await world.registry.chain.call("anvil_mine", hex(300), hex(0))
        await world.registry.send("register", request)
        assert await world.registry.ask("isValid", SIGNER)


async def test_a_quote_of_another_vendor_is_refused_at_every_step() -> None:
    other = SiliconVendor(now=datetime.now(UTC) - AGE)
    async with _world(QuoteForm.SGX_V3) as world:
        await world.bring()
        quote, request = await _request(world, other)
        own, own_request = await _request(world, world.vendor)
        await world.verifier.send("cachePck", *world.endorsements(own))
        said = await world.collateral.refusal("cacheAuthority", quote.ca.der)
        assert "Signature" in said
        foreign = (quote.pck.der, own.ca.id, world.endorsements(own)[2])
        assert "CertificateSignature" in await world.verifier.refusal("cachePck", *foreign)
        # The other's CA has no list here, and this vendor's machine did not sign.
        assert "Missing" in await world.registry.refusal("register", request)
        under_own = (*request[:6], own_request[6], *request[7:])
        assert "QeReportSignature" in await world.registry.refusal("register", under_own)


@needs_vectors
async def test_recorded_quotes_of_real_hardware_are_refused_under_another_root() -> None:
    versions = set()
    async with _world(QuoteForm.SGX_V3) as world:
        await world.bring()
        own, own_request = await _request(world, world.vendor)
        await world.verifier.send("cachePck", *world.endorsements(own))
        for case in recorded_evidence():
            if not case.is_intel:
                continue
            try:
                async with court(case) as contracts:
                    shown = await contracts.verify(case.raw)
            except Refused:
                continue
            quote = shown.quote
            versions.add(quote.evidence[0])
            said = await world.collateral.refusal("cacheAuthority", quote.ca.der)
            assert "Issuer" in said
            foreign = (quote.pck.der, own.ca.id, world.endorsements(own)[2])
            assert "IssuerMismatch" in await world.verifier.refusal("cachePck", *foreign)
            for packed, wanted in (
                (shown.hints.packed, "Missing"),
                (own_request[6], "QeReportSignature" if quote.tee is own.tee else "Missing"),
            ):
                assert wanted in await world.verifier.refusal("verify", quote.evidence, packed)
    assert versions == {3, 4, 5}
