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
from oracle.telemetry.state import NodeState, SignerState

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


class Standings:
    """Keeps the signer of one enclave accepted on-chain.

    Attributes:
        now: What the chain makes of it; `None` before it is accepted.
    """

    def __init__(
        self,
        enclave: Enclave,
        registrar: Registrar,
        *,
        view: ChainView,
        state: NodeState,
        problems: Problems,
        observer: Observer,
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
        self._renew_before_s = renew_before_s
        self._clock = clock
        self._retry_s = retry_s
        self._wanted = asyncio.Event()

    def adopt(self, standing: Standing) -> None:
        """Take over what the chain made of the signer while it was prepared."""
        self._won(
            Identity(self._enclave.hello.signer, self._enclave.hello.hpke_public_key), standing
        )

    def recheck(self) -> None:
        """Look again without waiting for the next turn."""
        self._wanted.set()

    async def keep(self) -> None:
        """Register, take the seat, rebuild; again whenever it is needed, until cancelled.

        Raises:
            EnclaveLost: The signer was revoked: a new enclave makes a new key.
        """
        identity = Identity(self._enclave.hello.signer, self._enclave.hello.hpke_public_key)
        pause_s = self._retry_s
        while True:
            self._wanted.clear()
            try:
                standing = await self._registrar.ensure(
                    identity, self._enclave.client, renew_before_s=self._margin_s()
                )
            except SignerRevoked as error:
                raise EnclaveLost(str(error)) from error
            except (ChainError, AttestationError, CollateralUnavailable) as error:
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
        self._problems.set("registration", str(error))
        if isinstance(error, SignerSuspended) or self._has_ended():
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
        signer, status = self._state.signer, standing.status
        signer.operator, signer.expires_at = status.operator, status.expires_at
        signer.image_id, signer.position = status.image_id, standing.position
        signer.tier = Tier(status.tier).name
        signer.limited_by = status.cause.words
        if is_news or self._view.hub is None or not self._view.hub.is_live:
            self._view.refresh_soon()
        if is_news:
            log.info(
                "signer_accepted",
                signer=identity.address,
                tier=signer.tier,
                position=standing.position,
                expires_at=status.expires_at,
            )
            self._observer(SignerReady(identity.address, standing, self._state.enclave_starts))


def note_enclave(state: NodeState, enclave: Enclave) -> None:
    """Write who runs now into the state."""
    identity = Identity(enclave.hello.signer, enclave.hello.hpke_public_key)
    state.enclave_starts += 1
    state.is_accepted = False
    state.signer = SignerState(
        address=identity.address,
        tee=TeeKind(enclave.hello.tee).name,
        attester=enclave.hello.attester,
        is_sandboxed=enclave.is_sandboxed,
    )
