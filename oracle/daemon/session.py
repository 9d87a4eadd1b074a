"""One life of an enclave: load the feeds, get its signer accepted, make rounds."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from enclave.domain.errors import AttestationError, ChainError, ConfigError, OracleError
from enclave.domain.evidence import TeeKind, Tier
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.daemon.chain_view import ChainView
from oracle.daemon.events import Observer, SignerReady
from oracle.daemon.problems import Problems
from oracle.enclave_link import EnclaveClient, EnclaveLost
from oracle.enclave_process import Enclave
from oracle.feeds.catalogue import Feed
from oracle.registration import (
    Identity,
    Registrar,
    SignerRevoked,
    SignerSuspended,
    Standing,
    renewal_margin_s,
)
from oracle.telemetry.state import ChainState, NodeState, SignerState, StandingState

log = structlog.get_logger(__name__)

#: How often the signer's standing is looked at again; also finds a hub that others cleared.
CHECK_S = 15.0
_RETRY_MAX_S = 60.0


async def load_feeds(client: EnclaveClient, feeds: Sequence[Feed]) -> None:
    """Hand the definitions to the enclave, which must hash them to the same ids.

    Raises:
        ConfigError: It refuses one, or computes another id: host and enclave differ in version.
    """
    seen = await client.load([feed.canonical for feed in feeds])
    wanted = tuple(feed.feed_id for feed in feeds)
    if seen != wanted:
        raise ConfigError("the enclave computes other feed ids: host and enclave differ in version")


def identity_of(enclave: Enclave) -> Identity:
    """The keys that an enclave said it has."""
    return Identity(enclave.hello.signer, enclave.hello.hpke_public_key)


class Standings:
    """Keeps the signer of one enclave accepted on one chain.

    Attributes:
        now: What the chain makes of it; `None` before it is accepted.
    """

    def __init__(
        self,
        enclave: Enclave,
        registrar: Registrar,
        *,
        view: ChainView,
        state: ChainState,
        problems: Problems,
        observer: Observer,
        starts: int,
        is_only_chain: bool,
        renew_before_s: float,
        clock: Callable[[], float],
        retry_s: float = 1.0,
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            enclave: Whose signer to keep.
            registrar: Brings it to the chain.
            view: Refreshed when the hub changed.
            state: Written.
            problems: Written.
            observer: Told when the signer is accepted.
            starts: How often this daemon started an enclave.
            is_only_chain: Whether the enclave reports to no other chain. A signer that is revoked
                then ends it; otherwise it goes on for the others.
            renew_before_s: The operator's wish; see `renewal_margin_s`.
            clock: Seconds since the epoch.
            retry_s: First pause after a failure.
        """
        self.now: Standing | None = None
        self._enclave = enclave
        self._registrar = registrar
        self._view = view
        self._state = state
        self._problems = problems
        self._observer = observer
        self._starts = starts
        self._is_only_chain = is_only_chain
        self._renew_before_s = renew_before_s
        self._clock = clock
        self._retry_s = retry_s
        self._wanted = asyncio.Event()

    def adopt(self, standing: Standing) -> None:
        """Take over what the chain made of the signer while it was prepared."""
        self._won(identity_of(self._enclave), standing)

    def recheck(self) -> None:
        """Look again without waiting for the next turn."""
        self._wanted.set()

    async def keep(self) -> None:
        """Register, take the seat, rebuild; again whenever it is needed, until cancelled.

        Raises:
            EnclaveLost: The signer was revoked on the only chain: a new enclave makes a new key.
        """
        identity = identity_of(self._enclave)
        pause_s = self._retry_s
        while True:
            self._wanted.clear()
            try:
                standing = await self._registrar.ensure(
                    identity, self._enclave.client, renew_before_s=self._margin_s()
                )
            except (ChainError, AttestationError, CollateralUnavailable) as error:
                if self._is_only_chain and isinstance(error, SignerRevoked):
                    raise EnclaveLost(str(error)) from error
                self._lost(error)
                await asyncio.sleep(pause_s)
                pause_s = min(_RETRY_MAX_S, 2 * pause_s)
                continue
            pause_s = self._retry_s
            self._won(identity, standing)
            try:
                async with asyncio.timeout(CHECK_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    def _margin_s(self) -> float:
        if self.now is None:
            return 0.0
        status = self.now.status
        return renewal_margin_s(
            registered_at=status.registered_at,
            expires_at=status.expires_at,
            wanted_s=self._renew_before_s,
        )

    def _lost(self, error: OracleError) -> None:
        """It stays accepted until its end, but not if the chain says that it has ended."""
        mend = ": `oracle rotate` makes one" if isinstance(error, SignerRevoked) else ""
        self._problems.set("registration", f"{error}{mend}")
        if isinstance(error, SignerSuspended | SignerRevoked) or self._has_ended():
            self.now = None
        if self.now is None:
            self._state.is_accepted = False

    def _has_ended(self) -> bool:
        return self.now is not None and self._clock() >= self.now.status.expires_at

    def _won(self, identity: Identity, standing: Standing) -> None:
        self._problems.clear("registration")
        is_news = self.now != standing
        self.now = standing
        self._state.is_accepted = True
        status = standing.status
        self._state.standing = shown = StandingState(
            signer=identity.address,
            tier=Tier(status.tier).name,
            image_id=status.image_id,
            operator=status.operator,
            expires_at=status.expires_at,
            limited_by=status.cause.words,
            position=standing.position,
        )
        if is_news or self._view.hub is None or not self._view.hub.is_live:
            self._view.refresh_soon()
        if is_news:
            log.info(
                "signer_accepted",
                signer=identity.address,
                tier=shown.tier,
                position=standing.position,
                expires_at=status.expires_at,
            )
            ready = SignerReady(identity.address, standing, self._starts, self._state.name)
            self._observer(ready)


def note_enclave(state: NodeState, enclave: Enclave) -> None:
    """Write who runs now into the state."""
    identity = identity_of(enclave)
    state.enclave_starts += 1
    forget_standings(state)
    state.signer = SignerState(
        address=identity.address,
        tee=TeeKind(enclave.hello.tee).name,
        attester=enclave.hello.attester,
        is_sandboxed=enclave.is_sandboxed,
    )


def forget_standings(state: NodeState) -> None:
    """No chain has accepted the signer of the enclave that comes."""
    for chain in state.chains:
        chain.is_accepted, chain.standing = False, StandingState()
