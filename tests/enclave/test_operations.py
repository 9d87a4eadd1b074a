"""Each operation joins the parts as the wire says."""

import traceback

import pytest
from eth_keys.datatypes import PrivateKey, Signature

from enclave.domain.errors import AttestationError, OracleError, ProtocolError, RequestRefused
from enclave.domain.evidence import RegistrationContext, TeeKind, registration_digest, report_data
from enclave.domain.feed import feed_id
from enclave.domain.report import list_root, pack_entries
from enclave.domain.wire import (
    OPERATIONS,
    PROTOCOL,
    Attest,
    AttestResult,
    Cosign,
    CosignResult,
    Done,
    Health,
    HealthResult,
    Hello,
    HelloResult,
    Load,
    Observe,
    RunRound,
    Shutdown,
    Sign,
    SignedObservation,
    SignResult,
    SourceHealth,
    encode_frame,
    to_map,
)
from enclave.operations import Identity, Operations
from enclave.round import Rounds
from enclave.signer import Signer
from tests.fakes.canary import Canary, search
from tests.fakes.feeds import definition
from tests.fakes.process import (
    FakeAttester,
    FakeMonotonic,
    FixedEntropy,
    MemoryLog,
    make_keys,
)
from tests.fakes.venues import ADAPTERS, NOW, FakeFetcher

BTC = definition()
BTC_ID = feed_id(BTC)
HUB = bytes(range(20))
SOURCE = SourceHealth("a.example", "closed", 1, 0, 0, 0)
ATTEST = Attest(
    chain_id=31337, registry=b"r" * 20, operator=b"o" * 20, ref_block=7, block_hash=b"h" * 32
)


class World:
    """Operations over fakes; sources a, b and c say 100."""

    def __init__(self, seed: str = "seed") -> None:
        self.fetcher = FakeFetcher()
        self.fetcher.say(a="100", b="100", c="100")
        self.clock = FakeMonotonic()
        self.log = MemoryLog()
        self.attester = FakeAttester()
        self.keys = make_keys(seed)
        self.connections = 0
        self.operations = Operations(
            identity=Identity("1.2.3", b"c" * 32, ("fake/1",)),
            keys=self.keys,
            attester=self.attester,
            rounds=Rounds(
                fetcher=self.fetcher, adapters=ADAPTERS, monotonic=self.clock, log=self.log
            ),
            signer=Signer(self.keys),
            monotonic=self.clock,
            connections=lambda: self.connections,
            sources=lambda: (SOURCE,),
            log=self.log,
        )

    async def round(self) -> int:
        return (await self.operations.run_round(RunRound((BTC_ID,)))).round_id

    async def sign(
        self, round_id: int, hub: bytes = HUB, feed_ids: tuple[bytes, ...] = (BTC_ID,)
    ) -> SignResult:
        return await self.operations.sign(
            Sign(round_id=round_id, chain_id=31337, hub=hub, feed_list=(BTC_ID,), feed_ids=feed_ids)
        )

    async def observe(self) -> SignedObservation:
        return await self.operations.observe(Observe(31337, HUB, (BTC_ID,)))

    async def cosign(self, *observations: SignedObservation) -> CosignResult:
        return await self.operations.cosign(
            Cosign(31337, HUB, (BTC_ID,), (BTC_ID,), len(observations), observations)
        )


def recovered(digest: bytes, signature: bytes) -> bytes:
    parity, plain = signature[32] >> 7, bytearray(signature)
    plain[32] &= 0x7F
    public = Signature(bytes(plain) + bytes((parity,))).recover_public_key_from_msg_hash(digest)
    return public.to_canonical_address()


def test_there_is_a_handler_for_every_operation_of_the_wire() -> None:
    assert World().operations.handlers().keys() == OPERATIONS.keys()


async def test_hello_says_who_this_is() -> None:
    world = World()
    assert await world.operations.hello(Hello(PROTOCOL)) == HelloResult(
        protocol=PROTOCOL,
        version="1.2.3",
        signer=world.keys.address,
        hpke_public_key=world.keys.hpke_public_key,
        tee=TeeKind.TDX,
        attester="simulated",
        ca_sha256=b"c" * 32,
        adapters=("fake/1",),
    )


async def test_another_protocol_is_refused() -> None:
    with pytest.raises(RequestRefused, match=f"protocol {PROTOCOL + 1}, wanted {PROTOCOL}"):
        await World().operations.hello(Hello(PROTOCOL + 1))


async def test_evidence_is_over_report_data_that_is_computed_inside() -> None:
    world = World()
    result = await world.operations.attest(ATTEST)
    context = RegistrationContext(31337, b"r" * 20, b"o" * 20, 7, b"h" * 32)
    hpke = world.keys.hpke_public_key
    data = report_data(context, signer=world.keys.address, hpke_public_key=hpke)
    digest = registration_digest(context, hpke_public_key=hpke)
    assert result == AttestResult(
        tee=TeeKind.TDX,
        evidence=b"evidence:" + data,
        report_data=data,
        signature=world.keys.sign_digest(digest),
    )
    assert recovered(digest, result.signature) == world.keys.address
    assert world.log.events == ["evidence_made"]


async def test_a_platform_that_gives_no_evidence_is_an_error() -> None:
    world = World()
    world.attester.error = AttestationError("refused")
    with pytest.raises(AttestationError, match="refused"):
        await world.operations.attest(ATTEST)


async def test_a_malformed_attest_breaks_the_protocol() -> None:
    request = Attest(
        chain_id=1, registry=b"r" * 19, operator=b"o" * 20, ref_block=7, block_hash=b"h" * 32
    )
    with pytest.raises(ProtocolError, match="addresses of 20 bytes"):
        await World().operations.attest(request)


async def test_from_definitions_to_a_signed_report() -> None:
    world = World()
    assert (await world.operations.load(Load((BTC,)))).feed_ids == (BTC_ID,)
    result = await world.sign(await world.round())
    assert (result.observed_at, result.list_root) == (NOW, list_root([BTC_ID]))
    assert world.log.events == ["feeds_loaded", "round_closed", "report_signed"]


async def test_one_round_may_be_signed_for_several_hubs() -> None:
    world = World()
    await world.operations.load(Load((BTC,)))
    round_id = await world.round()
    first = await world.sign(round_id)
    assert (await world.sign(round_id, bytes(20))).signature != first.signature
    assert await world.sign(round_id) == first


async def test_from_definitions_to_a_report_signed_by_three() -> None:
    world = World()
    world.fetcher.say(a="100", b="100", c="100")
    others = [World(seed) for seed in ("two", "three")]
    for other, price in zip(others, ("100.1", "100.2"), strict=True):
        other.fetcher.say(a=price, b=price, c=price)
    observations = []
    for each in (world, *others):
        await each.operations.load(Load((BTC,)))
        await each.round()
        observations.append(await each.observe())
    results = [await each.cosign(*observations) for each in (world, *others)]
    assert {one.entries for result in results for one in result.signed} == {
        pack_entries([(0, 10_010_000_000, 100, 3, 0)])
    }
    assert len({one.signature for result in results for one in result.signed}) == 3
    assert world.log.lines[-1] == {
        "level": "info",
        "event": "report_cosigned",
        "uptime_ms": 0,
        "round": 1,
        "observations": 3,
        "feeds": 1,
        "refused": 0,
    }


async def test_a_refusal_to_cosign_is_an_answer_and_is_logged() -> None:
    world, other = World(), World("two")
    other.fetcher.say(a="120", b="120", c="120")
    for each in (world, other):
        await each.operations.load(Load((BTC,)))
        await each.round()
    result = await world.cosign(await other.observe())
    assert not result.signed
    assert [failure.feed_id for failure in result.refused] == [BTC_ID]
    assert (world.log.events[-1], world.log.lines[-1]["refused"]) == ("cosign_refused", 1)


@pytest.mark.parametrize("age_s", [None, 11])
async def test_without_a_recent_round_nothing_is_observed_or_cosigned(age_s: int | None) -> None:
    other, world = World("two"), World()
    for each in (other, world):
        await each.operations.load(Load((BTC,)))
    await other.round()
    observation = await other.observe()
    if age_s is not None:
        await world.round()
        world.clock.now += age_s
    message = "no round is held" if age_s is None else r"round 1 is 11\.0 s old"
    with pytest.raises(RequestRefused, match=message):
        await world.observe()
    with pytest.raises(RequestRefused, match=message):
        await world.cosign(observation)


async def test_a_cosigned_second_stays_open_for_the_next_round() -> None:
    world = World()
    await world.operations.load(Load((BTC,)))
    await world.round()
    assert (await world.cosign(await world.observe())).signed
    assert (await world.operations.run_round(RunRound((BTC_ID,)))).answers


async def test_an_old_round_is_not_signed() -> None:
    world = World()
    await world.operations.load(Load((BTC,)))
    round_id = await world.round()
    world.clock.now += 11
    with pytest.raises(RequestRefused, match=r"is 11\.0 s old"):
        await world.sign(round_id)


async def test_after_a_report_its_second_gives_no_answer() -> None:
    world = World()
    await world.operations.load(Load((BTC,)))
    await world.sign(await world.round())
    result = await world.operations.run_round(RunRound((BTC_ID,)))
    assert result.failed[0].failure.message.startswith(f"second {NOW} has a report already")


async def test_a_refused_signature_is_no_report() -> None:
    world = World()
    await world.operations.load(Load((BTC,)))
    round_id = await world.round()
    with pytest.raises(RequestRefused, match="none of 1 answers"):
        await world.operations.sign(
            Sign(
                round_id=round_id,
                chain_id=1,
                hub=HUB,
                feed_list=(bytes(32),),
                feed_ids=(BTC_ID,),
            )
        )
    assert (await world.operations.run_round(RunRound((BTC_ID,)))).answers


@pytest.mark.parametrize("feed_ids", [(), (bytes(32),), (BTC_ID, bytes(32)), (BTC_ID, BTC_ID)])
async def test_only_feeds_with_an_answer_are_signed(feed_ids: tuple[bytes, ...]) -> None:
    world = World()
    await world.operations.load(Load((BTC,)))
    round_id = await world.round()
    with pytest.raises(RequestRefused, match="answer"):
        await world.sign(round_id, feed_ids=feed_ids)


async def test_health_counts() -> None:
    world = World()
    await world.operations.load(Load((BTC,)))
    await world.sign(await world.round())
    await world.round()
    world.clock.now += 5.9
    world.connections = 2
    assert await world.operations.health(Health()) == HealthResult(
        uptime_s=5, rounds=2, reports=1, feeds=1, connections=2, sources=(SOURCE,)
    )


async def test_shutdown_is_only_answered() -> None:
    assert await World().operations.shutdown(Shutdown()) == Done()


async def test_no_secret_of_the_enclave_is_in_anything_that_it_says() -> None:
    """Of a whole life: every operation, as it crosses the wire, every refusal, and the log."""
    world, entropy = World(), FixedEntropy()
    secrets = [Canary(name, entropy(32)) for name in ("signing key", "HPKE key")]
    planted = PrivateKey(secrets[0].secret).public_key.to_canonical_address()
    assert planted == world.keys.address
    said: list[bytes] = []

    async def ask(operation: str, request: object) -> None:
        handler = world.operations.handlers()[operation]
        try:
            said.append(encode_frame({"id": 1, "ok": to_map(await handler(request))}))
        except OracleError as error:
            said.append("".join(traceback.format_exception(error)).encode())

    await ask("hello", Hello(PROTOCOL))
    await ask("hello", Hello(PROTOCOL + 1))
    await ask("attest", ATTEST)
    world.attester.error = AttestationError("no evidence")
    await ask("attest", ATTEST)
    await ask("load", Load((BTC,)))
    await ask("load", Load((b"{",)))
    await ask("round", RunRound((BTC_ID,)))
    observation = await world.observe()
    await ask("observe", Observe(31337, HUB, (BTC_ID,)))
    for observers in ((observation,), (observation, observation)):
        await ask("cosign", Cosign(31337, HUB, (BTC_ID,), (BTC_ID,), 1, observers))
    for round_id in (1, 2):
        await ask("sign", Sign(round_id, 31337, HUB, (BTC_ID,), (BTC_ID,)))
    await ask("health", Health())
    await ask("shutdown", Shutdown())
    seen = b"\n".join(said) + world.log.stream.getvalue().encode() + repr(world.keys).encode()
    assert len(said) == 14
    assert search(seen, secrets) == []
    for secret in secrets:
        assert search(seen + secret.secret, [secret])
        assert search(seen + secret.secret.hex().encode(), [secret])
