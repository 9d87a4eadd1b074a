"""Prometheus metrics, read from the node's state at each scrape."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from enclave.domain.wire import SourceHealth
from oracle.telemetry.chain_metrics import chain_metrics
from oracle.telemetry.state import FeedState, NodeState

#: Counters that parts of the node lend to the state: name -> help.
COUNTERS = {
    "relay_sent_bytes": "Ciphertext that the relay took from the enclave.",
    "relay_received_bytes": "Ciphertext that the relay brought to the enclave.",
    "relay_streams": "Streams that the enclave opened at the relay.",
    "relay_unreachable": "Streams for which the source could not be reached.",
    "relay_refused": "Streams that the relay refused.",
}
#: Counters of each host of sources, as the enclave counts them.
SOURCE_COUNTERS = {
    "requests": "Requests to it.",
    "failures": "Requests to it without a usable reply.",
    "refused": "Requests not made, because it is left alone or a budget is spent.",
    "hedges": "Second requests for one that stalled.",
}
_PREFIX = "oracle_"


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
        yield from chain_metrics(self._state.chains, self._state.clock())

    def _gauges(self) -> Iterable[Metric]:
        state = self._state
        values = {
            "sandboxed": ("Whether the enclave's process is sandboxed.", state.signer.is_sandboxed),
            "problems": (
                "Problems that keep the node from its work, on any chain.",
                len(state.all_problems()),
            ),
            "config_refused": (
                "Whether the configuration file was refused when it was last read.",
                bool(state.config.fault),
            ),
            "round_seconds": ("Length of the last round.", state.round_s),
        }
        for name, (text, value) in values.items():
            yield GaugeMetricFamily(_PREFIX + name, text, value=float(value))

    def _counters(self) -> Iterable[Metric]:
        state = self._state
        own = {
            "enclave_starts": ("Starts of the enclave.", state.enclave_starts),
            "rounds": ("Rounds made.", state.rounds),
        }
        for name, (text, value) in own.items():
            yield CounterMetricFamily(_PREFIX + name, text, value=float(value))
        for name, text in COUNTERS.items():
            if name in state.counters:
                yield CounterMetricFamily(_PREFIX + name, text, value=state.counters[name]())

    def _feeds(self) -> Iterable[Metric]:
        labels = ["feed", "feed_id"]
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
            used.add_metric(key, feed.sources_used)
            asked.add_metric(key, feed.sources_asked)
            spread.add_metric(key, feed.dispersion / 10)
            failing.add_metric(key, float(bool(feed.failure)))
        yield from (used, asked, spread, failing)


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
