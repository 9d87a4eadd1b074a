"""One report of several enclaves: observations, signatures, and once again without what is refused.

A peer that fails in any way is left out and named; it never costs more than the time limit of its
answers. Nothing that a peer says is used before its signature is verified.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from enclave.domain import wire
from enclave.domain.errors import OracleError, QuorumNotReached
from enclave.domain.observation import FeedFailure
from enclave.domain.report import SignedReport
from oracle.chain.base import SeatedSigner
from oracle.quorum.messages import CosignRequest, ObserveRequest, plain_text
from oracle.quorum.peers import PeerClient, PeerFailed
from oracle.quorum.responder import Enclave, HubView, cosign_request
from oracle.quorum.seating import choose_signers
from oracle.quorum.verification import (
    Checked,
    Draft,
    assemble,
    check_cosigned,
    check_observation,
    check_refused,
    draft_report,
    feeds_to_report,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Collected:
    """A report with exactly as many signatures as the hub wants.

    Attributes:
        signed: The report.
        feed_ids: Of its entries, in their order.
        signers: Whose signatures, by position.
        left_out: Feeds that were due and refused.
    """

    signed: SignedReport
    feed_ids: tuple[bytes, ...]
    signers: tuple[SeatedSigner, ...]
    left_out: tuple[bytes, ...]


@dataclass(slots=True)
class _Node:
    """One of the nodes that are asked: a peer, or this one.

    Attributes:
        name: For lines that people read.
        operator: Whose seat it is.
        observe: Asks for its observation.
        cosign: Asks for its signature.
        blame: Told of an answer that is no good, if there is somebody to be told.
        failure: What it did wrong this time; empty so far.
    """

    name: str
    operator: str
    observe: Callable[[HubView], Awaitable[wire.SignedObservation]]
    cosign: Callable[[HubView, CosignRequest], Awaitable[wire.CosignResult]]
    blame: Callable[[str], None] | None = None
    failure: str = ""

    def fail(self, error: OracleError) -> None:
        """It gave nothing that can be used."""
        self.failure = str(error)
        if self.blame is not None and not isinstance(error, PeerFailed):
            self.blame(self.failure)


@dataclass(frozen=True, slots=True)
class _Observed:
    """A node whose observation counts."""

    node: _Node
    checked: Checked


@dataclass(slots=True)
class _Answers:
    """What the nodes made of one draft.

    Attributes:
        signatures: Who signed, and the signature.
        refused: Who refused, and which feeds.
    """

    signatures: dict[SeatedSigner, bytes] = field(default_factory=dict)
    refused: dict[SeatedSigner, frozenset[bytes]] = field(default_factory=dict)

    def cost(self, seated: SeatedSigner) -> int:
        """Feeds that would have to go for this one to sign."""
        return len(self.refused.get(seated, ()))


class Collector:
    """Asks this node's enclave and the peers; keeps nothing from one report to the next."""

    def __init__(
        self,
        enclave: Enclave,
        operator: str,
        peers: Sequence[PeerClient],
        *,
        clock: Callable[[], float],
        names: Mapping[bytes, str],
        said: dict[str, str],
        on_asked: Callable[[int], None],
        on_retry: Callable[[], None],
    ) -> None:
        """Set up.

        Args:
            enclave: This node's.
            operator: This node's.
            peers: The others.
            clock: Seconds since the epoch.
            names: Feed id -> name, for lines that people read.
            said: Node -> what it was last said to refuse; the caller keeps it, so that the same
                is not said again with each report.
            on_asked: Told the time of a report before anybody is asked to sign it.
            on_retry: Told when a report is asked for again.
        """
        self._enclave = enclave
        self._operator = operator
        self._peers = tuple(peers)
        self._clock = clock
        self._names = names
        self._said = said
        self._on_asked = on_asked
        self._on_retry = on_retry

    async def collect(
        self, hub: HubView, due: Mapping[bytes, int], *, after: int = 0
    ) -> Collected | None:
        """Bring a report together.

        1. Ask every node for its observation; use those whose signer, list, signature and time
           hold.
        2. Leave out feeds that too few observed, or that would not be newer than on the hub.
        3. Have the same observations signed by every observer.
        4. Choose signers; if some of them refuse feeds, go back to 3, once, without those.

        Args:
            hub: As this node sees it.
            due: Feed id -> its round on the hub, 0 without one.
            after: Time of the last report that was asked for: a second gets one, because no enclave
                signs two answers for one second.

        Returns:
            The report; `None` if no feed is left after step 2.

        Raises:
            QuorumNotReached: Too few observations or signatures; one line says who did what.
        """
        nodes = [self._own(), *(_peer_node(peer) for peer in self._peers)]
        # 1.
        observed = await self._observe(hub, nodes)
        if len(observed) < hub.signatures:
            raise _too_few(f"{len(observed)} of {hub.signatures} observations", nodes)
        # 2.
        feeds = feeds_to_report(hub, due, [one.checked for one in observed], after=after)
        return await self._sign(hub, feeds, observed, nodes) if feeds else None

    async def _sign(
        self,
        hub: HubView,
        feeds: tuple[bytes, ...],
        observed: Sequence[_Observed],
        nodes: Sequence[_Node],
    ) -> Collected:
        """Steps 3 and 4 of `collect`."""
        left_out: tuple[bytes, ...] = ()
        while True:
            # 3.
            draft = draft_report(hub, feeds, [one.checked for one in observed])
            self._on_asked(draft.observed_at)
            answers = await self._cosign(hub, draft, observed, is_first=not left_out)
            # 4.
            chosen = _choose(hub, answers, nodes, leader=self._operator)
            refused = {feed_id for one in chosen for feed_id in answers.refused.get(one, ())}
            if not refused:
                signatures = [answers.signatures[one] for one in chosen]
                return Collected(assemble(draft, chosen, signatures), feeds, chosen, left_out)
            rest = tuple(feed_id for feed_id in feeds if feed_id not in refused)
            if left_out or not rest:
                seen = f"{len(answers.signatures)} of {hub.signatures} signatures"
                raise _too_few(seen, nodes)
            left_out, feeds = tuple(sorted(refused)), rest
            self._on_retry()

    async def _observe(self, hub: HubView, nodes: Sequence[_Node]) -> list[_Observed]:
        """Observations that count, by position; nodes that failed know why.

        Raises:
            OracleError: This node's own enclave has none: it cannot lead.
        """

        async def ask(node: _Node) -> wire.SignedObservation | OracleError:
            try:
                return await node.observe(hub)
            except OracleError as error:
                return error

        own, *others = await _all(ask(node) for node in nodes)
        if isinstance(own, OracleError):
            raise own
        found = []
        for node, answer in zip(nodes, (own, *others), strict=True):
            try:
                if isinstance(answer, OracleError):
                    raise answer
                checked = check_observation(
                    hub,
                    answer,
                    operator=node.operator,
                    own_at=own.observed_at,
                    now=self._clock(),
                )
            except OracleError as error:
                node.fail(error)
            else:
                found.append(_Observed(node, checked))
        return sorted(found, key=lambda one: one.checked.seated.position)

    async def _cosign(
        self, hub: HubView, draft: Draft, observed: Sequence[_Observed], *, is_first: bool
    ) -> _Answers:
        """Signatures and refusals of those who observed."""
        request = CosignRequest(hub.chain_id, hub.hub, draft.feed_ids, draft.observations)
        answers = _Answers()

        async def ask(one: _Observed) -> None:
            one.node.failure, seated = "", one.checked.seated
            try:
                result = await one.node.cosign(hub, request)
                if result.refused:
                    answers.refused[seated] = check_refused(draft, result)
                    self._note_refused(one.node, result.refused)
                else:
                    answers.signatures[seated] = check_cosigned(draft, seated, result)
                    if is_first:
                        self._said.pop(one.node.name, None)
            except OracleError as error:
                one.node.fail(error)

        await _all(ask(one) for one in observed)
        return answers

    def _note_refused(self, node: _Node, refused: Sequence[FeedFailure]) -> None:
        names = [self._names.get(one.feed_id, "0x" + one.feed_id.hex()) for one in refused]
        node.failure = f"refuses {', '.join(sorted(names))}"
        if self._said.get(node.name) != node.failure:
            self._said[node.name] = node.failure
            why = plain_text(refused[0].message)
            log.warning("feeds_refused", node=node.name, feeds=sorted(names), why=why)

    def _own(self) -> _Node:
        def observe(hub: HubView) -> Awaitable[wire.SignedObservation]:
            return self._enclave.observe(wire.Observe(hub.chain_id, hub.hub, hub.feed_list))

        def cosign(hub: HubView, request: CosignRequest) -> Awaitable[wire.CosignResult]:
            return self._enclave.cosign(cosign_request(hub, request))

        return _Node("this node", self._operator, observe, cosign)


def _peer_node(client: PeerClient) -> _Node:
    def observe(hub: HubView) -> Awaitable[wire.SignedObservation]:
        return client.observe(ObserveRequest(hub.chain_id, hub.hub))

    def cosign(_: HubView, request: CosignRequest) -> Awaitable[wire.CosignResult]:
        return client.cosign(request)

    peer = client.peer
    name = f"{peer.operator[:10]}… ({peer.url})"
    return _Node(name, peer.operator, observe, cosign, client.blame)


def _choose(
    hub: HubView, answers: _Answers, nodes: Sequence[_Node], *, leader: str
) -> tuple[SeatedSigner, ...]:
    """The signers that refuse least; some of them may refuse feeds."""
    candidates = [*answers.signatures, *answers.refused]
    try:
        return choose_signers(
            candidates,
            signatures=hub.signatures,
            vendors=hub.vendors,
            cost=answers.cost,
            first=next((one.seat for one in candidates if one.operator == leader), 0),
        )
    except QuorumNotReached as error:
        raise _too_few(str(error), nodes) from error


def _too_few(seen: str, nodes: Sequence[_Node]) -> QuorumNotReached:
    reasons = [f"{node.name} {node.failure}" for node in nodes if node.failure]
    return QuorumNotReached(f"{seen}: {'; '.join(reasons)}" if reasons else seen)


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in order; each bounds itself."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in work]
    return [task.result() for task in running]
