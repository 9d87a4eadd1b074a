"""Endpoints: who is asked, what an error says, and what it never says."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from enclave.domain.errors import ChainError
from oracle.chain.rpc import Endpoint, Rpc, RpcRefused, hex_bytes, open_rpc, quantity

SECRET = "https://rpc.example.com/v2/SECRET"
Answer = Callable[[str], Any]


class FakeProvider:
    """Answers by method; an exception is raised."""

    def __init__(self, answer: Answer, chain_id: int = 31_337) -> None:
        self.asked: list[str] = []
        self._answer = answer
        self.chain_id = chain_id

    async def make_request(self, method: Any, params: Any) -> Any:
        self.asked.append(method)
        if method == "eth_chainId":
            return {"jsonrpc": "2.0", "id": 1, "result": hex(self.chain_id)}
        answer = self._answer(method)
        if isinstance(answer, BaseException):
            raise answer
        if answer == "hang":
            await asyncio.sleep(60)
        return answer


def _result(value: Any) -> Answer:
    return lambda _: {"jsonrpc": "2.0", "id": 1, "result": value}


def _rpc(*providers: FakeProvider, timeout_s: float = 1.0) -> Rpc:
    endpoints = [Endpoint(number, provider) for number, provider in enumerate(providers, 1)]
    return Rpc(31_337, endpoints, timeout_s)


def _unauthorized() -> aiohttp.ClientResponseError:
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    request = aiohttp.RequestInfo(URL(SECRET), "POST", headers, URL(SECRET))
    return aiohttp.ClientResponseError(request, (), status=401, message=SECRET)


async def test_the_first_endpoint_answers_and_the_second_is_not_asked() -> None:
    first, second = FakeProvider(_result("0x1")), FakeProvider(_result("0x2"))
    assert await _rpc(first, second).request("eth_blockNumber", []) == "0x1"
    assert second.asked == []


async def test_the_chain_id_is_checked_once_before_the_first_answer() -> None:
    provider = FakeProvider(_result("0x1"))
    rpc = _rpc(provider)
    for _ in range(2):
        await rpc.request("eth_blockNumber", [])
    assert provider.asked == ["eth_chainId", "eth_blockNumber", "eth_blockNumber"]


async def test_an_endpoint_of_another_chain_is_never_used() -> None:
    wrong, right = FakeProvider(_result("0x1"), chain_id=1), FakeProvider(_result("0x2"))
    assert await _rpc(wrong, right).request("eth_blockNumber", []) == "0x2"
    assert wrong.asked == ["eth_chainId"]
    with pytest.raises(ChainError, match="endpoint 1 of 1: chain id 1, wanted 31337"):
        await _rpc(FakeProvider(_result("0x1"), chain_id=1)).request("eth_blockNumber", [])


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (aiohttp.ClientConnectionError(SECRET), "not reachable (ClientConnectionError)"),
        (_unauthorized(), "HTTP status 401"),
        (OSError(SECRET), "not reachable (OSError)"),
        (ValueError(SECRET), "answer is not JSON-RPC (ValueError)"),
        ([SECRET], "answer is not JSON-RPC"),
        ({"jsonrpc": "2.0"}, "answer is not JSON-RPC"),
        ({"error": {"code": -32005, "message": "limit"}}, "rate limit"),
    ],
)
async def test_a_failing_endpoint_is_passed_over_and_its_url_is_never_said(
    failure: Any, said: str
) -> None:
    broken = FakeProvider(lambda _: failure)
    assert await _rpc(broken, FakeProvider(_result("0x2"))).request("eth_call", []) == "0x2"
    with pytest.raises(ChainError) as caught:
        await _rpc(broken).request("eth_call", [])
    assert str(caught.value) == f"eth_call: endpoint 1 of 1: {said}"
    assert "SECRET" not in repr(caught.value.__cause__) + repr(caught.value.__context__)


async def test_an_endpoint_that_hangs_is_passed_over_after_its_time() -> None:
    slow, quick = FakeProvider(lambda _: "hang"), FakeProvider(_result("0x2"))
    rpc = _rpc(slow, quick, timeout_s=0.05)
    assert await rpc.request("eth_call", []) == "0x2"
    with pytest.raises(ChainError, match=r"no answer within 0\.05 s"):
        await _rpc(slow, timeout_s=0.05).request("eth_call", [])


async def test_a_failed_endpoint_rests_and_is_checked_again_when_it_returns() -> None:
    answers: list[Any] = [aiohttp.ClientConnectionError(), {"result": "0x1"}]
    first = FakeProvider(lambda _: answers.pop(0))
    rpc = _rpc(first, FakeProvider(_result("0x2")))
    assert await rpc.request("eth_call", []) == "0x2"
    assert await rpc.request("eth_call", []) == "0x2"
    rpc.endpoints[0].rests_until = 0.0
    assert await rpc.request("eth_call", []) == "0x1"
    assert first.asked.count("eth_chainId") == 2
    assert rpc.endpoints[0].failures == 0


async def test_a_resting_endpoint_is_asked_when_there_is_no_other() -> None:
    answers: list[Any] = [aiohttp.ClientConnectionError(), {"result": "0x1"}]
    rpc = _rpc(FakeProvider(lambda _: answers.pop(0)))
    with pytest.raises(ChainError):
        await rpc.request("eth_call", [])
    assert await rpc.request("eth_call", []) == "0x1"


async def test_a_refusal_is_the_answer_and_no_other_endpoint_is_asked() -> None:
    error = {"error": {"code": 3, "message": "execution reverted", "data": "0x01020304"}}
    second = FakeProvider(_result("0x2"))
    with pytest.raises(RpcRefused) as caught:
        await _rpc(FakeProvider(lambda _: error), second).request("eth_call", [])
    assert (caught.value.code, caught.value.data) == (3, b"\x01\x02\x03\x04")
    assert second.asked == []


@pytest.mark.parametrize("data", ["zz", "0xzz", 5, {"data": "0x"}, None])
async def test_revert_data_that_is_none_is_empty(data: Any) -> None:
    error = {"error": {"code": "x", "message": None, "data": data}}
    with pytest.raises(RpcRefused) as caught:
        await _rpc(FakeProvider(lambda _: error)).request("eth_call", [])
    assert (caught.value.code, caught.value.data) == (0, b"")


async def test_nested_revert_data_is_found() -> None:
    error = {"error": {"code": 3, "message": "", "data": {"data": "0xaabb"}}}
    with pytest.raises(RpcRefused) as caught:
        await _rpc(FakeProvider(lambda _: error)).request("eth_call", [])
    assert caught.value.data == b"\xaa\xbb"


async def test_calls_and_errors_are_counted() -> None:
    answers: list[Any] = [aiohttp.ClientConnectionError(), {"result": "0x1"}]
    rpc = _rpc(FakeProvider(lambda _: answers.pop(0)))
    with pytest.raises(ChainError):
        await rpc.request("eth_call", [])
    await rpc.request("eth_call", [])
    assert (rpc.endpoints[0].calls, rpc.endpoints[0].errors) == (4, 1)


def test_quantities() -> None:
    assert quantity("0x1b4") == 436
    for value in (None, 5, "5", "0x", "0xzz"):
        with pytest.raises(ChainError, match="wanted a quantity"):
            quantity(value)


def test_bytes() -> None:
    assert hex_bytes("0x00ff", 2) == b"\x00\xff"
    assert hex_bytes("0x") == b""
    values: Sequence[tuple[Any, int | None]] = (
        (None, None),
        ("00", None),
        ("0x0", None),
        ("0xzz", None),
        ("0x00", 2),
        ("0xzz", 1),
    )
    for value, size in values:
        with pytest.raises(ChainError, match="bytes"):
            hex_bytes(value, size)


async def test_real_providers_do_not_retry_redirect_or_follow_contracts_to_other_hosts() -> None:
    async with open_rpc([SECRET], chain_id=1, timeout_s=3) as rpc:
        provider: Any = rpc.endpoints[0].provider
        assert provider.exception_retry_configuration is None
        assert provider.global_ccip_read_enabled is False
        assert provider.get_request_kwargs()["allow_redirects"] is False
        assert provider.get_request_kwargs()["timeout"].total == 3
