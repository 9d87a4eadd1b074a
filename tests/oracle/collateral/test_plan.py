"""What is due, for every state that a chain can be in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.tcb_tables import EvaluationNumber, EvaluationNumbers
from oracle.attestation.endorsements.documents import Document, DocumentKind
from oracle.attestation.endorsements.pcs import fetch_collateral
from oracle.chain.base import Image
from oracle.chain.collateral import NOTHING, Kept
from oracle.collateral.plan import ALWAYS, ChainState, plan, wanted_numbers
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import AT, NOW, FakeService, machine

DAY = timedelta(days=1)
DAY_S = 86_400


@pytest.fixture(scope="module")
def vendor() -> SiliconVendor:
    return SiliconVendor(now=NOW)


async def documents_of(vendor: SiliconVendor, days: float = 0) -> tuple[Document, ...]:
    service = FakeService(vendor, now=NOW + days * DAY)
    return await fetch_collateral(service, "https://x", machine(vendor), lambda *_: ())


def kept(document: Document, epoch: int = 1) -> Kept:
    number = document.number or 0
    has_date = document.kind not in (DocumentKind.SIGNER, DocumentKind.PCK_CA)
    issued_at = document.issued_at if has_date else 0
    return Kept(document.digest, number, issued_at, document.ends_at, epoch)


def chain_of(documents: tuple[Document, ...], *, epoch: int = 1, days: float = 0) -> ChainState:
    """A chain to which all of it was brought."""
    return ChainState(
        now=AT + int(days * DAY_S),
        root_crl=kept(documents[0], epoch),
        kept={each.place: kept(each, epoch) for each in documents},
        revoked=frozenset(),
    )


def kinds(documents: tuple[Document, ...]) -> list[DocumentKind]:
    return [each.kind for each in documents]


async def test_an_empty_chain_lacks_everything_in_order(vendor: SiliconVendor) -> None:
    found = await documents_of(vendor)
    state = ChainState(AT, NOTHING, {}, frozenset())
    assert plan(found, state) == found
    assert {state.fault(each) for each in found} == {"missing"}


async def test_a_chain_that_has_everything_lacks_nothing(vendor: SiliconVendor) -> None:
    found = await documents_of(vendor)
    state = chain_of(found)
    assert plan(found, state) == ()
    assert {state.fault(each) for each in found} == {""}


async def test_what_is_newer_replaces_what_is_older(vendor: SiliconVendor) -> None:
    old, new = await documents_of(vendor), await documents_of(vendor, days=1)
    due = plan(new, chain_of(old, days=1))
    assert kinds(due) == [
        kind for kind in DocumentKind if kind not in (DocumentKind.SIGNER, DocumentKind.PCK_CA)
    ]
    assert plan(old, chain_of(new, days=1)) == ()


async def test_what_says_the_same_waits_until_the_other_one_ends(vendor: SiliconVendor) -> None:
    old, new = await documents_of(vendor), await documents_of(vendor, days=0.25)
    state = chain_of(old, days=0.25)
    assert plan(new, state, until=AT + 30 * DAY_S) == ()
    due = plan(new, state, until=AT + 30 * DAY_S + 1)
    # The root's list lives longer.
    assert DocumentKind.ROOT_CRL not in kinds(due)
    assert DocumentKind.TCB_INFO in kinds(due)


async def test_what_says_something_else_does_not_wait(vendor: SiliconVendor) -> None:
    old, new = await documents_of(vendor), await documents_of(vendor, days=0.25)
    state = chain_of(old, days=0.25)
    info = next(each for each in old if each.kind is DocumentKind.TCB_INFO)
    other = replace(state.of(info), digest=bytes(16))
    state = replace(state, kept={**state.kept, info.place: other})
    assert kinds(plan(new, state, until=0)) == [DocumentKind.TCB_INFO]


async def test_what_ended_is_named_and_not_brought(vendor: SiliconVendor) -> None:
    old = await documents_of(vendor)
    state = chain_of(old, days=31)
    faults = {each.kind: state.fault(each) for each in old}
    assert faults[DocumentKind.TCB_INFO] == faults[DocumentKind.PCK_CRL] == "ended"
    assert faults[DocumentKind.ROOT_CRL] == faults[DocumentKind.PCK_CA] == ""
    assert plan(old, state) == ()
    assert plan(old, ChainState(state.now, NOTHING, {}, frozenset()))[0] is old[0]
    new = await documents_of(vendor, days=31)
    assert DocumentKind.TCB_INFO in kinds(plan(new, state, until=0))


async def test_a_root_list_with_news_has_everything_verified_again() -> None:
    vendor = SiliconVendor(now=NOW)
    old = await documents_of(vendor)
    vendor.collateral.revoke_by_root(77)
    new = await documents_of(vendor, days=1)
    state = chain_of(old, days=1)
    assert plan(new, state, until=0) == new
    # Another one brought that list: the chain is in the next epoch, the rest is not.
    root = kept(new[0], epoch=2)
    later = replace(state, root_crl=root, kept={**state.kept, new[0].place: root})
    later = replace(later, revoked=frozenset({77}))
    assert plan(new, later, until=0) == new[1:]
    assert later.fault(new[1]) == "verified before a revocation by the root"
    assert plan(new, chain_of(new, epoch=2, days=1)) == ()


async def test_a_root_list_without_news_begins_no_epoch() -> None:
    vendor = SiliconVendor(now=NOW)
    vendor.collateral.revoke_by_root(77)
    old, new = await documents_of(vendor), await documents_of(vendor, days=1)
    state = replace(chain_of(old, days=1), revoked=frozenset({77}))
    assert DocumentKind.SIGNER not in kinds(plan(new, state, until=ALWAYS))


async def test_an_older_document_is_not_verified_again(vendor: SiliconVendor) -> None:
    old, new = await documents_of(vendor), await documents_of(vendor, days=1)
    state = replace(chain_of(new, days=1), root_crl=kept(new[0], epoch=2))
    assert kinds(plan(old, state)) == [DocumentKind.SIGNER, DocumentKind.PCK_CA]
    assert kinds(plan(new, state)) == list(DocumentKind)[1:]


def _table(*entries: tuple[int, int]) -> EvaluationNumbers:
    numbers = tuple(EvaluationNumber(number, at, at) for number, at in entries)
    return EvaluationNumbers(TeeKind.TDX, 0, 0, numbers)


#: Number 18 became public at 1,000, 19 at 2,000.
THREE = _table((19, 2_000), (18, 1_000), (17, 0))


@pytest.mark.parametrize(
    ("now", "standard", "minimum", "wanted"),
    [
        # 17 is taken until 1,100, 18 until 2,100; a registration lives 500.
        (500, 17, 0, {17}),
        (601, 17, 0, {17, 18}),
        (1_099, 17, 0, {17, 18}),
        (1_100, 17, 0, {17, 18}),
        (1_600, 17, 0, {17, 18, 19}),
        (2_100, 17, 0, {17, 19}),
        (500, 18, 0, {18}),
        (500, 17, 18, {17, 18}),
        (500, 17, 20, {17, 20}),
        (500, 20, 0, {20}),
    ],
)
def test_the_numbers_that_policy_and_life_need_are_wanted(
    now: int, standard: int, minimum: int, wanted: set[int]
) -> None:
    image = Image(500, True, min_number=minimum, recovery_grace_s=100)
    assert wanted_numbers(THREE, standard, image, now=now) == wanted


def test_without_a_table_or_a_rule_about_recoveries_the_standard_number_does() -> None:
    image = Image(500, True, min_number=17, recovery_grace_s=None)
    assert wanted_numbers(THREE, 17, image, now=9_000) == {17}
    assert wanted_numbers(None, 17, replace(image, recovery_grace_s=5), now=9_000) == {17}
    assert wanted_numbers(None, 17, replace(image, min_number=18), now=9_000) == {17, 18}
