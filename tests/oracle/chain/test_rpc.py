"""Endpoints: who is asked, who is not, and what state each is in."""

import asyncio
from typing import Any

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.rpc import (
    Endpoint,
    Health,
    Rpc,
    RpcBusy,
    RpcMalformed,
    RpcOversized,
    RpcRefused,
    RpcUnreachable,
)
from tests.fakes.rpc_nodes import FakeNode, block, pool

DEAD = RpcUnreachable("no answer within 3 s")
_SEND = "eth_sendRawTransaction"


def _node(value: Any, **fields: Any) -> FakeNode:
    return FakeNode(answers={"eth_call": value}, **fields)


def _health(rpc: Rpc) -> list[Health]:
    assert [each.state.health for each in rpc.endpoints] == [each.health for each in rpc.endpoints]
    return [each.health for each in rpc.endpoints]


def _rested(rpc: Rpc) -> None:
    for endpoint in rpc.endpoints:
        endpoint.rests_until = 0.0
    rpc.looked_at = None


async def test_the_first_endpoint_answers_and_the_second_is_not_asked() -> None:
    first, second = _node("0x1"), _node("0x2")
    assert await pool(first, second).request("eth_call", []) == "0x1"
    assert "eth_call" not in second.asked


async def test_one_endpoint_is_asked_its_chain_id_once_and_nothing_that_nobody_wants() -> None:
    node = _node("0x1")
    rpc = pool(node)
    assert _health(rpc) == [Health.UNCHECKED]
    for _ in range(2):
        await rpc.request("eth_call", [])
        await rpc.request_agreed("eth_call", [])
    assert node.asked == ["eth_chainId", *["eth_call"] * 4]
    assert _health(rpc) == [Health.ALIVE]


async def test_an_endpoint_of_another_chain_is_never_used() -> None:
    wrong, right = _node("0x1", chain_id=1), _node("0x2")
    rpc = pool(wrong, right)
    assert await rpc.request("eth_call", []) == "0x2"
    assert wrong.asked == ["eth_chainId"]
    assert _health(rpc) == [Health.WRONG_CHAIN, Health.ALIVE]
    with pytest.raises(ChainError, match="endpoint 1 of 1: chain id 1, wanted 31337"):
        await pool(_node("0x1", chain_id=1)).request("eth_call", [])
    wrong.chain_id = 31_337
    _rested(rpc)
    assert await rpc.request("eth_call", []) == "0x1"


@pytest.mark.parametrize("answer", [RpcRefused("no", code=-32_000, data=b""), "main", None])
async def test_an_endpoint_that_tells_no_chain_id_is_never_used(answer: Any) -> None:
    silent = FakeNode(answers={"eth_chainId": answer, "eth_call": "0x1"})
    with pytest.raises(ChainError, match="endpoint 1 of 1: tells no chain id"):
        await pool(silent).request("eth_call", [])
    assert silent.asked == ["eth_chainId"]


@pytest.mark.parametrize(
    ("failure", "health"),
    [
        (DEAD, Health.UNREACHABLE),
        (RpcMalformed("answer is not JSON-RPC"), Health.UNREACHABLE),
        (RpcBusy("rate limit"), Health.RATE_LIMITED),
    ],
)
async def test_a_failing_endpoint_is_passed_over_and_named_by_its_number(
    failure: ChainError, health: Health
) -> None:
    broken = _node(failure)
    rpc = pool(broken, _node("0x2"))
    assert await rpc.request("eth_call", []) == "0x2"
    assert _health(rpc) == [health, Health.ALIVE]
    with pytest.raises(ChainError) as caught:
        await pool(broken).request("eth_call", [])
    assert str(caught.value) == f"eth_call: endpoint 1 of 1: {failure}"


@pytest.mark.parametrize("code", [-32_700, -32_600, -32_601, -32_603])
async def test_an_endpoint_that_is_broken_is_passed_over_if_there_is_another(code: int) -> None:
    broken = _node(RpcRefused("broken", code=code, data=b""))
    assert await pool(broken, _node("0x2")).request("eth_call", []) == "0x2"
    with pytest.raises(RpcRefused, match="broken"):
        await pool(broken, broken).request("eth_call", [])


async def test_a_refusal_is_the_answer_and_no_other_endpoint_is_asked() -> None:
    second = _node("0x2")
    rpc = pool(_node(RpcRefused("reverted", code=3, data=b"\x01")), second)
    with pytest.raises(RpcRefused, match="reverted"):
        await rpc.request("eth_call", [])
    assert "eth_call" not in second.asked
    assert _health(rpc) == [Health.ALIVE, Health.ALIVE]


async def test_an_answer_that_is_too_long_everywhere_may_be_asked_for_in_parts() -> None:
    long = _node(RpcOversized("answer is longer than 9 bytes"))
    assert await pool(long, _node("0x2")).request("eth_call", []) == "0x2"
    with pytest.raises(RpcOversized, match="endpoint 1 of 1: answer is longer"):
        await pool(long).request("eth_call", [])


async def test_a_failed_endpoint_rests_and_is_used_again_when_it_has_recovered() -> None:
    first = _node("0x1")
    rpc = pool(first, _node("0x2"))
    assert await rpc.request("eth_call", []) == "0x1"
    first.fails = DEAD
    assert await rpc.request("eth_call", []) == "0x2"
    asked = len(first.asked)
    assert await rpc.request("eth_call", []) == "0x2"
    assert len(first.asked) == asked
    first.fails = None
    _rested(rpc)
    assert await rpc.request("eth_call", []) == "0x1"
    assert first.asked[asked:] == ["eth_chainId", "eth_getBlockByNumber", "eth_call"]


async def test_rest_doubles_up_to_a_minute_and_begins_anew_after_an_answer() -> None:
    node = _node(DEAD)
    rpc = pool(node)
    loop = asyncio.get_running_loop()
    rests = []
    for _ in range(8):
        with pytest.raises(ChainError):
            await rpc.request("eth_call", [])
        rests.append(round(rpc.endpoints[0].rests_until - loop.time()))
    assert rests == [2, 4, 8, 16, 32, 60, 60, 60]
    node.answers["eth_call"] = "0x1"
    assert await rpc.request("eth_call", []) == "0x1"
    assert (rpc.endpoints[0].failures, rpc.endpoints[0].rests_until) == (0, 0.0)


async def test_a_resting_endpoint_is_asked_when_there_is_no_other() -> None:
    nodes = _node(DEAD), _node(DEAD)
    rpc = pool(*nodes)
    with pytest.raises(ChainError, match=r"endpoint 1 of 2: .*; endpoint 2 of 2: "):
        await rpc.request("eth_call", [])
    nodes[1].answers["eth_call"] = "0x2"
    assert await rpc.request("eth_call", []) == "0x2"


@pytest.mark.parametrize(("wanted_s", "rest_s"), [(7.0, 7), (10.0**9, 600)])
async def test_who_says_how_long_to_wait_is_not_asked_before(wanted_s: float, rest_s: int) -> None:
    node = _node(RpcBusy("rate limit", retry_after_s=wanted_s))
    rpc = pool(node)
    with pytest.raises(ChainError, match="rate limit"):
        await rpc.request("eth_call", [])
    asked = len(node.asked)
    with pytest.raises(RpcBusy, match="all endpoints want to be left alone") as caught:
        await rpc.request("eth_call", [])
    assert caught.value.retry_after_s == pytest.approx(rest_s, abs=1)
    assert len(node.asked) == asked
    _rested(rpc)
    node.answers["eth_call"] = "0x1"
    assert await rpc.request("eth_call", []) == "0x1"


async def test_calls_errors_heads_and_times_are_counted() -> None:
    rpc = pool(_node(DEAD), _node("0x2", head=99))
    await rpc.request("eth_call", [])
    first, second = (each.state for each in rpc.endpoints)
    assert (first.number, first.calls, first.errors, first.head) == (1, 3, {"unreachable": 1}, 100)
    assert (second.number, second.calls, second.errors, second.head) == (2, 3, {}, 99)
    assert second.answer_s >= 0


async def test_who_is_far_behind_is_asked_last_and_first_again_when_it_has_caught_up() -> None:
    first, second = _node("0x1", head=100), _node("0x2", head=104)
    rpc = pool(first, second, now=1_000_137.0)
    assert await rpc.request("eth_call", []) == "0x2"
    assert _health(rpc) == [Health.LAGGING, Health.ALIVE]
    first.head = 104
    rpc.looked_at = None
    assert await rpc.request("eth_call", []) == "0x1"
    assert _health(rpc) == [Health.ALIVE, Health.ALIVE]


@pytest.mark.parametrize(
    ("head", "fork", "now"),
    [
        # Not more than three blocks behind; its block is young; the other has another chain.
        (103, "", 1_000_137.0),
        (104, "", 1_000_136.0),
        (104, "other", 1_000_137.0),
    ],
)
async def test_nobody_lags_by_the_mere_word_of_another(head: int, fork: str, now: float) -> None:
    rpc = pool(_node("0x1"), _node("0x2", head=head, fork=fork), now=now)
    assert await rpc.request("eth_call", []) == "0x1"
    assert _health(rpc)[0] is Health.ALIVE


@pytest.mark.parametrize("child", [None, DEAD, block(7), {"number": "0x65"}])
async def test_who_cannot_show_the_child_of_a_block_is_not_ahead_of_it(child: Any) -> None:
    async def blocks(params: Any) -> Any:
        if params[0] == "latest":
            return block(1_000_000)
        if isinstance(child, BaseException):
            raise child
        return child

    liar = FakeNode(answers={"eth_getBlockByNumber": blocks, "eth_call": "0x2"})
    rpc = pool(_node("0x1"), liar, now=2_000_000.0)
    assert await rpc.request("eth_call", []) == "0x1"
    assert _health(rpc)[0] is Health.ALIVE


@pytest.mark.parametrize("latest", [None, "0x1", {}, {"number": 5}])
async def test_an_endpoint_without_a_latest_block_is_not_used(latest: Any) -> None:
    broken = FakeNode(answers={"eth_getBlockByNumber": latest, "eth_call": "0x1"})
    rpc = pool(broken, _node("0x2"))
    assert await rpc.request("eth_call", []) == "0x2"
    assert _health(rpc) == [Health.UNREACHABLE, Health.ALIVE]


async def test_a_transaction_goes_to_all_that_are_up() -> None:
    nodes = [FakeNode(answers={_SEND: "0x1"}) for _ in range(3)]
    nodes[1].fails = DEAD
    assert await pool(*nodes).request(_SEND, ["0xaa"]) == "0x1"
    assert [node.asked.count(_SEND) for node in nodes] == [1, 0, 1]
    # One that hangs is not waited for; one that refuses does not matter while another takes it.
    waiting = asyncio.Event()

    async def hang(_: Any) -> Any:
        await waiting.wait()

    nodes = [
        FakeNode(answers={_SEND: hang}),
        FakeNode(answers={_SEND: RpcRefused("known", code=-32_000, data=b"")}),
        FakeNode(answers={_SEND: "0x3"}),
    ]
    assert await pool(*nodes).request(_SEND, ["0xaa"]) == "0x3"


async def test_a_transaction_that_nobody_takes_is_refused_or_unknown() -> None:
    refusal = RpcRefused("nonce too low", code=-32_000, data=b"")
    nodes = [FakeNode(answers={_SEND: DEAD}), FakeNode(answers={_SEND: refusal})]
    with pytest.raises(RpcRefused, match="nonce too low"):
        await pool(*nodes).request(_SEND, ["0xaa"])
    nodes[1].answers[_SEND] = DEAD
    with pytest.raises(ChainError, match="no answer within 3 s; no answer"):
        await pool(*nodes).request(_SEND, ["0xaa"])


async def test_an_endpoint_that_hangs_at_its_first_question_delays_nobody_for_long() -> None:
    waiting = asyncio.Event()

    async def hang(_: Any) -> Any:
        await waiting.wait()

    rpc = pool(FakeNode(answers={"eth_chainId": hang}), _node("0x2"))
    async with asyncio.timeout(20):
        assert await rpc.request("eth_call", []) == "0x2"
    assert _health(rpc) == [Health.UNREACHABLE, Health.ALIVE]


async def test_a_liar_is_not_asked_for_an_hour_not_even_if_nobody_else_is_up() -> None:
    node = _node("0x1")
    rpc = pool(node, _node(DEAD))
    await rpc.look(max_age_s=0)
    rpc.endpoints[0].lied("eth_getBalance")
    assert _health(rpc)[0] is Health.LYING
    asked = len(node.asked)
    with pytest.raises(ChainError):
        await rpc.request("eth_call", [])
    assert len(node.asked) == asked
    assert 3_500 < rpc.endpoints[0].rests_until - asyncio.get_running_loop().time() <= 3_600
    _rested(rpc)
    assert await rpc.request("eth_call", []) == "0x1"
    assert _health(rpc)[0] is Health.ALIVE


def test_an_endpoint_begins_unchecked() -> None:
    endpoint = Endpoint(2, FakeNode())
    assert (endpoint.state.number, endpoint.state.health) == (2, "unchecked")
