"""Prometheus metrics, read from the node's state at each scrape."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from enclave.domain.wire import SourceHealth
from oracle.telemetry.state import (
    EndpointState,
    FeedState,
    NodeState,
    PeerState,
    QuorumState,
    SignerState,
)

#: Counters that parts of the node lend to the state: name -> help.
COUNTERS = {
    "relay_sent_bytes": "Ciphertext that the relay took from the enclave.",
    "relay_received_bytes": "Ciphertext that the relay brought to the enclave.",
    "relay_streams": "Streams that the enclave opened at the relay.",
    "relay_unreachable": "Streams for which the source could not be reached.",
    "relay_refused": "Streams that the relay refused.",
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
#: Counters of each host of sources, as the enclave counts them.
SOURCE_COUNTERS = {
    "requests": "Requests to it.",
    "failures": "Requests to it without a usable reply.",
    "refused": "Requests not made, because it is left alone or a budget is spent.",
    "hedges": "Second requests for one that stalled.",
}
_PREFIX = "oracle_"
_DAY_S = 86_400


class NodeCollector(Collector):
    """Turns the state into metrics; holds none of its own."""

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """All metrics, as Prometheus asks for them."""
        yield from self._gauges()
        yield from self._counters()
        yield from self._feeds()
        yield from _source_metrics(self._state.sources)
        yield from _endpoint_metrics(self._state.endpoints)
        if self._state.quorum is not None:
            yield from _quorum_metrics(self._state.quorum)
            yield from _peer_metrics(self._state.quorum.peers.values())

    def _gauges(self) -> Iterable[Metric]:
        state = self._state
        signer = state.signer
        values = {
            "accepted": ("Whether the hub takes this signer's reports.", state.is_accepted),
            "sandboxed": ("Whether the enclave's process is sandboxed.", signer.is_sandboxed),
            "dry_run": ("Whether nothing is sent.", state.is_dry_run),
            "problems": ("Problems that keep the node from its work.", len(state.problems)),
            "config_refused": (
                "Whether the configuration file was refused when it was last read.",
                bool(state.config.fault),
            ),
            "round_seconds": ("Length of the last round.", state.round_s),
            "signer_expires_at_seconds": ("End of the registration.", signer.expires_at),
        }
        if state.balance_wei is not None:
            values["balance_wei"] = ("Funds of the submitter.", state.balance_wei)
        if state.budget_left_wei is not None:
            values["gas_budget_left_wei"] = (
                "Left of the daily gas budget.",
                state.budget_left_wei,
            )
        for name, (text, value) in values.items():
            yield GaugeMetricFamily(_PREFIX + name, text, value=float(value))
        if signer.expires_at:
            yield _days_left(signer, state.clock())
        if state.collateral:
            yield _collateral_days_left(state.collateral, state.clock())

    def _counters(self) -> Iterable[Metric]:
        state = self._state
        own = {
            "enclave_starts": ("Starts of the enclave.", state.enclave_starts),
            "rounds": ("Rounds made.", state.rounds),
            "reports_landed": ("Reports whose answers were stored.", state.reports_landed),
            "reports_refused": ("Reports that the hub refused.", state.reports_refused),
            "reports_superseded": (
                "Stuck reports whose place a newer one took.",
                state.reports_superseded,
            ),
            "reports_overtaken": (
                "Reports that came later than another one.",
                state.reports_overtaken,
            ),
        }
        for name, (text, value) in own.items():
            yield CounterMetricFamily(_PREFIX + name, text, value=float(value))
        for name, text in COUNTERS.items():
            if name in state.counters:
                yield CounterMetricFamily(_PREFIX + name, text, value=state.counters[name]())

    def _feeds(self) -> Iterable[Metric]:
        now = self._state.clock()
        labels = ["feed", "feed_id"]
        age = GaugeMetricFamily(
            _PREFIX + "feed_age_seconds", "Age of the answer on the hub.", labels=labels
        )
        used = GaugeMetricFamily(
            _PREFIX + "feed_sources_used", "Sources used in the last round.", labels=labels
        )
        asked = GaugeMetricFamily(
            _PREFIX + "feed_sources_asked", "Sources in the definition.", labels=labels
        )
        spread = GaugeMetricFamily(
            _PREFIX + "feed_dispersion_bps", "Largest distance of a used source.", labels=labels
        )
        failing = GaugeMetricFamily(
            _PREFIX + "feed_failing", "Whether the last round gave no answer.", labels=labels
        )
        for feed in self._state.feeds.values():
            key = _labels(feed)
            if feed.landed_at:
                age.add_metric(key, max(0.0, now - feed.landed_at))
            used.add_metric(key, feed.sources_used)
            asked.add_metric(key, feed.sources_asked)
            spread.add_metric(key, feed.dispersion / 10)
            failing.add_metric(key, float(bool(feed.failure)))
        yield from (age, used, asked, spread, failing)


def _days_left(signer: SignerState, now: float) -> Metric:
    days = GaugeMetricFamily(
        _PREFIX + "attestation_days_left",
        "Days until the registration ends, by what ends it.",
        labels=["cause"],
    )
    left_s = max(0.0, signer.expires_at - now)
    days.add_metric([signer.limited_by or "unknown"], left_s / _DAY_S)
    return days


def _collateral_days_left(ends: Mapping[str, int], now: float) -> Metric:
    days = GaugeMetricFamily(
        _PREFIX + "collateral_days_left",
        "Days until the chain's copy of a document of the vendor ends.",
        labels=["document"],
    )
    for title, until in ends.items():
        days.add_metric([title], max(0.0, until - now) / _DAY_S)
    return days


def _endpoint_metrics(endpoints: Sequence[EndpointState]) -> Iterable[Metric]:
    labels = ["endpoint"]
    health = GaugeMetricFamily(
        _PREFIX + "rpc_health", "1 for the state it is in.", labels=[*labels, "health"]
    )
    head = GaugeMetricFamily(_PREFIX + "rpc_head", "Height of its latest block.", labels=labels)
    answer = GaugeMetricFamily(
        _PREFIX + "rpc_answer_seconds", "How long its last answer took.", labels=labels
    )
    calls = CounterMetricFamily(_PREFIX + "rpc_endpoint_calls", "Questions to it.", labels=labels)
    errors = CounterMetricFamily(
        _PREFIX + "rpc_endpoint_errors",
        "Questions that it did not answer.",
        labels=[*labels, "kind"],
    )
    for endpoint in endpoints:
        key = [str(endpoint.number)]
        health.add_metric([*key, endpoint.health], 1)
        head.add_metric(key, endpoint.head)
        answer.add_metric(key, endpoint.answer_s)
        calls.add_metric(key, endpoint.calls)
        for kind, count in endpoint.errors.items():
            errors.add_metric([*key, kind], count)
    if endpoints:
        yield from (health, head, answer, calls, errors)


def _quorum_metrics(quorum: QuorumState) -> Iterable[Metric]:
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
        yield CounterMetricFamily(f"{_PREFIX}quorum_{name}", text, value=float(value))
    text = "Nodes before this one in the order now; -1 without a seat."
    rank = -1 if quorum.rank is None else quorum.rank
    yield GaugeMetricFamily(f"{_PREFIX}quorum_rank", text, value=float(rank))


def _peer_metrics(peers: Iterable[PeerState]) -> Iterable[Metric]:
    labels = ["peer"]
    failing = GaugeMetricFamily(
        _PREFIX + "peer_failing", "Whether its last answer was no good.", labels=labels
    )
    answer = GaugeMetricFamily(
        _PREFIX + "peer_answer_seconds", "How long its last good answer took.", labels=labels
    )
    calls = CounterMetricFamily(_PREFIX + "peer_calls", "Requests to it.", labels=labels)
    failures = CounterMetricFamily(
        _PREFIX + "peer_failures", "Requests to it without a usable answer.", labels=labels
    )
    served = CounterMetricFamily(
        _PREFIX + "peer_served", "Requests of it that were answered.", labels=labels
    )
    refused = CounterMetricFamily(
        _PREFIX + "peer_refused", "Requests of it that were refused.", labels=labels
    )
    for peer in peers:
        key = [peer.operator]
        failing.add_metric(key, float(bool(peer.failure)))
        answer.add_metric(key, peer.answer_s)
        calls.add_metric(key, peer.calls)
        failures.add_metric(key, peer.failures)
        served.add_metric(key, peer.served)
        refused.add_metric(key, peer.refused)
    yield from (failing, answer, calls, failures, served, refused)


def _source_metrics(sources: Iterable[SourceHealth]) -> Iterable[Metric]:
    labels = ["source"]
    failing = GaugeMetricFamily(
        _PREFIX + "source_failing", "Whether it is left alone after failures.", labels=labels
    )
    counts = {
        name: CounterMetricFamily(f"{_PREFIX}source_{name}", text, labels=labels)
        for name, text in SOURCE_COUNTERS.items()
    }
    for source in sources:
        failing.add_metric([source.host], float(source.state != "closed"))
        for name, family in counts.items():
            family.add_metric([source.host], getattr(source, name))
    yield from (failing, *counts.values())


def _labels(feed: FeedState) -> list[str]:
    return [feed.name, "0x" + feed.feed_id.hex()]


def render_metrics(state: NodeState) -> bytes:
    """The text that `/metrics` answers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(state))
    return generate_latest(registry)
