"""The standing of one enclave's signer: kept, renewed, lost, reported."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from enclave.domain import wire
from enclave.domain.errors import AppraisalFailed, ChainError, ConfigError
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.chain.life import LifeCause
from oracle.daemon.chain_view import ChainView
from oracle.daemon.events import Event, SignerReady
from oracle.daemon.problems import Problems
from oracle.daemon.session import Standings, load_feeds, note_enclave
from oracle.daemon.tasks import leading_error, run_together
from oracle.enclave_link import EnclaveClient, EnclaveLost
from oracle.enclave_process import Enclave
from oracle.feeds.catalogue import load_catalogue
from oracle.registration import Registrar, SignerRevoked, SignerSuspended, Standing
from oracle.telemetry.state import ChainState, NodeState
from tests.fakes.fake_chain import FakeChain, signer_status

HELLO = wire.HelloResult(
    1, "0.1.0", b"\x11" * 20, b"\x22" * 32, 2, "simulated", bytes(32), ("a/1",)
)
FEED = load_catalogue()["btc-usd"]


def _standing(expires_at: int = 9_000, **changes: Any) -> Standing:
    return Standing(signer_status(expires_at=expires_at, **changes), 7)


@dataclass
class FakeRegistrar:
    """Plays `Registrar`: gives or raises one outcome after the other, the last one again."""

    outcomes: list[Standing | Exception]
    margins: list[float] = field(default_factory=list)

    async def ensure(self, *_: Any, renew_before_s: float = 0.0) -> Standing:
        self.margins.append(renew_before_s)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass
class FakeLoader:
    """Plays the client's `load`."""

    ids: tuple[bytes, ...]

    async def load(self, _: Any) -> tuple[bytes, ...]:
        return self.ids


@dataclass
class Bench:
    standings: Standings
    registrar: FakeRegistrar
    state: ChainState
    node: NodeState
    events: list[Event]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Keep the standing until a condition holds."""
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self.standings.keep())
            while not condition():
                await asyncio.sleep(0.001)
            keeping.cancel()


def _enclave(client: Any = None) -> Enclave:
    return Enclave(cast(EnclaveClient, client), HELLO, 1, True, "unix:/none")


def _bench(*outcomes: Standing | Exception, is_only_chain: bool = True) -> Bench:
    state = ChainState("here", is_dry_run=False)
    node = NodeState(started_at=0, chains=(state,))
    problems = Problems(state)
    events: list[Event] = []
    registrar = FakeRegistrar(list(outcomes))
    view = ChainView(FakeChain(), state, problems, account="", low_balance_wei=0)
    enclave = _enclave()
    note_enclave(node, enclave)
    standings = Standings(
        enclave,
        cast(Registrar, registrar),
        view=view,
        state=state,
        problems=problems,
        observer=events.append,
        starts=1,
        is_only_chain=is_only_chain,
        renew_before_s=1_000,
        clock=lambda: 3_000.0,
        retry_s=0.001,
    )
    return Bench(standings, registrar, state, node, events)


def test_a_new_enclave_is_noted_and_not_yet_accepted() -> None:
    bench = _bench(_standing())
    assert bench.node.enclave_starts == 1
    assert bench.node.signer.tee == "TDX"
    assert not bench.state.is_accepted


async def test_an_accepted_signer_is_said_once_and_shown() -> None:
    bench = _bench(_standing())
    await bench.until(lambda: bench.state.is_accepted)
    [ready] = bench.events
    assert isinstance(ready, SignerReady)
    assert (ready.standing, ready.starts) == (_standing(), 1)
    assert bench.state.standing.tier == "DEV"
    assert bench.state.standing.position == 7
    assert bench.state.standing.expires_at == 9_000


async def test_what_ends_the_registration_is_shown() -> None:
    bench = _bench(_standing(cause=LifeCause.COLLATERAL))
    await bench.until(lambda: bench.state.is_accepted)
    assert bench.state.standing.limited_by == "collateral"


async def test_a_suspended_signer_is_not_accepted_and_comes_back() -> None:
    suspended = SignerSuspended("signer 0x1 is suspended: status 5, wanted 1; update")
    bench = _bench(_standing(), suspended, suspended, _standing())
    await bench.until(lambda: bench.state.is_accepted)
    bench.standings.recheck()
    await bench.until(lambda: "registration" in bench.state.problems)
    assert not bench.state.is_accepted
    assert bench.standings.now is None
    assert bench.state.problems["registration"] == str(suspended)
    await bench.until(lambda: bench.state.is_accepted)
    assert bench.state.problems == {}
    assert len(bench.events) == 2


async def test_a_signer_that_ended_is_accepted_no_more() -> None:
    bench = _bench(_standing(expires_at=3_000), CollateralUnavailable("no answer"))
    await bench.until(lambda: bench.state.is_accepted)
    await bench.until(lambda: "registration" in bench.state.problems)
    assert not bench.state.is_accepted


@pytest.mark.parametrize(
    "error",
    [
        ChainError("endpoint down"),
        AppraisalFailed("image 0x1 is not approved"),
        CollateralUnavailable("the service does not answer"),
    ],
)
async def test_a_refusal_is_a_problem_in_one_line_until_it_heals(error: Exception) -> None:
    bench = _bench(error, error, _standing())
    await bench.until(lambda: "registration" in bench.state.problems)
    assert bench.state.problems["registration"] == str(error)
    assert not bench.state.is_accepted
    await bench.until(lambda: bench.state.is_accepted)
    assert bench.state.problems == {}


async def test_a_later_failure_keeps_the_signer_that_is_still_accepted() -> None:
    bench = _bench(_standing(), ChainError("endpoint down"))
    await bench.until(lambda: bench.state.is_accepted)
    await bench.until(lambda: "registration" in bench.state.problems)
    assert bench.state.is_accepted
    assert bench.standings.now == _standing()


async def test_a_revoked_signer_ends_the_enclave() -> None:
    bench = _bench(SignerRevoked("signer 0x1 was revoked"))
    with pytest.raises(EnclaveLost, match="was revoked"):
        await bench.standings.keep()


async def test_a_signer_revoked_on_one_of_several_chains_goes_on_for_the_others() -> None:
    revoked = SignerRevoked("signer 0x1 was revoked; it needs a new key")
    bench = _bench(_standing(), revoked, revoked, _standing(), is_only_chain=False)
    await bench.until(lambda: bench.state.is_accepted)
    bench.standings.recheck()
    await bench.until(lambda: "registration" in bench.state.problems)
    assert bench.state.problems["registration"] == f"{revoked}: `oracle rotate` makes one"
    assert (bench.standings.now, bench.state.is_accepted) == (None, False)
    await bench.until(lambda: bench.state.is_accepted)
    assert bench.state.problems == {}


async def test_the_renewal_margin_is_bounded_by_the_life_of_the_registration() -> None:
    bench = _bench(_standing(expires_at=3_900))
    await bench.until(lambda: bench.state.is_accepted)
    bench.standings.recheck()
    await bench.until(lambda: len(bench.registrar.margins) >= 2)
    assert bench.registrar.margins[:2] == [0.0, 300.0]


async def test_a_recheck_does_not_wait_for_the_next_turn() -> None:
    bench = _bench(_standing(), _standing(), _standing(expires_at=10_000))

    async def nudge() -> None:
        while len(bench.registrar.margins) < 3:
            bench.standings.recheck()
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(nudge())
        await bench.until(lambda: len(bench.registrar.margins) >= 3)
    assert len(bench.events) == 2


async def test_the_enclave_must_compute_the_same_feed_ids() -> None:
    await load_feeds(cast(EnclaveClient, FakeLoader((FEED.feed_id,))), [FEED])
    with pytest.raises(ConfigError, match="differ in version"):
        await load_feeds(cast(EnclaveClient, FakeLoader((bytes(32),))), [FEED])


async def test_running_together_raises_the_one_error_and_cancels_the_rest() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    async def failing() -> None:
        raise ConfigError("wrong")

    with pytest.raises(ConfigError, match="wrong"):
        await run_together(forever(), failing())
    assert ended == ["cancelled"]


def test_a_lost_enclave_leads_because_the_rest_follows_from_it() -> None:
    inner = ExceptionGroup("inner", [ChainError("b"), EnclaveLost("c")])
    assert str(leading_error(ExceptionGroup("outer", [ChainError("a"), inner]))) == "c"
    assert str(leading_error(ExceptionGroup("outer", [ChainError("a"), ChainError("b")]))) == "a"
