"""What the host may ask: one method for each operation of `enclave.domain.wire`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from enclave.attesters.base import Attester
from enclave.cosign import Cosigner
from enclave.domain.errors import RequestRefused
from enclave.domain.evidence import RegistrationContext, registration_digest, report_data
from enclave.domain.wire import (
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
    LoadResult,
    Observe,
    RoundResult,
    RunRound,
    Shutdown,
    Sign,
    SignedObservation,
    SignResult,
    SourceHealth,
)
from enclave.keys import Keys
from enclave.log import Log
from enclave.round import Rounds
from enclave.signer import Signer

Handler = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same from start to end.

    Attributes:
        version: Of the enclave's code.
        ca_sha256: Of the measured CA bundle, 32 bytes.
        adapters: Versioned source adapters, sorted.
    """

    version: str
    ca_sha256: bytes
    adapters: tuple[str, ...]


class Operations:
    """Joins keys, attester, rounds and signer; holds no state of its own.

    Args:
        identity: For hello.
        keys: Of this start.
        attester: Picked by the composition root.
        rounds: Holds the last round.
        signer: Holds the monotonic rule.
        monotonic: Seconds that only grow.
        connections: Counts the host's connections since start.
        sources: How each host of sources is doing.
        log: Gets one line for each evidence and report.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        keys: Keys,
        attester: Attester,
        rounds: Rounds,
        signer: Signer,
        monotonic: Callable[[], float],
        connections: Callable[[], int],
        sources: Callable[[], tuple[SourceHealth, ...]],
        log: Log,
    ) -> None:
        self._identity = identity
        self._keys = keys
        self._attester = attester
        self._rounds = rounds
        self._signer = signer
        self._cosigner = Cosigner(keys, signer)
        self._monotonic = monotonic
        self._started = monotonic()
        self._connections = connections
        self._sources = sources
        self._log = log

    def handlers(self) -> Mapping[str, Handler]:
        """Operation name to method."""
        return {
            "hello": self.hello,
            "attest": self.attest,
            "load": self.load,
            "round": self.run_round,
            "sign": self.sign,
            "observe": self.observe,
            "cosign": self.cosign,
            "health": self.health,
            "shutdown": self.shutdown,
        }

    async def hello(self, request: Hello) -> HelloResult:
        """Say who this is.

        Raises:
            RequestRefused: The host speaks another protocol.
        """
        if request.protocol != PROTOCOL:
            raise RequestRefused(f"protocol {request.protocol}, wanted {PROTOCOL}")
        return HelloResult(
            protocol=PROTOCOL,
            version=self._identity.version,
            signer=self._keys.address,
            hpke_public_key=self._keys.hpke_public_key,
            tee=int(self._attester.tee),
            attester=self._attester.name,
            ca_sha256=self._identity.ca_sha256,
            adapters=self._identity.adapters,
        )

    async def attest(self, request: Attest) -> AttestResult:
        """Evidence over report data that is computed here, and the signer's consent.

        Raises:
            AttestationError: The platform gives no evidence.
            ProtocolError: A length or range of the request is wrong.
        """
        context = RegistrationContext(
            chain_id=request.chain_id,
            registry=request.registry,
            operator=request.operator,
            ref_block=request.ref_block,
            block_hash=request.block_hash,
        )
        hpke_public_key = self._keys.hpke_public_key
        data = report_data(context, signer=self._keys.address, hpke_public_key=hpke_public_key)
        evidence = await self._attester.attest(data)
        digest = registration_digest(context, hpke_public_key=hpke_public_key)
        self._log.info("evidence_made", chain=request.chain_id, ref_block=request.ref_block)
        return AttestResult(
            tee=int(self._attester.tee),
            evidence=evidence,
            report_data=data,
            signature=self._keys.sign_digest(digest),
        )

    async def load(self, request: Load) -> LoadResult:
        """Replace the feed definitions; see `Rounds.load`."""
        feed_ids = self._rounds.load(request.definitions)
        self._log.info("feeds_loaded", feeds=len(feed_ids))
        return LoadResult(feed_ids)

    async def run_round(self, request: RunRound) -> RoundResult:
        """Fetch and aggregate; see `Rounds.run`."""
        return await self._rounds.run(request.feed_ids)

    async def sign(self, request: Sign) -> SignResult:
        """Sign answers of the held round for one hub; see `Rounds.closed` and `Signer.sign`.

        Raises:
            RequestRefused: A feed of the request has no answer, or the round or the signer refuses.
        """
        closed = self._rounds.closed(request.round_id)
        wanted = set(request.feed_ids)
        answers = [answer for answer in closed.answers if answer.feed_id in wanted]
        if len(answers) != len(request.feed_ids):
            raise RequestRefused(
                f"{len(answers)} of {len(request.feed_ids)} feeds have an answer"
                f" in round {request.round_id}, wanted all, each once"
            )
        result = self._signer.sign(
            answers,
            observed_at=closed.observed_at,
            chain_id=request.chain_id,
            hub=request.hub,
            feed_list=request.feed_list,
        )
        self._rounds.reported(closed)
        self._log.info("report_signed", round=closed.round_id, observed_at=closed.observed_at)
        return result

    async def observe(self, request: Observe) -> SignedObservation:
        """What the held round answers of a hub's feeds; see `Cosigner.observe`.

        Raises:
            RequestRefused: No round is held, or the cosigner refuses.
        """
        return self._cosigner.observe(request, self._rounds.held())

    async def cosign(self, request: Cosign) -> CosignResult:
        """Sign what several enclaves observed; see `Cosigner.cosign`.

        The held round's second stays open for other reports: the signer guards it by feed.

        Raises:
            RequestRefused: No round is held, or the cosigner refuses.
        """
        held = self._rounds.held()
        result = self._cosigner.cosign(request, held)
        self._log.info(
            "report_cosigned" if result.signed else "cosign_refused",
            round=held.round_id,
            observations=len(request.observations),
            feeds=len(request.feed_ids),
            refused=len(result.refused),
        )
        return result

    async def health(self, _: Health) -> HealthResult:
        """Counters."""
        return HealthResult(
            uptime_s=int(self._monotonic() - self._started),
            rounds=self._rounds.count,
            reports=self._signer.reports,
            feeds=self._rounds.feeds,
            connections=self._connections(),
            sources=self._sources(),
        )

    async def shutdown(self, _: Shutdown) -> Done:
        """Nothing to do: the service ends the process after the answer."""
        return Done()
