"""Looking at a contract in memory, and bringing what it lacks."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from eth_abi.abi import decode, encode

from enclave.domain.errors import ChainError
from oracle.attestation.endorsements.documents import Document, DocumentKind
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, CallReverted, Receipt
from oracle.chain.collateral import EvmCollateral, Kept
from oracle.collateral.plan import plan
from oracle.collateral.update import Brought, bring, look
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import AT, NOW
from tests.oracle.collateral.test_plan import documents_of, kept

CONTRACT = "0x" + "cc" * 20
PURPOSES = [
    "bring_root_crl",
    "bring_authority",
    "bring_authority",
    "bring_pck_crl",
    "bring_numbers",
    "bring_tcb_info",
    "bring_qe_identity",
]


@dataclass
class FakeReads:
    """Plays `Requests` for what is asked of one document at a time."""

    kept: dict[str, Kept] = field(default_factory=dict)
    revoked: set[int] = field(default_factory=set)
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    async def request(self, method: str, params: Any) -> str:
        assert method == "eth_call"
        assert params[0]["to"] == CONTRACT
        abi, data = load_abi("IntelCollateral"), bytes.fromhex(params[0]["data"][2:])
        (item,) = (each for each in abi.functions.values() if each.selector == data[:4])
        arguments = decode([each["type"] for each in item.inputs], data[4:])
        self.asked.append((item.name, arguments))
        if item.name == "isRevoked":
            return "0x" + encode(["bool"], [arguments[0] in self.revoked]).hex()
        found = self.kept.get(item.name, Kept(bytes(16), 0, 0, 0, 0))
        if item.name == "authority":
            kinds = ["bytes32", "bytes32", "bytes16", "uint40", "uint16", "bool"]
            values: list[Any] = [
                bytes(32),
                bytes(32),
                bytes(16),
                found.valid_until,
                found.epoch,
                False,
            ]
        else:
            kinds = ["bytes16", "uint32", "uint40", "uint40", "uint16"]
            dates = (found.issued_at, found.valid_until, found.epoch)
            values = [found.digest, found.number, *dates]
        return "0x" + encode(kinds, values).hex()


@dataclass
class FakeSender:
    """Plays `Submitter`."""

    refusals: dict[str, Exception] = field(default_factory=dict)
    sent: list[Call] = field(default_factory=list)
    address: str = "0x" + "aa" * 20

    async def send(self, call: Call) -> Receipt:
        if call.purpose in self.refusals:
            raise self.refusals[call.purpose]
        self.sent.append(call)
        return Receipt(b"\x07" * 32, 11, True, 100_000, 10**9)


@pytest.fixture(scope="module")
def vendor() -> SiliconVendor:
    return SiliconVendor(now=NOW)


async def test_each_document_is_looked_up_by_its_own_name(vendor: SiliconVendor) -> None:
    documents = await documents_of(vendor)
    by_kind = {each.kind: each for each in documents}
    names = {
        DocumentKind.ROOT_CRL: "rootCrl",
        DocumentKind.PCK_CRL: "pckCrl",
        DocumentKind.NUMBERS: "evaluationNumbers",
        DocumentKind.TCB_INFO: "tcbInfo",
        DocumentKind.QE_IDENTITY: "qeIdentity",
    }
    reads = FakeReads({name: kept(by_kind[kind]) for kind, name in names.items()})
    state = await look(EvmCollateral(reads, CONTRACT), documents, now=AT)
    for kind in names:
        assert state.of(by_kind[kind]) == kept(by_kind[kind])
    assert state.root_crl == kept(documents[0])
    fmspc, ca = vendor.platform.fmspc, by_kind[DocumentKind.PCK_CRL].issuer
    assert ("tcbInfo", (2, fmspc, 17)) in reads.asked
    assert ("qeIdentity", (2, 17)) in reads.asked
    assert ("evaluationNumbers", (2,)) in reads.asked
    assert ("pckCrl", (ca,)) in reads.asked
    assert ("authority", (ca,)) in reads.asked


async def test_only_serials_that_the_chain_has_seen_count_as_seen() -> None:
    vendor = SiliconVendor(now=NOW)
    for serial in (5, 6):
        vendor.collateral.revoke_by_root(serial)
    reads = FakeReads(revoked={6})
    state = await look(EvmCollateral(reads, CONTRACT), await documents_of(vendor), now=AT)
    assert state.revoked == {6}


async def _bring(
    vendor: SiliconVendor, sender: FakeSender
) -> tuple[tuple[Document, ...], list[Brought]]:
    documents = await documents_of(vendor)
    chain = EvmCollateral(FakeReads(), CONTRACT)
    noted: list[Brought] = []
    due = plan(documents, await look(chain, documents, now=AT))
    await bring(chain, sender, due, note=noted.append)
    return due, noted


async def test_each_document_is_one_transaction_with_its_bytes(vendor: SiliconVendor) -> None:
    sender = FakeSender()
    due, noted = await _bring(vendor, sender)
    assert [call.purpose for call in sender.sent] == PURPOSES
    assert [each.document for each in noted] == list(due)
    assert {call.target for call in sender.sent} == {CONTRACT}
    for call, document in zip(sender.sent, due, strict=True):
        assert document.raw in call.data
        assert document.signature[:32] in call.data
        assert document.signature[32:] in call.data
        assert document.issuer in call.data


async def test_what_another_one_brought_meanwhile_is_as_good(vendor: SiliconVendor) -> None:
    late = CallReverted("not newer", name="IntelCollateral_NotNewer")
    _, noted = await _bring(vendor, FakeSender({"bring_tcb_info": late}))
    missed = [each.document.kind for each in noted if each.receipt is None]
    assert missed == [DocumentKind.TCB_INFO]


async def test_a_refused_document_keeps_no_other_back(vendor: SiliconVendor) -> None:
    refusal = CallReverted("revoked", name="IntelCollateral_Revoked")
    sender = FakeSender({"bring_numbers": refusal})
    with pytest.raises(CallReverted, match="revoked"):
        await _bring(vendor, sender)
    assert [each.purpose for each in sender.sent] == [p for p in PURPOSES if p != "bring_numbers"]


async def test_a_chain_that_does_not_answer_ends_it(vendor: SiliconVendor) -> None:
    sender = FakeSender({"bring_pck_crl": ChainError("no endpoint")})
    with pytest.raises(ChainError, match="no endpoint"):
        await _bring(vendor, sender)
    assert len(sender.sent) == 3


async def test_an_address_without_a_contract_is_named(vendor: SiliconVendor) -> None:
    class Nothing:
        async def request(self, method: str, params: Any) -> str:
            return "0x"

    chain = EvmCollateral(cast(Any, Nothing()), CONTRACT)
    with pytest.raises(ChainError, match=f"no contract at {CONTRACT}"):
        await look(chain, await documents_of(vendor), now=AT)
