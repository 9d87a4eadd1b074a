from oracle.cli.demo_nodes import obstacle_line
from oracle.telemetry.state import ChainState, FeedState, NodeState


def node(*, is_accepted: bool = True, problem: str = "", failure: str = "") -> NodeState:
    feed = FeedState("BTC/USD", b"\x01" * 32, 8, failure=failure)
    if failure:
        feed.source_failures = {"kraken": "status 503"}
    chain = ChainState("here", is_dry_run=False, is_accepted=is_accepted)
    chain.problems = {"quorum": problem} if problem else {}
    return NodeState(started_at=0, feeds={feed.feed_id: feed}, chains=(chain,))


def test_one_node_speaks_for_itself() -> None:
    assert obstacle_line([node()]) == "a report is on its way"
    assert obstacle_line([node(is_accepted=False)]) == "the signer is being registered"
    assert obstacle_line([node(problem="2 of 3 signatures")]) == "2 of 3 signatures"
    wanted = "no answer for BTC/USD: 1 fresh sources; status 503"
    assert obstacle_line([node(failure="1 fresh sources")]) == wanted


def test_nodes_that_say_the_same_are_named_together() -> None:
    missing = node(problem="2 of 3 signatures")
    line = obstacle_line([missing, node(), missing])
    assert line == "nodes 1, 3: 2 of 3 signatures | node 2: a report is on its way"
