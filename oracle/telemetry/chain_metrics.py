"""Metrics of each chain that the node reports to; each has the label `chain`."""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from oracle.telemetry.state import ChainState, EndpointState, HubFeed, PeerState, QuorumState

#: Counters that parts of a chain lend to its state: name -> help.
CHAIN_COUNTERS: Final = {
    "rpc_calls": "JSON-RPC calls to all endpoints.",
    "rpc_errors": "JSON-RPC calls without an answer.",
    "transactions_sent": "Signed transactions sent, also again.",
    "transactions_mined": "Transactions that took effect.",
    "transactions_reverted": "Transactions that were mined and failed.",
    "transactions_bumped": "Replacements for a higher fee.",
    "transactions_superseded": "Stuck transactions whose nonce a newer report took.",
    "transactions_dropped": "Transactions sent again because no pool knew them.",
    "transactions_reopened": "Transactions that a reorganisation undid.",
    "transactions_replaced": "Nonces that someone else with this key used.",
    "gas_used": "Gas of all transactions.",
    "gas_spent_wei": "Fees of all transactions, in wei.",
}
_PREFIX: Final = "oracle_"
_DAY_S: Final = 86_400


class _Samples:
    """Samples of one chain, put into the families of all."""

    def __init__(self, families: dict[str, Metric], chain: str) -> None:
        self._families = families
        self._chain = chain

    def gauge(self, name: str, text: str, value: float, **labels: str) -> None:
        """A value that goes up and down."""
        self._add(GaugeMetricFamily, name, text, value, labels)

    def counter(self, name: str, text: str, value: float, **labels: str) -> None:
        """A value that only grows."""
        self._add(CounterMetricFamily, name, text, value, labels)

    def _add(
        self,
        kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
        name: str,
        text: str,
        value: float,
        labels: dict[str, str],
    ) -> None:
        family = self._families.get(name)
        if family is None:
            family = kind(_PREFIX + name, text, labels=["chain", *labels])
            self._families[name] = family
        if isinstance(family, GaugeMetricFamily | CounterMetricFamily):
            family.add_metric([self._chain, *labels.values()], float(value))


def chain_metrics(chains: Sequence[ChainState], now: float) -> Iterable[Metric]:
    """All metrics of all chains, each family once.

    Args:
        chains: To tell of.
        now: Seconds since the epoch.
    """
    families: dict[str, Metric] = {}
    for chain in chains:
        samples = _Samples(families, chain.name)
        _tell(samples, chain)
        _tell_ends(samples, chain, now)
        for feed in chain.feeds.values():
            _tell_feed(samples, feed, now)
        for endpoint in chain.endpoints:
            _tell_endpoint(samples, endpoint)
        if chain.quorum is not None:
            _tell_quorum(samples, chain.quorum)
    return families.values()


def _tell(samples: _Samples, chain: ChainState) -> None:
    samples.gauge("accepted", "Whether the hub takes this signer's reports.", chain.is_accepted)
    samples.gauge("dry_run", "Whether nothing is sent.", chain.is_dry_run)
    text = "Problems that keep the node from its work there."
    samples.gauge("chain_problems", text, len(chain.problems))
    if chain.balance_wei is not None:
        samples.gauge("balance_wei", "Funds of the submitter.", chain.balance_wei)
    if chain.budget_left_wei is not None:
        samples.gauge("gas_budget_left_wei", "Left of the daily gas budget.", chain.budget_left_wei)
    reports = {
        "landed": ("Reports whose answers were stored.", chain.reports_landed),
        "refused": ("Reports that the hub refused.", chain.reports_refused),
        "superseded": ("Stuck reports whose place a newer one took.", chain.reports_superseded),
        "overtaken": ("Reports that came later than another one.", chain.reports_overtaken),
    }
    for name, (text, value) in reports.items():
        samples.counter(f"reports_{name}", text, value)
    for name, text in CHAIN_COUNTERS.items():
        if name in chain.counters:
            samples.counter(name, text, chain.counters[name]())


def _tell_ends(samples: _Samples, chain: ChainState, now: float) -> None:
    ends_at = chain.standing.expires_at
    samples.gauge("signer_expires_at_seconds", "End of the registration.", ends_at)
    if ends_at:
        text = "Days until the registration ends, by what ends it."
        cause = chain.standing.limited_by or "unknown"
        samples.gauge("attestation_days_left", text, max(0.0, ends_at - now) / _DAY_S, cause=cause)
    text = "Days until the chain's copy of a document of the vendor ends."
    for title, until in chain.collateral.items():
        left = max(0.0, until - now) / _DAY_S
        samples.gauge("collateral_days_left", text, left, document=title)


def _tell_feed(samples: _Samples, feed: HubFeed, now: float) -> None:
    if feed.landed_at:
        samples.gauge(
            "feed_age_seconds",
            "Age of the answer on the hub.",
            max(0.0, now - feed.landed_at),
            feed=feed.name,
            feed_id="0x" + feed.feed_id.hex(),
        )


def _tell_endpoint(samples: _Samples, endpoint: EndpointState) -> None:
    number = str(endpoint.number)
    text = "1 for the state it is in."
    samples.gauge("rpc_health", text, 1, endpoint=number, health=endpoint.health)
    samples.gauge("rpc_head", "Height of its latest block.", endpoint.head, endpoint=number)
    text = "How long its last answer took."
    samples.gauge("rpc_answer_seconds", text, endpoint.answer_s, endpoint=number)
    samples.counter("rpc_endpoint_calls", "Questions to it.", endpoint.calls, endpoint=number)
    text = "Questions that it did not answer."
    for kind, count in endpoint.errors.items():
        samples.counter("rpc_endpoint_errors", text, count, endpoint=number, kind=kind)


def _tell_quorum(samples: _Samples, quorum: QuorumState) -> None:
    counters = {
        "collected": (
            "Reports that this node led and got signed.",
            quorum.collected,
        ),
        "missed": ("Attempts of this node to get its signatures that failed.", quorum.missed),
        "taken_over": ("Reports that this node led out of turn.", quorum.taken_over),
        "retried": ("Reports asked for again without refused feeds.", quorum.retried),
        "cosigned": ("Reports that this node signed for others.", quorum.cosigned),
    }
    for name, (text, value) in counters.items():
        samples.counter(f"quorum_{name}", text, value)
    text = "Nodes before this one in the order now; -1 without a seat."
    samples.gauge("quorum_rank", text, -1 if quorum.rank is None else quorum.rank)
    for peer in quorum.peers.values():
        _tell_peer(samples, peer)


def _tell_peer(samples: _Samples, peer: PeerState) -> None:
    who = peer.operator
    text = "Whether its last answer was no good."
    samples.gauge("peer_failing", text, bool(peer.failure), peer=who)
    text = "How long its last good answer took."
    samples.gauge("peer_answer_seconds", text, peer.answer_s, peer=who)
    counters = {
        "calls": ("Requests to it.", peer.calls),
        "failures": ("Requests to it without a usable answer.", peer.failures),
        "served": ("Requests of it that were answered.", peer.served),
        "refused": ("Requests of it that were refused.", peer.refused),
    }
    for name, (text, value) in counters.items():
        samples.counter(f"peer_{name}", text, value, peer=who)
