"""What this node answers its peers: checks that only a host can make, then the enclave's own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from enclave.domain import wire
from enclave.domain.errors import OracleError, RequestRefused
from oracle.chain.base import SeatedSigner
from oracle.quorum.certificates import Peer
from oracle.quorum.messages import CosignRequest, ObserveRequest
from oracle.quorum.seating import check_observers, find_seated

log = structlog.get_logger(__name__)


class NotReady(OracleError):
    """This node cannot answer now."""

    retryable = True


class Enclave(Protocol):
    """The enclave, as far as several nodes need it; see `QuorumEnclave`."""

    @property
    def signer(self) -> bytes:
        """Address of its key, 20 bytes."""
        ...

    async def observe(self, request: wire.Observe) -> wire.SignedObservation:
        """What the held round says."""
        ...

    async def cosign(self, request: wire.Cosign) -> wire.CosignResult:
        """A signature, or the feeds that are refused."""
        ...


@dataclass(frozen=True, slots=True)
class HubView:
    """What this node knows of the hub.

    Attributes:
        chain_id: EIP-155 chain id.
        hub: Address, 20 bytes.
        feed_list: Feed ids in order of index.
        signatures: Seats that must sign a report.
        vendors: Hardware vendors that must be among them.
        operators: By seat number; `None` where the seat is free.
        signers: Whose signatures count.
    """

    chain_id: int
    hub: bytes
    feed_list: tuple[bytes, ...]
    signatures: int
    vendors: int
    operators: tuple[str | None, ...]
    signers: tuple[SeatedSigner, ...]


def cosign_request(hub: HubView, request: CosignRequest) -> wire.Cosign:
    """What the own enclave is asked; list and quorum are this node's view, whoever leads."""
    return wire.Cosign(
        chain_id=hub.chain_id,
        hub=hub.hub,
        feed_list=hub.feed_list,
        feed_ids=request.feed_ids,
        quorum=hub.signatures,
        observations=request.observations,
    )


class QuorumResponder:
    """Answers peers while there is an enclave and a view of the hub."""

    def __init__(
        self,
        *,
        enclave: Callable[[], Enclave | None],
        hub: Callable[[], HubView | None],
        clock: Callable[[], float],
        look_again: Callable[[], Awaitable[None]],
        on_cosigned: Callable[[Peer, Sequence[bytes], int], None],
    ) -> None:
        """Set up.

        Args:
            enclave: The one that runs now; `None` while none does.
            hub: What is known of the hub; `None` before the first look.
            clock: Seconds since the epoch.
            look_again: Looks at the hub's seats anew, within a bound.
            on_cosigned: Told of each signature: for whom, of which feeds, and the report's time.
        """
        self._enclave = enclave
        self._hub = hub
        self._clock = clock
        self._look_again = look_again
        self._on_cosigned = on_cosigned

    async def observe(self, peer: Peer, request: ObserveRequest) -> wire.SignedObservation:
        """Sign what the held round says of the hub's feeds.

        Raises:
            RequestRefused: Another chain or hub, or the enclave refuses.
            NotReady: No enclave or no view of the hub yet.
        """
        enclave, hub = self._ready(request.chain_id, request.hub)
        return await enclave.observe(wire.Observe(hub.chain_id, hub.hub, hub.feed_list))

    async def cosign(self, peer: Peer, request: CosignRequest) -> wire.CosignResult:
        """Have a peer's report signed, if everybody in it has a seat.

        1. It is about this node's chain and hub.
        2. The own signer is accepted, so that its signature is worth asking for.
        3. Every observer is in a live seat, one a seat.
        4. The enclave recomputes the report and compares it with what it saw itself.

        Raises:
            RequestRefused: One of these fails; says which.
            NotReady: No enclave or no view of the hub yet.
        """
        # 1.
        enclave, hub = self._ready(request.chain_id, request.hub)
        # 2. and 3.
        try:
            self._check_seats(enclave, hub, request)
        except RequestRefused:
            # The leader may have seen a block that this node has not.
            await self._look_again()
            enclave, hub = self._ready(request.chain_id, request.hub)
            self._check_seats(enclave, hub, request)
        # 4.
        result = await enclave.cosign(cosign_request(hub, request))
        for signed in result.signed:
            self._on_cosigned(peer, request.feed_ids, signed.observed_at)
        return result

    def _check_seats(self, enclave: Enclave, hub: HubView, request: CosignRequest) -> None:
        now = self._clock()
        find_seated(hub.signers, enclave.signer, now=now)
        check_observers(hub.signers, request.observations, now=now)

    def _ready(self, chain_id: int, hub_address: bytes) -> tuple[Enclave, HubView]:
        enclave, hub = self._enclave(), self._hub()
        if hub is None:
            raise NotReady("this node has not seen the hub yet")
        if (chain_id, hub_address) != (hub.chain_id, hub.hub):
            raise RequestRefused(
                f"chain {chain_id} and hub 0x{hub_address.hex()}, wanted {hub.chain_id}"
                f" and 0x{hub.hub.hex()}"
            )
        if enclave is None:
            raise NotReady("this node's enclave is not running")
        return enclave, hub
