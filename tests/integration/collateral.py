"""`IntelCollateral` on a real chain whose time stands still, and what the recorded cases bring."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import Certificate, parse_certificate, parse_pem_chain
from oracle.attestation.codecs.pcs import SignedText, split_signed
from oracle.chain.abi_codec import decode_revert, load_abi
from oracle.chain.rpc import RpcRefused
from oracle.devnet.anvil import Anvil, anvil
from oracle.devnet.artifacts import creation_code
from oracle.devnet.silicon.collateral import PublishedCollateral
from oracle.devnet.silicon.vendor import SiliconVendor

VECTORS = os.environ.get("ORACLE_VECTORS")
INTEL_ROOT = "roots/intel-sgx-root-ca.pem"
_GAS = hex(16_000_000)
PANIC = keccak256(b"Panic(uint256)")[:4]
NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
DAY = timedelta(days=1)
#: A transaction may have 16,777,216; a margin of 8.
MOST_GAS = 16_777_216 // 8
SIGNED = ("updateTcbInfo", "updateQeIdentity", "updateEvaluationNumbers")

needs_vectors = pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")


@dataclass(frozen=True, slots=True)
class Case:
    """What one recorded case brings.

    Attributes:
        name: Of the case, after its TEE.
        now: When it verifies, in seconds since the epoch.
        root: Certificate of the trusted root.
        signer: TCB signing certificate.
        ca: PCK CA.
        root_crl: DER.
        pck_crl: DER.
        tcb_info: Signed text.
        qe_identity: Signed text.
    """

    name: str
    now: int
    root: bytes
    signer: Certificate
    ca: Certificate
    root_crl: bytes
    pck_crl: bytes
    tcb_info: SignedText
    qe_identity: SignedText

    @property
    def is_intel(self) -> bool:
        """Whether its root is the vendor's own."""
        return "Intel Corporation" in _subject(self.root).rfc4514_string()


class Chained:
    """`IntelCollateral` or another contract, called from the chain's first account."""

    def __init__(
        self, chain: Anvil, sender: str, address: str, name: str = "IntelCollateral"
    ) -> None:
        self.chain = chain
        self.sender = sender
        self.address = address
        self.codec = load_abi(name)

    async def send(self, function: str, *arguments: Any) -> int:
        """Gas of a transaction that must succeed."""
        receipt = await mined(self.chain, self.call(function, *arguments))
        assert receipt["status"] == "0x1", await self.refusal(function, *arguments)
        return int(receipt["gasUsed"], 16)

    async def ask(self, function: str, *arguments: Any) -> Any:
        """Result of a call."""
        return self.codec.decode_result(function, await self.answer(function, *arguments))

    async def answer(self, function: str, *arguments: Any) -> bytes:
        """Result of a call as it is encoded."""
        raw = await self.chain.call("eth_call", self.call(function, *arguments), "latest")
        return bytes.fromhex(raw[2:])

    async def refusal(self, function: str, *arguments: Any) -> str:
        """Why a call reverts; it must, with an error that has a name."""
        error = await self.error(function, *arguments)
        assert error is not None, f"{function} was accepted"
        assert len(error) >= 4
        assert error[:4] != PANIC
        return _decoded(error)

    async def error(self, function: str, *arguments: Any) -> bytes | None:
        """What a call reverts with; None if it does not."""
        try:
            await self.chain.call("eth_call", self.call(function, *arguments), "latest")
        except RpcRefused as refused:
            return refused.data
        return None

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Every event of a name, from the first block on."""
        query = {"address": self.address, "fromBlock": "0x0", "toBlock": "latest"}
        found = []
        for log in await self.chain.call("eth_getLogs", query):
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            seen, fields = self.codec.decode_event(topics, bytes.fromhex(log["data"][2:]))
            found += [fields] if seen == name else []
        return found

    async def bring(self, case: Case) -> dict[str, int]:
        """All that a case has, from empty; gas by function."""
        gas = {"updateRootCrl": await self.send("updateRootCrl", case.root_crl)}
        gas["cacheSigner"] = await self.send("cacheAuthority", case.signer.der)
        gas["cacheCa"] = await self.send("cacheAuthority", case.ca.der)
        gas["updatePckCrl"] = await self.send("updatePckCrl", case.pck_crl, case.ca.id)
        gas["updateTcbInfo"] = await self.signed("updateTcbInfo", case.tcb_info, case.signer.id)
        identity = case.qe_identity
        gas["updateQeIdentity"] = await self.signed("updateQeIdentity", identity, case.signer.id)
        return gas

    async def signed(self, function: str, document: SignedText, signer: bytes) -> int:
        """Gas of bringing a signed text."""
        return await self.send(function, *signed_arguments(document, signer))

    def call(self, function: str, *arguments: Any) -> dict[str, str]:
        """Fields of a call."""
        data = self.codec.encode_call(function, *arguments)
        fields = {"from": self.sender, "to": self.address, "gas": _GAS}
        return fields | {"data": f"0x{data.hex()}"}


def signed_arguments(document: SignedText, signer: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Arguments of the three functions that take a signed text."""
    return document.text, document.signature[:32], document.signature[32:], signer


async def mined(chain: Anvil, fields: dict[str, str]) -> dict[str, Any]:
    """Receipt of a transaction; the chain mines each by itself."""
    sent = await chain.call("eth_sendTransaction", fields)
    async with asyncio.timeout(10):
        while (receipt := await chain.call("eth_getTransactionReceipt", sent)) is None:
            await asyncio.sleep(0.005)
    return dict(receipt)


@asynccontextmanager
async def collateral(
    root: bytes,
    signer_name: bytes,
    *,
    now: int,
    has_precompile: bool = True,
    hardfork: str = "osaka",
) -> AsyncIterator[Chained]:
    """The contract under a root, on a chain where it is always `now`."""
    async with anvil(stopped_at=now, hardfork=hardfork) as fresh:
        sender = (await fresh.call("eth_accounts"))[0]
        arguments = (root, signer_name, has_precompile)
        yield await created(fresh, sender, "IntelCollateral", *arguments)


async def created(chain: Anvil, sender: str, name: str, *arguments: Any) -> Chained:
    """A contract, just made."""
    code = creation_code(name, *arguments)
    receipt = await mined(chain, {"from": sender, "gas": _GAS, "data": f"0x{code.hex()}"})
    assert receipt["status"] == "0x1", receipt
    return Chained(chain, sender, receipt["contractAddress"], name)


async def construction_refusal(
    root: bytes, signer_name: bytes, *, now: int, hardfork: str = "osaka"
) -> str:
    """Why the contract cannot be made under a root at a moment; it must not."""
    async with anvil(stopped_at=now, hardfork=hardfork) as chain:
        refusal = await construction_error(chain, "IntelCollateral", root, signer_name, True)
    assert refusal is not None
    return refusal


async def construction_error(chain: Anvil, name: str, *arguments: Any) -> str | None:
    """Why a contract cannot be made; None if it can."""
    code = creation_code(name, *arguments)
    # A call sees the last block's time, and the first block's is none.
    await chain.call("anvil_mine", hex(1))
    try:
        await chain.call("eth_call", {"gas": _GAS, "data": f"0x{code.hex()}"}, "latest")
    except RpcRefused as refused:
        return _decoded(refused.data)
    return None


def _decoded(error: bytes) -> str:
    """One line; what the certificates' parser says is passed on by the contract."""
    own = load_abi("IntelCollateral")
    return decode_revert(own if error[:4] in own.errors else load_abi("CertificateParser"), error)


def name_hash(certificate: bytes) -> bytes:
    """keccak256 of a certificate's subject."""
    return keccak256(_subject(certificate).public_bytes())


def case_of(vendor: SiliconVendor, *, now: int, tee: TeeKind = TeeKind.SGX) -> Case:
    """What the emulated vendor publishes for a TEE, as a case."""
    published = vendor.collateral.publish(now=datetime.fromtimestamp(now, UTC))
    return Case(
        name="silicon",
        now=now,
        root=vendor.chain.root.der,
        signer=parse_certificate(vendor.chain.tcb_signer.der),
        ca=parse_certificate(vendor.chain.platform_ca.der),
        root_crl=published.root_crl,
        pck_crl=published.pck_crl,
        tcb_info=published.tcb_info[tee],
        qe_identity=published.qe_identity[tee],
    )


@asynccontextmanager
async def under(case: Case) -> AsyncIterator[Chained]:
    """The contract under a case's root, when the case verifies."""
    async with collateral(case.root, name_hash(case.signer.der), now=case.now) as contract:
        yield contract


@asynccontextmanager
async def silicon() -> AsyncIterator[tuple[SiliconVendor, Case, Chained]]:
    """A vendor, what it publishes now, and the contract with its root's CRL and certificates."""
    vendor = SiliconVendor(now=NOW - 40 * DAY)
    case = case_of(vendor, now=AT)
    async with under(case) as contract:
        await contract.send("updateRootCrl", case.root_crl)
        await contract.send("cacheAuthority", case.signer.der)
        await contract.send("cacheAuthority", case.ca.der)
        yield vendor, case, contract


def publish(vendor: SiliconVendor, *, now: datetime) -> PublishedCollateral:
    """All that the emulated vendor publishes at a moment."""
    return vendor.collateral.publish(now=now)


def documents(published: PublishedCollateral) -> dict[str, SignedText]:
    """One document for each function that takes a signed text."""
    sgx = TeeKind.SGX
    texts = (published.tcb_info[sgx], published.qe_identity[sgx], published.numbers[sgx])
    return dict(zip(SIGNED, texts, strict=True))


def brought_by(case: Case) -> list[tuple[str, tuple[Any, ...], tuple[int, ...]]]:
    """Calls in order, and which of their arguments a flipped bit must spoil."""
    return [
        ("updateRootCrl", (case.root_crl,), (0,)),
        ("cacheAuthority", (case.signer.der,), (0,)),
        ("cacheAuthority", (case.ca.der,), (0,)),
        ("updatePckCrl", (case.pck_crl, case.ca.id), (0, 1)),
        ("updateTcbInfo", signed_arguments(case.tcb_info, case.signer.id), (0, 1, 2, 3)),
        ("updateQeIdentity", signed_arguments(case.qe_identity, case.signer.id), (0, 1, 2)),
    ]


def recorded() -> list[Any]:
    """Every recorded case that has collateral and a time at which it verifies."""
    found = []
    for tee in ("sgx", "tdx") if VECTORS else ():
        folder = Path(str(VECTORS)) / tee
        entries = json.loads((folder / "manifest.json").read_text())
        evidence = {entry["vector"]: entry for entry in entries if entry["role"] == "evidence"}
        for entry in entries:
            case = evidence.get(entry["vector"])
            if entry["role"] == "collateral" and case is not None:
                loaded = _load(folder, entry, case)
                found.append(pytest.param(loaded, id=loaded.name))
    return found


def recorded_numbers() -> list[tuple[SignedText, Certificate]]:
    """Every recorded document of TCB evaluation data numbers, and who signed it."""
    found = []
    for tee in ("sgx", "tdx"):
        folder = Path(str(VECTORS)) / tee
        entries = json.loads((folder / "manifest.json").read_text())
        chains = {e["vector"]: e["file"] for e in entries if e["role"] == "chain"}
        for entry in entries:
            if "evaluation data numbers" in entry["kind"]:
                body = (folder / entry["file"]).read_bytes()
                chain = (folder / chains[entry["vector"]]).read_bytes()
                document = split_signed(body, "tcbEvaluationDataNumbers")
                found.append((document, parse_pem_chain(chain)[0]))
    return found


def _load(folder: Path, entry: dict[str, Any], case: dict[str, Any]) -> Case:
    fields = json.loads((folder / entry["file"]).read_text())
    trusted = case.get("trust_root")
    root = folder / trusted if trusted else folder.parent / INTEL_ROOT

    def signed(name: str) -> SignedText:
        return SignedText(fields[name].encode(), bytes.fromhex(fields[f"{name}_signature"]))

    return Case(
        name=f"{folder.name}-{entry['vector']}",
        now=case["verifies_at"]["unix"],
        root=parse_pem_chain(root.read_bytes())[0].der,
        signer=parse_pem_chain(fields["tcb_info_issuer_chain"].encode())[0],
        ca=parse_pem_chain(fields["pck_crl_issuer_chain"].encode())[0],
        root_crl=bytes.fromhex(fields["root_ca_crl"]),
        pck_crl=bytes.fromhex(fields["pck_crl"]),
        tcb_info=signed("tcb_info"),
        qe_identity=signed("qe_identity"),
    )


def _subject(certificate: bytes) -> x509.Name:
    return x509.load_der_x509_certificate(certificate).subject
