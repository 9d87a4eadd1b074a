"""Quotes on a real chain: from the emulated vendor's bytes to a registered signer, and refusals."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import coincurve
import pytest
from cryptography import x509

from enclave.domain.evidence import RegistrationContext, TeeKind, registration_digest, report_data
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import DcapQuote, split_quote
from oracle.chain.abi_codec import decode_revert, load_abi
from oracle.chain.rpc import RpcRefused
from oracle.devnet.anvil import CHAIN_ID, Anvil, anvil
from oracle.devnet.artifacts import creation_code
from oracle.devnet.deploy import Plan, deploy
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor, predict_image_id

TEES = [TeeKind.SGX, TeeKind.TDX]
MEASUREMENT = hashlib.sha384(b"an enclave").digest()
OPERATOR = bytes.fromhex("0e" * 20)
HPKE_KEY = bytes(range(32))
KEY = coincurve.PrivateKey(hashlib.sha256(b"a signer").digest())
SIGNER = keccak256(KEY.public_key.format(compressed=False)[1:])[12:]
VECTORS = os.environ.get("ORACLE_VECTORS")


@dataclass(frozen=True, slots=True)
class Contract:
    """One deployed contract, called from the chain's first account."""

    chain: Anvil
    name: str
    address: bytes

    async def send(self, function: str, *arguments: Any) -> int:
        """Gas of a transaction that must succeed."""
        receipt = await _mined(self.chain, self._call(function, *arguments))
        assert receipt["status"] == "0x1", await self.refusal(function, *arguments)
        return int(receipt["gasUsed"], 16)

    async def ask(self, function: str, *arguments: Any) -> Any:
        """Result of a call."""
        raw = await self.chain.call("eth_call", self._call(function, *arguments), "latest")
        return load_abi(self.name).decode_result(function, bytes.fromhex(raw[2:]))

    async def refusal(self, function: str, *arguments: Any) -> str:
        """Why a call reverts; it must."""
        with pytest.raises(RpcRefused) as caught:
            await self.ask(function, *arguments)
        return decode_revert(load_abi(self.name), caught.value.data)

    def _call(self, function: str, *arguments: Any) -> dict[str, str]:
        data = load_abi(self.name).encode_call(function, *arguments)
        return {"to": f"0x{self.address.hex()}", "data": f"0x{data.hex()}"}


async def _mined(chain: Anvil, fields: dict[str, str]) -> dict[str, Any]:
    """Receipt of a transaction from the first account; the chain mines each by itself."""
    sender = (await chain.call("eth_accounts"))[0]
    sent = await chain.call(
        "eth_sendTransaction", {"from": sender, "gas": hex(10_000_000)} | fields
    )
    async with asyncio.timeout(10):
        while (receipt := await chain.call("eth_getTransactionReceipt", sent)) is None:
            await asyncio.sleep(0.005)
    return dict(receipt)


@asynccontextmanager
async def _contracts(
    vendor: SiliconVendor, form: TeeKind | QuoteForm
) -> AsyncIterator[tuple[Anvil, Contract, Contract]]:
    """A chain with registry and verifier for a vendor; the test's image is approved."""
    tee = form.tee if isinstance(form, QuoteForm) else form
    plan = Plan(
        definitions=(),
        operators=(OPERATOR,),
        images={tee: predict_image_id(form, MEASUREMENT)},
        build_digest=keccak256(b"build"),
        vendor=vendor.constants,
        reseat_interval_s=0,
    )
    async with anvil() as chain:
        deployed = (await deploy(chain, plan)).contracts
        await chain.call("evm_setAutomine", True)
        registry, verifier = (
            Contract(chain, name, deployed[name])
            for name in ("AttestationRegistry", "DcapVerifier")
        )
        yield chain, registry, verifier


async def _request(
    chain: Anvil, registry: Contract, vendor: SiliconVendor, tee: TeeKind | QuoteForm
) -> tuple[DcapQuote, tuple[Any, ...]]:
    """A quote over a recent block, and the registration that it is for."""
    block = await chain.call("eth_getBlockByNumber", "latest", False)
    context = RegistrationContext(
        chain_id=CHAIN_ID,
        registry=registry.address,
        operator=OPERATOR,
        ref_block=int(block["number"], 16),
        block_hash=bytes.fromhex(block["hash"][2:]),
    )
    data = report_data(context, signer=SIGNER, hpke_public_key=HPKE_KEY)
    quote = split_quote(vendor.quote(tee, measurement=MEASUREMENT, report_data=data))
    raw = KEY.sign_recoverable(registration_digest(context, hpke_public_key=HPKE_KEY), hasher=None)
    signature = raw[:32] + bytes((raw[32] | raw[64] << 7,)) + raw[33:64]
    fields = (HPKE_KEY, context.ref_block, quote.evidence, quote.hints, signature)
    return quote, (1, SIGNER, OPERATOR, *fields)


@pytest.mark.parametrize("form", QuoteForm)
async def test_a_quote_registers_its_signer(form: QuoteForm, record_property: Any) -> None:
    vendor = SiliconVendor(now=datetime.now(UTC))
    async with _contracts(vendor, form) as (chain, registry, verifier):
        quote, request = await _request(chain, registry, vendor, form)
        gas = {
            "cacheCa": await verifier.send("cacheCa", quote.ca.der),
            "cachePck": await verifier.send("cachePck", quote.pck.der, quote.ca.id),
            "register": await registry.send("register", request),
        }
        info = await registry.ask("signerInfo", SIGNER)
    record_property("gas", gas)
    print(form.name, gas)
    assert info["valid"]
    assert info["imageId"] == quote.image_id
    assert (info["tee"], info["tier"]) == (form.tee, 4)
    assert max(gas["cacheCa"], gas["cachePck"]) < 1_000_000
    assert gas["register"] < 200_000


async def test_a_block_beyond_the_opcodes_reach_is_found_in_the_history_contract() -> None:
    vendor = SiliconVendor(now=datetime.now(UTC))
    async with _contracts(vendor, TeeKind.SGX) as (chain, registry, verifier):
        quote, request = await _request(chain, registry, vendor, TeeKind.SGX)
        await verifier.send("cacheCa", quote.ca.der)
        await verifier.send("cachePck", quote.pck.der, quote.ca.id)
        await chain.call("anvil_mine", hex(300), hex(0))
        await registry.send("register", request)
        assert await registry.ask("isValid", SIGNER)


async def test_a_quote_of_another_vendor_is_refused_at_every_step() -> None:
    vendor, other = (SiliconVendor(now=datetime.now(UTC)) for _ in range(2))
    async with _contracts(vendor, TeeKind.SGX) as (chain, registry, verifier):
        quote, request = await _request(chain, registry, other, TeeKind.SGX)
        own, _ = await _request(chain, registry, vendor, TeeKind.SGX)
        await verifier.send("cacheCa", own.ca.der)
        await verifier.send("cachePck", own.pck.der, own.ca.id)
        assert "CertificateSignature" in await verifier.refusal("cacheCa", quote.ca.der)
        said = await verifier.refusal("cachePck", quote.pck.der, own.ca.id)
        assert "CertificateSignature" in said
        assert "UnknownPck" in await registry.refusal("register", request)
        under_own = (*request[:6], own.hints, request[7])
        assert "QeReportSignature" in await registry.refusal("register", under_own)


def _cases(root: bool) -> list[dict[str, Any]]:
    """Recorded evidence of supported formats; with or without a root of its own."""
    found: list[dict[str, Any]] = []
    for tee in ("sgx", "tdx") if VECTORS else ():
        folder = Path(str(VECTORS)) / tee
        for case in json.loads((folder / "manifest.json").read_text()):
            if case["role"] != "evidence" or (case.get("trust_root") is not None) is not root:
                continue
            raw = (folder / case["file"]).read_bytes()
            # Without a chain the PPID is encrypted: another format.
            if b"-----BEGIN" in raw:
                trusted = (folder / case["trust_root"]).read_bytes() if root else b""
                found.append(case | {"raw": raw, "root": trusted})
    return found


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
async def test_recorded_quotes_of_real_hardware_are_refused() -> None:
    vendor = SiliconVendor(now=datetime.now(UTC))
    async with _contracts(vendor, TeeKind.SGX) as (chain, registry, verifier):
        own, _ = await _request(chain, registry, vendor, TeeKind.SGX)
        await verifier.send("cacheCa", own.ca.der)
        await verifier.send("cachePck", own.pck.der, own.ca.id)
        cases = _cases(root=False)
        assert {case["raw"][0] for case in cases} == {3, 4, 5}
        for case in cases:
            quote = split_quote(case["raw"])
            assert "IssuerMismatch" in await verifier.refusal("cacheCa", quote.ca.der)
            assert "IssuerMismatch" in await verifier.refusal("cachePck", quote.pck.der, own.ca.id)
            said = await verifier.refusal("verify", quote.evidence, quote.hints)
            assert "UnknownPck" in said
            said = await verifier.refusal("verify", quote.evidence, own.hints)
            assert "QeReportSignature" in said


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
async def test_recorded_quotes_of_a_synthetic_vendor_verify_under_its_root() -> None:
    """Quotes that another program made: the chain reads of them what the codec does."""
    cases = [case for case in _cases(root=True) if case["expected"] == "accept"]
    assert {split_quote(case["raw"]).tee for case in cases} == set(TEES)
    for case in cases:
        quote = split_quote(case["raw"])
        async with anvil() as chain:
            verifier = await _verifier_under(chain, case["root"], quote)
            await verifier.send("cacheCa", quote.ca.der)
            await verifier.send("cachePck", quote.pck.der, quote.ca.id)
            claims = await verifier.ask("verify", quote.evidence, quote.hints)
        assert claims["tee"] == quote.tee
        assert claims["imageId"] == quote.image_id
        assert claims["reportData0"] + claims["reportData1"] == quote.report_data


async def _verifier_under(chain: Anvil, pem: bytes, quote: DcapQuote) -> Contract:
    """A verifier for this root, and for the quoting enclave of this quote."""
    root = x509.load_pem_x509_certificate(pem)
    key: Any = root.public_key()
    numbers = key.public_numbers()
    report = quote.evidence[48 + len(quote.body) + 128 :][:384]
    product = int.from_bytes(report[256:258], "little")
    anchor = (
        numbers.x.to_bytes(32, "big"),
        numbers.y.to_bytes(32, "big"),
        keccak256(root.subject.public_bytes()),
        int(root.not_valid_after_utc.timestamp()),
    )
    code = creation_code("DcapVerifier", anchor, (report[128:160], product, product))
    receipt = await _mined(chain, {"data": f"0x{code.hex()}"})
    assert receipt["status"] == "0x1"
    return Contract(chain, "DcapVerifier", bytes.fromhex(receipt["contractAddress"][2:]))
