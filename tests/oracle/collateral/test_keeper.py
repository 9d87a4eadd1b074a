"""Keeping collateral for a machine, and choosing what is shown with its quotes."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from eth_abi.abi import decode

from enclave.domain.errors import AppraisalFailed, ChainError
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap import DcapQuote, parse_certificate, split_quote
from oracle.attestation.codecs.tcb_tables import TcbStatus
from oracle.attestation.endorsements.documents import DocumentKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.chain.base import CallReverted, KeptMachine
from oracle.collateral.keeper import MAX_ENDORSEMENTS, CollateralKeeper
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.collateral import FakeBringer, FakeCollateral, FakeKeeperChain, FakeSource
from tests.fakes.pcs import AT, NOW, FakeService

DAY_S = 86_400
EVERYTHING = [
    "bring_root_crl",
    "bring_authority",
    "bring_authority",
    "bring_pck_crl",
    "bring_numbers",
    "bring_tcb_info",
    "bring_qe_identity",
]


@dataclass
class Bench:
    vendor: SiliconVendor
    contract: FakeCollateral
    chain: FakeKeeperChain
    submitter: FakeBringer
    source: FakeSource
    keeper: CollateralKeeper
    time: list[float]

    def quote(self, *, measurement: bytes = b"\x01" * 48) -> DcapQuote:
        raw = self.vendor.quote(TeeKind.TDX, measurement=measurement, report_data=bytes(64))
        return split_quote(raw)

    def recover(self) -> None:
        """A vulnerability becomes public; the old number stays the standard one."""
        self.vendor.collateral.recover_tcb(now=NOW)
        self.source.service.standard = 17


@pytest.fixture
def bench() -> Bench:
    vendor, contract = SiliconVendor(now=NOW), FakeCollateral()
    chain, submitter = FakeKeeperChain(contract), FakeBringer(contract)
    source, now = FakeSource(FakeService(vendor), contract), [0.0]
    keeper = CollateralKeeper(
        cast(Any, chain), submitter, source, renew_before_s=10 * DAY_S, clock=lambda: now[0]
    )
    return Bench(vendor, contract, chain, submitter, source, keeper, now)


async def test_an_empty_chain_gets_everything_and_the_registration_the_certificate(
    bench: Bench,
) -> None:
    quote = bench.quote()
    endorsed = await bench.keeper.endorse(quote)
    assert bench.submitter.sent == EVERYTHING
    (hints,) = endorsed.hints
    assert hints.status is TcbStatus.UP_TO_DATE
    certificate, ca_id, serials = decode(["bytes", "bytes32", "bytes"], endorsed.endorsements)
    assert (certificate, ca_id, serials) == (quote.pck.der, quote.ca.id, b"")


async def test_a_machine_that_the_verifier_keeps_is_not_endorsed_again(bench: Bench) -> None:
    quote = bench.quote()
    pck_id = (await bench.keeper.endorse(quote)).hints[0].machine.pck_id
    for kept, is_kept in (
        (KeptMachine(valid_until=AT, epoch=1), True),
        (KeptMachine(valid_until=AT - 1, epoch=1), False),
        (KeptMachine(valid_until=AT, epoch=2), False),
    ):
        bench.chain.machines = {pck_id: kept}
        assert ((await bench.keeper.endorse(quote)).endorsements == b"") is is_kept


async def test_endorsements_that_do_not_fit_go_by_themselves(bench: Bench) -> None:
    bench.vendor.collateral.revoke_pck(*range(1, MAX_ENDORSEMENTS // 20 + 1))
    endorsed = await bench.keeper.endorse(bench.quote())
    assert bench.submitter.sent == [*EVERYTHING, "add_endorsements"]
    assert endorsed.endorsements == b""


async def test_a_revoked_machine_is_told_so_before_anything_is_paid(bench: Bench) -> None:
    bench.vendor.collateral.revoke_pck()
    with pytest.raises(AppraisalFailed, match=r"the vendor revoked this machine's certificate 0x"):
        await bench.keeper.endorse(bench.quote())


async def test_after_a_recovery_both_numbers_are_kept_the_higher_one_shown_first(
    bench: Bench,
) -> None:
    bench.recover()
    endorsed = await bench.keeper.endorse(bench.quote())
    assert [each.status for each in endorsed.hints] == [
        TcbStatus.OUT_OF_DATE,
        TcbStatus.UP_TO_DATE,
    ]
    assert bench.submitter.sent.count("bring_tcb_info") == 2


async def test_a_policy_without_recovery_needs_the_standard_number_alone(bench: Bench) -> None:
    bench.recover()
    bench.chain.policy = replace(bench.chain.policy, recovery_grace_s=None)
    assert len((await bench.keeper.endorse(bench.quote())).hints) == 1


async def test_documents_are_fetched_again_when_they_are_old_or_the_image_is_another(
    bench: Bench,
) -> None:
    await bench.keeper.endorse(bench.quote())
    bench.time[0] = 59.0
    await bench.keeper.endorse(bench.quote())
    assert bench.source.fetched == 1
    other = bench.quote(measurement=b"\x02" * 48)
    await bench.keeper.endorse(other)
    assert bench.source.fetched == 2
    bench.time[0] += 60.0
    await bench.keeper.endorse(other)
    await bench.keeper.refresh()
    assert bench.source.fetched == 4


async def test_documents_are_fetched_again_when_others_brought_newer_ones(bench: Bench) -> None:
    await bench.keeper.endorse(bench.quote())
    bench.vendor.collateral.recover_tcb(now=NOW)
    bench.source.service.now = NOW + timedelta(minutes=1)
    bench.contract.alter(DocumentKind.NUMBERS, digest=bytes(16), issued_at=AT + 60)
    await bench.keeper.endorse(bench.quote())
    assert bench.source.fetched == 2
    assert bench.submitter.sent.count("bring_tcb_info") == 2


async def test_documents_are_fetched_again_when_they_have_ended(bench: Bench) -> None:
    await bench.keeper.endorse(bench.quote())
    bench.chain.now = AT + 31 * DAY_S
    bench.source.service.now = NOW + timedelta(days=31)
    endorsed = await bench.keeper.endorse(bench.quote())
    assert bench.source.fetched == 2
    assert endorsed.hints[0].status is TcbStatus.UP_TO_DATE


async def test_what_says_the_same_is_renewed_in_time_only(bench: Bench) -> None:
    await bench.keeper.endorse(bench.quote())
    bench.submitter.sent.clear()
    bench.source.service.now = NOW + timedelta(hours=1)
    bench.chain.now = AT + 19 * DAY_S
    await bench.keeper.refresh()
    assert bench.submitter.sent == []
    bench.chain.now = AT + 20 * DAY_S + 1
    await bench.keeper.refresh()
    assert bench.submitter.sent == ["bring_pck_crl", *EVERYTHING[4:]]


async def test_a_source_that_fails_is_said_and_what_is_there_stays(bench: Bench) -> None:
    await bench.keeper.endorse(bench.quote())
    stock = bench.keeper.stock
    bench.source.failure = CollateralUnavailable("no answer")
    with pytest.raises(CollateralUnavailable, match="no answer"):
        await bench.keeper.refresh()
    assert bench.keeper.stock is stock


async def test_a_refused_document_that_is_not_needed_stops_nothing(bench: Bench) -> None:
    refusal = CallReverted("layout", name="IntelJson_Layout")
    bench.submitter.refusals["bring_numbers"] = refusal
    assert len((await bench.keeper.endorse(bench.quote())).hints) == 1
    with pytest.raises(CallReverted, match="layout"):
        await bench.keeper.refresh()


async def test_a_refused_document_that_is_needed_is_the_reason(bench: Bench) -> None:
    refusal = CallReverted("revoked", name="IntelCollateral_Revoked")
    bench.submitter.refusals["bring_pck_crl"] = refusal
    with pytest.raises(CallReverted, match="revoked"):
        await bench.keeper.endorse(bench.quote())


async def test_a_chain_that_does_not_answer_ends_it(bench: Bench) -> None:
    bench.submitter.refusals["bring_root_crl"] = ChainError("no endpoint")
    with pytest.raises(ChainError, match="no endpoint"):
        await bench.keeper.endorse(bench.quote())


@pytest.mark.parametrize(
    "kind", [DocumentKind.PCK_CRL, DocumentKind.TCB_INFO, DocumentKind.QE_IDENTITY]
)
async def test_a_chain_that_has_something_newer_than_the_source_is_named(
    bench: Bench, kind: DocumentKind
) -> None:
    await bench.keeper.endorse(bench.quote())
    bench.contract.alter(kind, digest=bytes(16), issued_at=AT + 60)
    said = f"{kind.value}.*: another one on the chain, which the source does not have"
    with pytest.raises(CollateralUnavailable, match=said):
        await bench.keeper.endorse(bench.quote())


async def test_tables_that_do_not_fit_the_quote_are_refused(bench: Bench) -> None:
    quote = bench.quote()
    other = bytes(len(quote.qe_report))
    with pytest.raises(AppraisalFailed, match="quoting enclave"):
        await bench.keeper.endorse(replace(quote, qe_report=other))


async def test_before_the_first_quote_there_is_nothing_to_refresh(bench: Bench) -> None:
    with pytest.raises(CollateralUnavailable, match="which machine this is"):
        await bench.keeper.refresh()


async def test_a_verifier_without_collateral_is_the_reason(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> FakeCollateral:
        raise CallReverted("collateral: reverted without a reason")

    monkeypatch.setattr(bench.chain, "collateral", refuse)
    with pytest.raises(CallReverted, match="collateral: reverted"):
        await bench.keeper.endorse(bench.quote())


async def test_what_another_node_brought_first_is_as_good(bench: Bench) -> None:
    quote = bench.quote()
    await bench.keeper.endorse(quote)
    late = CallReverted("not newer", name="IntelCollateral_NotNewer")
    bench.submitter.refusals["bring_pck_crl"] = late
    bench.contract.kept = {
        place: kept
        for place, kept in bench.contract.kept.items()
        if place[0] is not DocumentKind.PCK_CRL
    }
    with pytest.raises(CollateralUnavailable, match="PCK CRL: missing"):
        await bench.keeper.endorse(quote)


async def test_a_source_without_the_machines_ca_is_named(bench: Bench) -> None:
    quote = bench.quote()
    await bench.keeper.endorse(quote)
    foreign = SiliconVendor(now=NOW).chain.platform_ca
    other = replace(quote, ca=parse_certificate(foreign.der))
    with pytest.raises(CollateralUnavailable, match="no revocation list of this machine's PCK CA"):
        await bench.keeper.endorse(other)


async def test_the_first_quote_names_the_machine(bench: Bench) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bench.keeper.wait_for_platform()
    await bench.keeper.endorse(bench.quote())
    async with asyncio.timeout(1):
        await bench.keeper.wait_for_platform()
