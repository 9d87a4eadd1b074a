"""What the node says about itself: ready or why not, metrics, one view."""

import io
import json
import time

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from enclave.domain.wire import SourceHealth
from oracle.telemetry.chain_metrics import CHAIN_COUNTERS
from oracle.telemetry.health import ready_view
from oracle.telemetry.logging import configure_logging
from oracle.telemetry.metrics import COUNTERS, render_metrics
from oracle.telemetry.state import (
    ChainState,
    EndpointState,
    FeedState,
    HubFeed,
    NodeState,
    PeerState,
    QuorumState,
    SignerState,
    StandingState,
)

FEED = FeedState(
    "ETH/USD",
    b"\x01" * 32,
    8,
    answer=100,
    observed_at=1_700_000_000,
    sources_used=4,
    sources_asked=5,
    dispersion=13,
)
HUB_FEED = HubFeed(
    "ETH/USD", b"\x01" * 32, index=0, landed_answer=2**62 + 3, landed_at=1_700_000_000
)


def _chain(name: str = "here", **changes: object) -> ChainState:
    chain = ChainState(name, is_dry_run=False, feeds={HUB_FEED.feed_id: HUB_FEED})
    chain.is_accepted, chain.standing = True, StandingState(expires_at=1_800_000_000)
    for key, value in changes.items():
        setattr(chain, key, value)
    return chain


def _state(*chains: ChainState, **changes: object) -> NodeState:
    state = NodeState(started_at=1, feeds={FEED.feed_id: FEED}, chains=chains or (_chain(),))
    state.signer = SignerState(address="0xA", is_sandboxed=True)
    state.rounds, state.round_at = 3, 100.0
    for key, value in changes.items():
        setattr(state, key, value)
    return state


def _samples(state: NodeState) -> dict[str, float]:
    text = render_metrics(state).decode()
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_a_node_that_signs_and_is_accepted_is_ready() -> None:
    assert _state().unready(110.0, round_limit_s=30) == []
    assert ready_view(_state(), 110.0, 30)["ready"] is True


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (_state(_chain(is_accepted=False)), "not accepted on-chain"),
        (_state(signer=SignerState()), "enclave is not running"),
        (_state(_chain(is_dry_run=True)), "dry run"),
        (_state(rounds=0), "no round within 30 s"),
        (_state(round_at=60.0), "no round within 30 s"),
        (_state(problems={"enclave": "enclave lost"}), "enclave lost"),
        (_state(_chain(problems={"chain": "no endpoint"})), "no endpoint"),
    ],
)
def test_a_node_that_cannot_is_not_ready_and_says_why(state: NodeState, reason: str) -> None:
    view = ready_view(state, 110.0, 30)
    assert view["ready"] is False
    assert [text for text in view["reasons"] if reason in text]


def test_of_several_chains_each_says_what_it_lacks() -> None:
    lost = _chain("there", is_accepted=False, problems={"chain": "no endpoint"})
    lost.notices = {"balance": "little"}
    view = ready_view(_state(_chain(), lost), 110.0, 30)
    wanted = ["there: no endpoint", "there: the signer is not accepted on-chain"]
    assert (view["ready"], view["reasons"]) == (False, wanted)
    assert view["notices"] == ["there: little"]
    here, there = view["chains"]
    assert (here["name"], here["ready"], here["reasons"]) == ("here", True, [])
    assert (there["name"], there["ready"]) == ("there", False)
    assert there["reasons"] == [text.removeprefix("there: ") for text in wanted]


def test_metrics_of_several_chains_stand_under_one_heading_each() -> None:
    text = render_metrics(_state(_chain(), _chain("there", is_accepted=False))).decode()
    lines = text.splitlines()
    assert lines.count("# TYPE oracle_accepted gauge") == 1
    assert 'oracle_accepted{chain="here"} 1.0' in lines
    assert 'oracle_accepted{chain="there"} 0.0' in lines


def test_a_notice_does_not_make_a_node_unready() -> None:
    view = ready_view(_state(notices={"sandbox": "not sandboxed"}), 110.0, 30)
    assert view["ready"] is True
    assert view["notices"] == ["not sandboxed"]


def test_the_view_is_json_and_keeps_every_digit() -> None:
    FEED.answer = 2**62 + 1
    view = json.loads(json.dumps(ready_view(_state(), 110.0, 30)))
    assert view["feeds"][0]["answer"] == str(2**62 + 1)
    assert view["chains"][0]["feeds"][0]["landed_answer"] == str(2**62 + 3)


def test_metrics_tell_feeds_signer_and_counters() -> None:
    state = _state(_chain(balance_wei=5, counters={"rpc_calls": lambda: 7.0}))
    samples = _samples(state)
    assert samples["oracle_accepted"] == 1
    assert samples["oracle_sandboxed"] == 1
    assert samples["oracle_balance_wei"] == 5
    assert samples["oracle_rounds_total"] == 3
    assert samples["oracle_rpc_calls_total"] == 7
    assert samples["oracle_feed_sources_used"] == 4
    assert samples["oracle_feed_dispersion_bps"] == 1.3
    assert samples["oracle_feed_age_seconds"] > 0


def test_the_sources_are_shown_with_what_the_enclave_counted() -> None:
    sources = (
        SourceHealth("a.example", "closed", 9, 1, 0, 2),
        SourceHealth("b.example:8443", "open", 3, 3, 5, 0),
    )
    text = render_metrics(_state(sources=sources)).decode()
    assert 'oracle_source_failing{source="a.example"} 0.0' in text
    assert 'oracle_source_failing{source="b.example:8443"} 1.0' in text
    for name, value in {"requests": 3, "failures": 3, "refused": 5, "hedges": 0}.items():
        assert f'oracle_source_{name}_total{{source="b.example:8443"}} {value}.0' in text
    view = json.loads(json.dumps(ready_view(_state(sources=sources), 110.0, 30)))["sources"]
    assert view[1] == {
        "host": "b.example:8443",
        "state": "open",
        "requests": 3,
        "failures": 3,
        "refused": 5,
        "hedges": 0,
    }


def test_a_balance_or_an_age_that_is_not_known_is_no_metric() -> None:
    fresh = HubFeed("A/B", b"\x02" * 32)
    samples = _samples(_state(_chain(feeds={fresh.feed_id: fresh})))
    assert "oracle_balance_wei" not in samples
    assert "oracle_feed_age_seconds" not in samples


def test_every_lent_counter_has_a_help_text() -> None:
    of_node = {name: (lambda: 1.0) for name in COUNTERS}
    of_chain = {name: (lambda: 1.0) for name in CHAIN_COUNTERS}
    samples = _samples(_state(_chain(counters=of_chain), counters=of_node))
    assert {f"oracle_{name}_total" for name in of_node | of_chain} <= samples.keys()


def test_logs_are_one_json_object_a_line() -> None:
    stream = io.StringIO()
    configure_logging(stream, level="info", style="auto")
    log = structlog.get_logger()
    log.debug("too_fine")
    log.info("round_made", feed="ETH/USD")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["feed"]) == ("round_made", "info", "ETH/USD")


def test_text_logs_are_for_people() -> None:
    stream = io.StringIO()
    configure_logging(stream, level="warning", style="text")
    structlog.get_logger().warning("notice", area="sandbox")
    assert "area=sandbox" in stream.getvalue()


def test_endpoints_are_shown_and_measured_by_number() -> None:
    endpoint = EndpointState(2, "rate-limited", 9, {"busy": 3, "malformed": 1}, 77, 0.12345)
    state = _state(_chain(endpoints=(endpoint,)))
    assert ready_view(state, 110.0, 30)["chains"][0]["endpoints"] == [
        {
            "number": 2,
            "health": "rate-limited",
            "head": 77,
            "calls": 9,
            "errors": {"busy": 3, "malformed": 1},
            "answer_s": 0.123,
        }
    ]
    text = render_metrics(state).decode()
    for line in (
        'oracle_rpc_health{chain="here",endpoint="2",health="rate-limited"} 1.0',
        'oracle_rpc_head{chain="here",endpoint="2"} 77.0',
        'oracle_rpc_answer_seconds{chain="here",endpoint="2"} 0.12345',
        'oracle_rpc_endpoint_calls_total{chain="here",endpoint="2"} 9.0',
        'oracle_rpc_endpoint_errors_total{chain="here",endpoint="2",kind="busy"} 3.0',
        'oracle_rpc_endpoint_errors_total{chain="here",endpoint="2",kind="malformed"} 1.0',
    ):
        assert line in text.splitlines()
    assert "oracle_rpc_health" not in render_metrics(_state()).decode()


def _quorum() -> QuorumState:
    peers = {"0xB": PeerState("0xB", "https://b:1", 9, 2, "timed out after 2 s", 90.0, 0.25, 5, 1)}
    return QuorumState(peers, 3, 2, "0xB", 1, 4, 3, 2, 1, 6)


def test_a_quorum_and_its_peers_are_shown() -> None:
    view = ready_view(_state(_chain(quorum=_quorum())), 100.0, 30)["chains"][0]["quorum"]
    assert (view["signatures"], view["vendors"], view["leader"], view["rank"]) == (3, 2, "0xB", 1)
    assert view["peers"] == [
        {
            "operator": "0xB",
            "url": "https://b:1",
            "failure": "timed out after 2 s",
            "answered_s_ago": 10.0,
            "calls": 9,
            "failures": 2,
            "served": 5,
            "refused": 1,
        }
    ]
    assert ready_view(_state(), 100.0, 30)["chains"][0]["quorum"] is None


def test_a_quorum_and_its_peers_are_measured() -> None:
    samples = _samples(_state(_chain(quorum=_quorum())))
    assert samples["oracle_quorum_collected_total"] == 4
    assert samples["oracle_quorum_missed_total"] == 3
    assert samples["oracle_quorum_taken_over_total"] == 2
    assert samples["oracle_quorum_retried_total"] == 1
    assert samples["oracle_quorum_cosigned_total"] == 6
    assert samples["oracle_quorum_rank"] == 1
    assert samples["oracle_peer_failing"] == 1
    assert samples["oracle_peer_answer_seconds"] == 0.25
    assert samples["oracle_peer_calls_total"] == 9
    assert samples["oracle_peer_failures_total"] == 2
    assert samples["oracle_peer_served_total"] == 5
    assert samples["oracle_peer_refused_total"] == 1
    unseated = _samples(_state(_chain(quorum=QuorumState())))
    assert unseated["oracle_quorum_rank"] == -1
    assert "oracle_quorum_rank" not in _samples(_state())


@pytest.mark.parametrize(("limited_by", "cause"), [("certificate", "certificate"), ("", "unknown")])
def test_days_left_name_what_ends_the_registration(limited_by: str, cause: str) -> None:
    now = time.time()
    standing = StandingState(expires_at=int(now) + 172_800, limited_by=limited_by)
    text = render_metrics(_state(_chain(standing=standing))).decode()
    (line,) = (each for each in text.splitlines() if each.startswith("oracle_attestation"))
    name, value = line.split()
    assert name == f'oracle_attestation_days_left{{cause="{cause}",chain="here"}}'
    assert 1.99 < float(value) <= 2


def test_an_ended_registration_has_no_days_and_none_is_not_counted() -> None:
    assert (
        _samples(_state(_chain(standing=StandingState(expires_at=1))))[
            "oracle_attestation_days_left"
        ]
        == 0
    )
    unregistered = _state(_chain(standing=StandingState()))
    assert "oracle_attestation_days_left" not in _samples(unregistered)


def test_days_of_each_document_of_the_vendor_are_told() -> None:
    now = int(time.time())
    ends = {"TCB info TDX, number 17": now + 172_800, "PCK CRL": 0}
    lines = render_metrics(_state(_chain(collateral=ends))).decode().splitlines()
    days = dict(
        line.rsplit(" ", 1) for line in lines if line.startswith("oracle_collateral_days_left")
    )
    named = {name: float(value) for name, value in days.items()}
    assert named['oracle_collateral_days_left{chain="here",document="PCK CRL"}'] == 0
    left = named['oracle_collateral_days_left{chain="here",document="TCB info TDX, number 17"}']
    assert 1.99 < left <= 2
