"""Registration against contracts in memory and quotes of the emulated vendor."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from enclave.domain import wire
from enclave.domain.errors import AppraisalFailed, AttestationError, ChainError, MalformedEvidence
from enclave.domain.evidence import RegistrationContext, TeeKind, report_data
from oracle.attestation.codecs.dcap import DcapQuote
from oracle.attestation.codecs.dcap_hints import DcapHints
from oracle.attestation.codecs.pck import parse_machine
from oracle.attestation.codecs.tcb_tables import TcbStatus
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.chain.base import CallReverted, Seat
from oracle.chain.life import LifeCause
from oracle.collateral.keeper import Endorsed
from oracle.config import checksum_address
from oracle.devnet.silicon.vendor import SiliconVendor
from oracle.registration import (
    Identity,
    Registrar,
    SignerRevoked,
    SignerSuspended,
    renewal_margin_s,
)
from tests.fakes.fake_chain import OPERATOR, FakeChain, FakeSubmitter

CHAIN_ID = 31_337
REGISTRY = checksum_address("0x" + "bb" * 20)
ME = Identity(b"\x11" * 20, b"\x22" * 32)
OTHER = checksum_address("0x" + "99" * 20)
VENDOR = SiliconVendor(now=datetime.now(UTC))


@dataclass
class FakeEnclave:
    """Attests with the emulated vendor; `lies` replaces the signer in the report data."""

    asked: list[wire.Attest] = field(default_factory=list)
    lies: bytes | None = None
    garbage: bool = False

    async def attest(self, request: wire.Attest) -> wire.AttestResult:
        self.asked.append(request)
        context = RegistrationContext(
            request.chain_id,
            request.registry,
            request.operator,
            request.ref_block,
            request.block_hash,
        )
        data = report_data(context, signer=self.lies or ME.signer, hpke_public_key=b"\x22" * 32)
        quote = VENDOR.quote(TeeKind.TDX, measurement=b"\x01" * 48, report_data=data)
        return wire.AttestResult(2, b"junk" if self.garbage else quote, data, b"\x33" * 64)


@dataclass
class FakeEvidence:
    """Plays `EvidenceJournal`."""

    kept: list[str] = field(default_factory=list)

    async def add_evidence(
        self, *, chain_id: int, registry: str, signer: str, ref_block: int, evidence: bytes
    ) -> None:
        self.kept.append(signer)

    async def has_signer(self, *, chain_id: int, registry: str, signer: str) -> bool:
        return signer in self.kept


@dataclass
class FakeEndorser:
    """Plays `Endorser`.

    Attributes:
        numbers: Of the hints that it gives, the highest first.
        failure: Raised instead.
    """

    numbers: tuple[int, ...] = (17,)
    endorsements: bytes = b"endorsed"
    failure: Exception | None = None
    asked: int = 0

    async def endorse(self, quote: DcapQuote) -> Endorsed:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        machine = parse_machine(quote.pck.parsed, ca_id=quote.ca.id)
        hints = [
            DcapHints(bytes((number,)), machine, TcbStatus.UP_TO_DATE, ())
            for number in self.numbers
        ]
        return Endorsed(tuple(hints), self.endorsements)


@dataclass
class World:
    chain: FakeChain
    submitter: FakeSubmitter
    enclave: FakeEnclave
    journal: FakeEvidence
    endorser: FakeEndorser
    registrar: Registrar


@pytest.fixture
def world() -> World:
    chain = FakeChain()
    submitter, journal, endorser = FakeSubmitter(chain), FakeEvidence(), FakeEndorser()
    registrar = Registrar(chain, submitter, journal, endorser, chain_id=CHAIN_ID, registry=REGISTRY)
    return World(chain, submitter, FakeEnclave(), journal, endorser, registrar)


async def test_a_new_signer_is_registered_seated_and_brought_to_the_hub(world: World) -> None:
    standing = await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent == ["register", "take", "rebuild"]
    assert standing.status.is_valid
    assert standing.position == 7
    assert world.journal.kept == [ME.address]


async def test_doing_it_again_sends_nothing(world: World) -> None:
    first = await world.registrar.ensure(ME, world.enclave)
    world.submitter.sent.clear()
    assert await world.registrar.ensure(ME, world.enclave) == first
    assert world.submitter.sent == []


async def test_an_interruption_after_any_step_is_made_good_by_the_next_call(world: World) -> None:
    for purpose in ("register", "take", "rebuild"):
        world.submitter.refusals[purpose] = [ChainError("cut")]
        with pytest.raises(ChainError, match="cut"):
            await world.registrar.ensure(ME, world.enclave)
    assert (await world.registrar.ensure(ME, world.enclave)).status.is_valid
    assert not world.chain.is_stale


async def test_the_evidence_is_bound_to_chain_registry_operator_and_a_past_block(
    world: World,
) -> None:
    await world.registrar.ensure(ME, world.enclave)
    [asked] = world.enclave.asked
    assert asked == wire.Attest(
        CHAIN_ID, b"\xbb" * 20, b"\xaa" * 20, world.chain.number - 1, b"\x02" * 32
    )
    [sent] = world.chain.registrations
    assert (sent.signer, sent.operator, sent.ref_block) == (ME.signer, OPERATOR, 9)


async def test_the_chain_gets_the_quote_without_its_certificates(world: World) -> None:
    await world.registrar.ensure(ME, world.enclave)
    [sent] = world.chain.registrations
    assert b"CERTIFICATE" not in sent.evidence
    assert (sent.hints, sent.endorsements) == (b"\x11", b"endorsed")


def _refused(name: str) -> CallReverted:
    return CallReverted(f"register refused: {name}", name=name)


async def test_the_highest_number_that_the_policy_accepts_is_shown(world: World) -> None:
    world.endorser.numbers = (19, 18, 17)
    world.submitter.refusals["register"] = [_refused("ImagePolicy_StatusNotAccepted")]
    await world.registrar.ensure(ME, world.enclave)
    assert [each.hints for each in world.chain.registrations] == [b"\x13", b"\x12", b"\x11"]
    assert world.submitter.sent.count("register") == 2
    assert len(world.enclave.asked) == 1


async def test_the_refusal_under_the_lowest_number_is_the_reason(world: World) -> None:
    world.endorser.numbers = (18, 17)
    names = ("ImagePolicy_StatusNotAccepted", "ImagePolicy_RecoveryGraceOver")
    world.submitter.refusals["register"] = [_refused(name) for name in names]
    with pytest.raises(CallReverted, match="ImagePolicy_RecoveryGraceOver"):
        await world.registrar.ensure(ME, world.enclave)


async def test_what_no_other_number_would_mend_is_not_tried_again(world: World) -> None:
    world.endorser.numbers = (18, 17)
    world.submitter.refusals["register"] = [_refused("AttestationRegistry_HighS")]
    with pytest.raises(CallReverted, match="HighS"):
        await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent == ["register"]


async def test_without_collateral_nothing_is_sent_and_the_evidence_is_kept(world: World) -> None:
    world.endorser.failure = CollateralUnavailable("no answer")
    with pytest.raises(CollateralUnavailable, match="no answer"):
        await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent == []
    assert world.journal.kept == [ME.address]


async def _suspend(world: World) -> None:
    standing = await world.registrar.ensure(ME, world.enclave)
    world.chain.signers[ME.signer] = replace(
        standing.status, is_valid=False, cause=LifeCause.APPRAISAL
    )
    world.submitter.sent.clear()


async def test_a_suspended_signer_is_renewed_as_soon_as_it_is_accepted(world: World) -> None:
    await _suspend(world)
    assert (await world.registrar.ensure(ME, world.enclave)).status.is_valid
    assert world.submitter.sent[0] == "register"


@pytest.mark.parametrize(
    "failure", [_refused("ImagePolicy_StatusNotAccepted"), AppraisalFailed("no level is met")]
)
async def test_a_suspended_signer_says_what_to_do(world: World, failure: Exception) -> None:
    await _suspend(world)
    if isinstance(failure, CallReverted):
        world.submitter.refusals["register"] = [failure]
    else:
        world.endorser.failure = failure
    with pytest.raises(SignerSuspended, match="update this machine") as caught:
        await world.registrar.ensure(ME, world.enclave)
    assert str(failure) in str(caught.value)
    assert ME.address in str(caught.value)


async def test_an_endpoint_that_is_down_is_no_suspension(world: World) -> None:
    await _suspend(world)
    world.submitter.refusals["register"] = [ChainError("no endpoint")]
    with pytest.raises(ChainError, match="no endpoint"):
        await world.registrar.ensure(ME, world.enclave)


async def test_a_wish_renews_what_is_not_due(world: World) -> None:
    await world.registrar.ensure(ME, world.enclave)
    world.submitter.sent.clear()
    world.chain.now += 5
    receipt = await world.registrar.register(ME, world.enclave)
    assert (world.submitter.sent, receipt.gas_used) == (["register"], 84_000)
    status = world.chain.signers[ME.signer]
    assert status.registered_at == world.chain.now
    world.chain.signers[ME.signer] = replace(status, is_revoked=True, is_valid=False)
    with pytest.raises(SignerRevoked):
        await world.registrar.register(ME, world.enclave)


async def test_evidence_of_another_signer_costs_no_gas(world: World) -> None:
    world.enclave.lies = b"\x12" * 20
    with pytest.raises(AppraisalFailed, match=r"report data .*, wanted "):
        await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent == []


async def test_bytes_that_are_no_quote_cost_no_gas(world: World) -> None:
    world.enclave.garbage = True
    with pytest.raises(MalformedEvidence):
        await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent == []


async def test_a_registration_near_its_end_is_renewed_and_the_hub_rebuilt(world: World) -> None:
    await world.registrar.ensure(ME, world.enclave)
    world.submitter.sent.clear()
    world.chain.now += 86_400 - 3_600
    await world.registrar.ensure(ME, world.enclave, renew_before_s=3_599)
    assert world.submitter.sent == []
    renewed = await world.registrar.ensure(ME, world.enclave, renew_before_s=3_601)
    assert "register" in world.submitter.sent
    assert world.submitter.sent[-1] == "rebuild"
    assert renewed.status.expires_at == world.chain.now + 86_400


async def test_a_revoked_signer_is_never_registered_again(world: World) -> None:
    standing = await world.registrar.ensure(ME, world.enclave)
    status = replace(standing.status, is_revoked=True, is_valid=False)
    world.chain.signers[ME.signer] = status
    world.submitter.sent.clear()
    with pytest.raises(SignerRevoked, match="it needs a new key"):
        await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent == []
    assert issubclass(SignerRevoked, AttestationError)


async def test_an_operator_without_a_seat_is_told_who_must_act(world: World) -> None:
    world.chain.seated = None
    with pytest.raises(CallReverted, match=f"{OPERATOR} has no seat: governance must add one"):
        await world.registrar.ensure(ME, world.enclave)


async def test_another_error_of_the_seat_is_passed_on(world: World) -> None:
    world.chain.seat_error = CallReverted("seatOf: reverted", name="")
    with pytest.raises(CallReverted, match="seatOf: reverted"):
        await world.registrar.ensure(ME, world.enclave)


def _too_soon() -> CallReverted:
    return CallReverted("take refused: SignerSet_TooSoon(1, 2)", name="SignerSet_TooSoon")


async def test_a_dead_signer_of_this_host_that_blocks_the_seat_is_revoked(world: World) -> None:
    world.journal.kept.append(OTHER)
    world.chain.seated = Seat(3, (OTHER, None), 0, 5)
    world.submitter.refusals["take"] = [_too_soon()]
    standing = await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent[-4:] == ["take", "revoke", "take", "rebuild"]
    assert world.chain.signers[b"\x99" * 20].is_revoked
    assert standing.position == 7


async def test_a_signer_of_this_host_whose_enclave_runs_is_never_revoked(world: World) -> None:
    world.journal.kept.append(OTHER)
    world.chain.seated = Seat(3, (OTHER, None), 0, 5)
    world.submitter.refusals["take"] = [_too_soon()]
    with pytest.raises(CallReverted, match="SignerSet_TooSoon"):
        await world.registrar.ensure(ME, world.enclave, living=(OTHER,))
    assert "revoke" not in world.submitter.sent


async def test_the_signer_of_another_host_is_left_alone(world: World) -> None:
    world.chain.seated = Seat(3, (OTHER, None), 0, 5)
    world.submitter.refusals["take"] = [_too_soon()]
    with pytest.raises(CallReverted, match="SignerSet_TooSoon"):
        await world.registrar.ensure(ME, world.enclave)
    assert "revoke" not in world.submitter.sent


async def test_another_refusal_of_the_seat_revokes_nobody(world: World) -> None:
    world.journal.kept.append(OTHER)
    world.chain.seated = Seat(3, (OTHER, None), 0, 5)
    refusal = CallReverted(
        "take refused: SignerSet_ForeignSigner()", name="SignerSet_ForeignSigner"
    )
    world.submitter.refusals["take"] = [refusal]
    with pytest.raises(CallReverted, match="ForeignSigner"):
        await world.registrar.ensure(ME, world.enclave)
    assert "revoke" not in world.submitter.sent


async def test_a_seat_that_does_not_hold_the_signer_afterwards_is_an_error(world: World) -> None:
    world.chain.is_seat_stuck = True
    with pytest.raises(ChainError, match="is not in seat 3"):
        await world.registrar.ensure(ME, world.enclave)


async def test_a_chain_without_a_past_block_is_waited_for(world: World) -> None:
    world.chain.number = 0
    with pytest.raises(ChainError, match="no block yet"):
        await world.registrar.ensure(ME, world.enclave)


async def test_a_hub_that_someone_cleared_is_rebuilt(world: World) -> None:
    await world.registrar.ensure(ME, world.enclave)
    world.chain.is_stale = True
    world.submitter.sent.clear()
    await world.registrar.ensure(ME, world.enclave)
    assert world.submitter.sent == ["rebuild"]


@pytest.mark.parametrize(
    ("purpose", "name"),
    [
        ("rebuild", "FeedHub_NothingToRebuild"),
        ("rebuild", ""),
    ],
)
async def test_what_another_node_did_first_is_as_good(
    world: World, purpose: str, name: str
) -> None:
    world.submitter.overtaken[purpose] = CallReverted("too late", name=name)
    assert (await world.registrar.ensure(ME, world.enclave)).position == 7
    assert world.submitter.overtaken == {}
    assert not world.chain.is_stale


async def test_a_rebuild_that_stands_in_the_block_to_come_is_as_good(world: World) -> None:
    late = CallReverted("rebuild refused", name="FeedHub_NothingToRebuild")
    world.submitter.refusals["rebuild"] = [late]
    assert (await world.registrar.ensure(ME, world.enclave)).position == 7
    assert world.chain.is_stale


async def test_what_nobody_did_and_is_refused_is_a_failure(world: World) -> None:
    world.submitter.refusals["rebuild"] = [CallReverted("no", name="FeedHub_BadSignerSet")]
    with pytest.raises(CallReverted, match="no"):
        await world.registrar.ensure(ME, world.enclave)


def test_the_margin_of_a_short_registration_is_a_third_of_its_life() -> None:
    assert renewal_margin_s(registered_at=0, expires_at=900, wanted_s=21_600) == 300
    assert renewal_margin_s(registered_at=0, expires_at=604_800, wanted_s=21_600) == 21_600
    assert renewal_margin_s(registered_at=9, expires_at=0, wanted_s=21_600) == 0


async def test_evidence_names_the_operator_whoever_pays(world: World) -> None:
    registrar = Registrar(
        world.chain,
        world.submitter,
        world.journal,
        world.endorser,
        chain_id=CHAIN_ID,
        registry=REGISTRY,
        operator=OTHER,
    )
    await registrar.register(ME, world.enclave)
    [asked] = world.enclave.asked
    [sent] = world.chain.registrations
    assert (asked.operator, sent.operator) == (b"\x99" * 20, OTHER)
