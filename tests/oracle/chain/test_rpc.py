"""Endpoints: who is asked, and who is not."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.rpc import (
    Endpoint,
    Rpc,
    RpcBusy,
    RpcMalformed,
    RpcOversized,
    RpcRefused,
    RpcUnreachable,
)

Answer = Callable[[str], Any]


class FakeTransport:
    """Answers by method; an exception is raised."""

    def __init__(self, answer: Answer, chain_id: Any = 31_337) -> None:
        self.asked: list[str] = []
        self._answer = answer
        self.chain_id = chain_id

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        self.asked.append(method)
        is_id = method == "eth_chainId" and isinstance(self.chain_id, int)
        answer = hex(self.chain_id) if is_id else self._answer(method)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _result(value: Any) -> Answer:
    return lambda _: value


def _rpc(*transports: FakeTransport) -> Rpc:
    return Rpc(31_337, [Endpoint(number, each) for number, each in enumerate(transports, 1)])


async def test_the_first_endpoint_answers_and_the_second_is_not_asked() -> None:
    first, second = FakeTransport(_result("0x1")), FakeTransport(_result("0x2"))
    assert await _rpc(first, second).request("eth_blockNumber", []) == "0x1"
    assert second.asked == []


async def test_the_chain_id_is_checked_once_before_the_first_answer() -> None:
    transport = FakeTransport(_result("0x1"))
    rpc = _rpc(transport)
    for _ in range(2):
        await rpc.request("eth_blockNumber", [])
    assert transport.asked == ["eth_chainId", "eth_blockNumber", "eth_blockNumber"]


async def test_an_endpoint_of_another_chain_is_never_used() -> None:
    wrong, right = FakeTransport(_result("0x1"), chain_id=1), FakeTransport(_result("0x2"))
    assert await _rpc(wrong, right).request("eth_blockNumber", []) == "0x2"
    assert wrong.asked == ["eth_chainId"]
    with pytest.raises(ChainError, match="endpoint 1 of 1: chain id 1, wanted 31337"):
        await _rpc(FakeTransport(_result("0x1"), chain_id=1)).request("eth_blockNumber", [])


@pytest.mark.parametrize(
    "failure",
    [
        RpcUnreachable("no answer within 3 s"),
        RpcMalformed("answer is not JSON-RPC"),
        RpcBusy("rate limit"),
    ],
)
async def test_a_failing_endpoint_is_passed_over_and_named_by_its_number(
    failure: ChainError,
) -> None:
    broken = FakeTransport(lambda _: failure)
    assert await _rpc(broken, FakeTransport(_result("0x2"))).request("eth_call", []) == "0x2"
    with pytest.raises(ChainError) as caught:
        await _rpc(broken).request("eth_call", [])
    assert str(caught.value) == f"eth_call: endpoint 1 of 1: {failure}"


@pytest.mark.parametrize("code", [-32_700, -32_600, -32_601, -32_603])
async def test_an_endpoint_that_is_broken_is_passed_over_if_there_is_another(code: int) -> None:
    broken = FakeTransport(lambda _: RpcRefused("broken", code=code, data=b""))
    assert await _rpc(broken, FakeTransport(_result("0x2"))).request("eth_call", []) == "0x2"
    with pytest.raises(RpcRefused, match="broken"):
        await _rpc(broken, broken).request("eth_call", [])


async def test_an_answer_that_is_too_long_everywhere_may_be_asked_for_in_parts() -> None:
    long = FakeTransport(lambda _: RpcOversized("answer is longer than 9 bytes"))
    assert await _rpc(long, FakeTransport(_result("0x2"))).request("eth_call", []) == "0x2"
    with pytest.raises(RpcOversized, match="endpoint 2 of 2: answer is longer"):
        await _rpc(long, long).request("eth_call", [])


async def test_an_endpoint_that_tells_no_chain_id_is_never_used() -> None:
    refusal = RpcRefused("no", code=-32_000, data=b"")
    for answer in (refusal, "main", None):
        silent = FakeTransport(_result(answer), chain_id=None)
        with pytest.raises(ChainError, match="endpoint 1 of 1: "):
            await _rpc(silent).request("eth_call", [])
        assert silent.asked == ["eth_chainId"]


async def test_a_failed_endpoint_rests_and_is_checked_again_when_it_returns() -> None:
    answers: list[Any] = [RpcUnreachable("no"), "0x1"]
    first = FakeTransport(lambda _: answers.pop(0))
    rpc = _rpc(first, FakeTransport(_result("0x2")))
    assert await rpc.request("eth_call", []) == "0x2"
    assert await rpc.request("eth_call", []) == "0x2"
    rpc.endpoints[0].rests_until = 0.0
    assert await rpc.request("eth_call", []) == "0x1"
    assert first.asked.count("eth_chainId") == 2
    assert rpc.endpoints[0].failures == 0


async def test_a_resting_endpoint_is_asked_when_there_is_no_other() -> None:
    answers: list[Any] = [RpcUnreachable("no"), "0x1"]
    rpc = _rpc(FakeTransport(lambda _: answers.pop(0)))
    with pytest.raises(ChainError):
        await rpc.request("eth_call", [])
    assert await rpc.request("eth_call", []) == "0x1"


async def test_a_refusal_is_the_answer_and_no_other_endpoint_is_asked() -> None:
    refusal = RpcRefused("reverted", code=3, data=b"\x01\x02\x03\x04")
    second = FakeTransport(_result("0x2"))
    with pytest.raises(RpcRefused, match="reverted"):
        await _rpc(FakeTransport(lambda _: refusal), second).request("eth_call", [])
    assert second.asked == []


async def test_calls_and_errors_are_counted() -> None:
    answers: list[Any] = [RpcUnreachable("no"), "0x1"]
    rpc = _rpc(FakeTransport(lambda _: answers.pop(0)))
    with pytest.raises(ChainError):
        await rpc.request("eth_call", [])
    await rpc.request("eth_call", [])
    assert (rpc.endpoints[0].calls, rpc.endpoints[0].errors) == (4, 1)
