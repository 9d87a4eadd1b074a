"""How the node is doing: one object that the daemon writes, and health, metrics and views read."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from enclave.domain.wire import SourceHealth


@dataclass(slots=True)
class FeedState:
    """The last word about one feed.

    Attributes:
        name: `BASE/QUOTE`.
        feed_id: 32 bytes.
        decimals: Of its answers.
        answer: Of the last round, in `decimals`; `None` without one.
        observed_at: Of that answer, seconds since the epoch.
        sources_used: Inside the outlier bound.
        sources_asked: In the definition.
        dispersion: Tenths of a basis point.
        failure: Why the last round gave no answer; empty if it did.
        source_failures: Source -> why it gave nothing.
        is_paused: Not priced and not reported by this node.
    """

    name: str
    feed_id: bytes
    decimals: int
    answer: int | None = None
    observed_at: int = 0
    sources_used: int = 0
    sources_asked: int = 0
    dispersion: int = 0
    failure: str = ""
    source_failures: Mapping[str, str] = field(default_factory=dict)
    is_paused: bool = False


@dataclass(slots=True)
class HubFeed:
    """The last word about one feed on one chain's hub.

    Attributes:
        name: `BASE/QUOTE`.
        feed_id: 32 bytes.
        index: In the hub's list; `None` while it is not listed.
        landed_answer: On the hub, as far as known.
        landed_at: `observedAt` of it, which is its round; 0 without one.
        transaction: Hash of the transaction that stored it, `0x`; empty if it was not ours.
        gas_used: By that transaction, for all its feeds.
        block: Of that transaction.
    """

    name: str
    feed_id: bytes
    index: int | None = None
    landed_answer: int | None = None
    landed_at: int = 0
    transaction: str = ""
    gas_used: int = 0
    block: int = 0


@dataclass(slots=True)
class ConfigState:
    """The configuration that is in force.

    Attributes:
        digest: See `config_hash`.
        reloads: How often the file was read again since the start, whatever came of it.
        fault: Why the last time came to nothing, one line a fault; empty if it did not.
        needs_restart: Keys, as `section.key`, that have changed in the file but not here.
    """

    digest: str = ""
    reloads: int = 0
    fault: str = ""
    needs_restart: tuple[str, ...] = ()


@dataclass(slots=True)
class RotationState:
    """Planned replacements of the enclave.

    Attributes:
        attempts: That have ended, well or not.
        fault: Why the last one came to nothing; empty if it did not.
    """

    attempts: int = 0
    fault: str = ""


@dataclass(slots=True)
class SignerState:
    """The enclave's signing key.

    Attributes:
        address: In EIP-55 spelling; empty without an enclave.
        tee: Name of the `TeeKind`.
        attester: Name of the attester.
        is_sandboxed: Whether the enclave's process is in a sandbox on this host.
    """

    address: str = ""
    tee: str = ""
    attester: str = ""
    is_sandboxed: bool = False


@dataclass(slots=True)
class StandingState:
    """What one chain makes of the signer.

    Attributes:
        signer: Who is accepted, in EIP-55 spelling; empty before.
        tier: Name of the `Tier`; empty before it is registered.
        image_id: 32 bytes; empty before it is registered.
        operator: Who answers for it.
        expires_at: End of its registration, seconds since the epoch; 0 before.
        limited_by: What ends its registration; empty while that is not known.
        position: Bit in a report's mask; `None` while it has no seat.
    """

    signer: str = ""
    tier: str = ""
    image_id: bytes = b""
    operator: str = ""
    expires_at: int = 0
    limited_by: str = ""
    position: int | None = None


@dataclass(slots=True)
class EndpointState:
    """How a JSON-RPC endpoint is doing.

    Attributes:
        number: Its place in `rpc_urls` of its chain, from 1; its URL may hold a secret.
        health: A word; see `oracle.chain.rpc.Health`.
        calls: Questions to it.
        errors: Kind of failure -> how many questions ended so.
        head: Height of its latest block when it was last asked; 0 before.
        answer_s: How long its last answer took.
    """

    number: int = 0
    health: str = "unchecked"
    calls: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    head: int = 0
    answer_s: float = 0.0


@dataclass(slots=True)
class PeerState:
    """How another operator's node is doing, as seen from here.

    Attributes:
        operator: Whose seat it is.
        url: Where it is asked.
        calls: Requests to it.
        failures: Of them, those without a usable answer.
        failure: What it did at the last request; empty if it answered well.
        answered_at: Loop time of its last good answer; 0 without one.
        answer_s: How long that took.
        served: Requests of it that this node answered.
        refused: Requests of it that this node refused.
    """

    operator: str
    url: str
    calls: int = 0
    failures: int = 0
    failure: str = ""
    answered_at: float = 0.0
    answer_s: float = 0.0
    served: int = 0
    refused: int = 0


@dataclass(slots=True)
class QuorumState:
    """How nodes make reports together; only where peers are configured.

    Attributes:
        peers: By operator, in the order of the configuration.
        signatures: That the hub wants; 0 before it was asked.
        vendors: Different hardware vendors that it wants among them.
        leader: Operator whose turn it is; empty while nobody has a seat.
        rank: Nodes before this one in the order now; `None` without a seat.
        collected: Reports for which this node, leading, got enough signatures.
        missed: Attempts for which it did not.
        taken_over: Reports that it led out of turn.
        retried: Reports that were asked for again without the feeds that were refused.
        cosigned: Reports that it signed for others.
    """

    peers: dict[str, PeerState] = field(default_factory=dict)
    signatures: int = 0
    vendors: int = 0
    leader: str = ""
    rank: int | None = None
    collected: int = 0
    missed: int = 0
    taken_over: int = 0
    retried: int = 0
    cosigned: int = 0


@dataclass(slots=True)
class ChainState:
    """One chain that the node reports to.

    Attributes:
        name: Of the configuration.
        is_dry_run: No gas key: nothing is sent.
        feeds: That are reported there, by feed id, in the order of the configuration.
        standing: What the chain makes of the signer of the enclave that runs now.
        problems: Area -> one line; what keeps the node from its work there now.
        notices: Area -> one line; what an operator should know but need not mend.
        reports_landed: Transactions that stored answers.
        reports_refused: Reports that the hub refused, before or after they were sent.
        reports_superseded: Reports that were stuck until a newer one took their place.
        reports_overtaken: Reports that came too late, because another one had landed.
        balance_wei: Of the submitter, when last asked.
        budget_left_wei: Of the daily gas budget; `None` without one.
        is_accepted: The hub takes this signer's reports.
        counters: Name -> reads a counter of a part of the node; see `metrics`.
        quorum: `None` unless peers are configured.
        endpoints: By preference.
        collateral: Document -> until when the chain can use it, seconds since the epoch; 0 if it
            cannot now.
    """

    name: str
    is_dry_run: bool
    feeds: dict[bytes, HubFeed] = field(default_factory=dict)
    standing: StandingState = field(default_factory=StandingState)
    problems: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    reports_landed: int = 0
    reports_refused: int = 0
    reports_overtaken: int = 0
    reports_superseded: int = 0
    balance_wei: int | None = None
    budget_left_wei: int | None = None
    is_accepted: bool = False
    counters: dict[str, Callable[[], float]] = field(default_factory=dict)
    quorum: QuorumState | None = None
    endpoints: Sequence[EndpointState] = ()
    collateral: dict[str, int] = field(default_factory=dict)

    def unready(self) -> list[str]:
        """Why reports of an enclave that runs do not land there; empty if they can."""
        reasons = list(self.problems.values())
        if not self.is_accepted:
            reasons.append("the signer is not accepted on-chain")
        if self.is_dry_run:
            reasons.append("dry run: no gas key is configured")
        return reasons


@dataclass(slots=True)
class NodeState:
    """The whole node.

    Attributes:
        started_at: Seconds since the epoch.
        feeds: By feed id, in the order of the configuration.
        signer: Of the enclave that runs now.
        problems: Area -> one line; what keeps the node from its work on any chain now.
        notices: Area -> one line; what an operator should know but need not mend.
        chains: In the order of the configuration.
        enclave_starts: Since the node's start.
        rounds: Made by enclaves.
        round_s: How long the last one took.
        round_at: Loop time of its end.
        counters: Name -> reads a counter of a part of the node; see `metrics`.
        config: What is in force.
        rotation: Planned replacements of the enclave.
        clock: Seconds since the epoch.
        sources: How each host of the sources is doing, as the enclave that runs now says.
    """

    started_at: int
    feeds: dict[bytes, FeedState] = field(default_factory=dict)
    signer: SignerState = field(default_factory=SignerState)
    problems: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    chains: Sequence[ChainState] = ()
    enclave_starts: int = 0
    rounds: int = 0
    round_s: float = 0.0
    round_at: float = 0.0
    counters: dict[str, Callable[[], float]] = field(default_factory=dict)
    config: ConfigState = field(default_factory=ConfigState)
    clock: Callable[[], float] = time.time
    rotation: RotationState = field(default_factory=RotationState)
    sources: tuple[SourceHealth, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether every chain's hub takes this signer's reports."""
        return all(chain.is_accepted for chain in self.chains)

    def all_problems(self) -> list[str]:
        """The node's, then those of each chain."""
        lines = self._of_chains(lambda chain: chain.problems.values())
        return [*self.problems.values(), *lines]

    def all_notices(self) -> list[str]:
        """The node's, then those of each chain."""
        lines = self._of_chains(lambda chain: chain.notices.values())
        return [*self.notices.values(), *lines]

    def unready(self, now: float, *, round_limit_s: float) -> list[str]:
        """Why the node is not ready; empty if it can sign and is accepted on every chain.

        Args:
            now: Loop time.
            round_limit_s: Longest time since the last round.
        """
        reasons = list(self.problems.values())
        if not self.signer.address:
            reasons.append("the enclave is not running")
        reasons += self._of_chains(ChainState.unready)
        if not self.rounds or now - self.round_at > round_limit_s:
            reasons.append(f"no round within {round_limit_s:g} s")
        return list(dict.fromkeys(reasons))

    def _of_chains(self, lines: Callable[[ChainState], Iterable[str]]) -> list[str]:
        """Lines of all chains; where there are several each says of which."""
        if len(self.chains) == 1:
            return list(lines(self.chains[0]))
        return [f"{chain.name}: {line}" for chain in self.chains for line in lines(chain)]
