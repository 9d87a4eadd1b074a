"""Replies: what is one, what an error says, and what no message shows."""

import json
from typing import Any

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.rpc import RpcBusy, RpcMalformed, RpcOversized, RpcRefused, hex_bytes, quantity
from oracle.chain.rpc.reply import parse_reply
from oracle.chain.rpc.transport import retry_after_s, secrets_of


def _parse(reply: Any, *, secrets: tuple[str, ...] = ()) -> Any:
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return parse_reply(body, id_=7, method="eth_call", secrets=secrets)


def _reply(**fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7} | fields


def _error(**fields: Any) -> dict[str, Any]:
    return _reply(error={"code": 3, "message": "execution reverted"} | fields)


@pytest.mark.parametrize("result", ["0x1", None, False, [], {"a": "1.5"}])
def test_the_result_of_the_request_is_the_answer(result: Any) -> None:
    assert _parse(_reply(result=result)) == result
    assert _parse(_reply(result=result, error=None)) == result


def test_no_float_is_made() -> None:
    assert _parse(b'{"jsonrpc":"2.0","id":7,"result":[1.50]}') == ["1.50"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        json.dumps(_reply(result="0x1")).encode("utf-16"),
        b'{"jsonrpc":"2.0","id":7,"result":"0x1"',
        b'{"jsonrpc":"2.0","id":7,"result":"0x1"}{}',
        b'{"jsonrpc":"2.0","id":7,"result":"0x1","result":"0x2"}',
        b'{"jsonrpc":"2.0","id":7,"result":NaN}',
        b'{"jsonrpc":"2.0","id":7,"result":' + b"9" * 5_000 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        [_reply(result="0x1")],
        "0x1",
        None,
        {"id": 7, "result": "0x1"},
        {"jsonrpc": "1.0", "id": 7, "result": "0x1"},
        {"jsonrpc": "2.0", "result": "0x1"},
        _reply(),
        _reply(id=8, result="0x1"),
        _reply(id="7", result="0x1"),
        _reply(id=True, result="0x1"),
        _reply(id="7.0", result="0x1"),
        _reply(id=None, result="0x1"),
        _reply(id=None, error={"code": 3, "message": "reverted"}),
        _reply(error="reverted"),
        _reply(error={}),
        _reply(error={"code": "3"}),
        _reply(error={"code": True}),
        _reply(result="0x1", error={"code": 3}),
    ],
)
def test_anything_else_is_no_answer(body: Any) -> None:
    with pytest.raises(RpcMalformed):
        _parse(body)


def test_a_refusal_has_code_message_and_revert_data() -> None:
    with pytest.raises(RpcRefused, match=r"^eth_call: error 3: execution reverted$") as caught:
        _parse(_error(data="0x01020304"))
    assert (caught.value.code, caught.value.data) == (3, b"\x01\x02\x03\x04")
    with pytest.raises(RpcRefused) as caught:
        _parse(_error(data={"data": "0xaabb"}))
    assert caught.value.data == b"\xaa\xbb"


@pytest.mark.parametrize("data", ["zz", "0xzz", "0x0", "0x00 ff", 5, {"data": 5}, None])
def test_revert_data_that_is_none_is_empty(data: Any) -> None:
    with pytest.raises(RpcRefused) as caught:
        _parse(_error(data=data))
    assert caught.value.data == b""


def test_nesting_and_number_of_lists_are_bounded() -> None:
    for deep in (b"[" * 33 + b"]" * 33, b'{"a":' * 19_000, b"[" * 20_000):
        with pytest.raises(RpcMalformed, match="nested deeper than 32"):
            _parse(deep)
    with pytest.raises(RpcOversized, match="more than 20000 lists"):
        _parse(b"[" + b"[]," * 20_000 + b"[]]")
    with pytest.raises(RpcOversized, match="more than 20000 lists"):
        _parse(b"[" * 1_000_000)
    with pytest.raises(RpcOversized, match="more than 100000 values"):
        _parse(_reply(result=dict.fromkeys(map(str, range(50_000)))))
    assert len(_parse(_reply(result=["0x1"] * 90_000))) == 90_000
    # Brackets in text are none, however the text is spelled; a text that does not end is none.
    text = '[{\\"' * 50_000
    assert _parse(_reply(result=[text])) == [text]
    for endless in (b"[\\", b'\\"['):
        with pytest.raises(RpcMalformed):
            _parse(b'"' + endless * 300_000)
    assert _parse(_reply(result=[[{}]] * 5_000)) == [[{}]] * 5_000


def test_a_message_is_short_and_printable() -> None:
    with pytest.raises(RpcRefused) as caught:
        _parse(_error(message="a\n\x1b[31m" + "b" * 1_000))
    assert str(caught.value) == "eth_call: error 3: a??[31m" + "b" * 193


@pytest.mark.parametrize("id_", [7, None])
@pytest.mark.parametrize("code", [-32_005, 429])
def test_a_limited_rate_is_no_refusal_even_if_the_request_was_not_read(
    id_: int | None, code: int
) -> None:
    with pytest.raises(RpcBusy):
        _parse(_reply(id=id_, error={"code": code, "message": "slow down"}))


URL = "https://user:p%40ssw@rpc.example.com/v2/KEY-IN-PATH/x?token=TOKEN-IN-QUERY#fragment"


def test_what_may_be_a_key_in_an_url_is_never_repeated() -> None:
    secrets = secrets_of(URL)
    said = "no p@ssw or p%40ssw of user at /v2/KEY-IN-PATH/x, KEY-IN-PATH, TOKEN-IN-QUERY, fragment"
    with pytest.raises(RpcRefused) as caught:
        _parse(_error(message=said), secrets=secrets)
    for secret in ("ssw", "user", "KEY", "TOKEN", "fragment"):
        assert secret not in str(caught.value)
    assert "v2" not in secrets
    # printf 'user:p@ssw' | base64
    assert "dXNlcjpwQHNzdw==" in secrets
    assert secrets_of("http://127.0.0.1:8545") == ()


def test_a_reason_in_which_a_key_stands_is_no_reason() -> None:
    data = "0x" + b"no such key: KEY-IN-PATH".hex()
    with pytest.raises(RpcRefused) as caught:
        _parse(_error(message="reverted", data=data), secrets=secrets_of(URL))
    assert caught.value.data == b""
    with pytest.raises(RpcRefused) as caught:
        _parse(_error(message="reverted", data="0x1234"), secrets=secrets_of(URL))
    assert caught.value.data == b"\x12\x34"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "\u0661"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        (
            {
                "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
                "Date": "Fri, 31 Dec 1999 23:59:29 GMT",
            },
            30.0,
        ),
        (
            {
                "Retry-After": "Fri, 31 Dec 1999 23:59:29 GMT",
                "Date": "Fri, 31 Dec 1999 23:59:59 GMT",
            },
            0.0,
        ),
        (
            {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "31 Dec 1999 23:59:59 -0000"},
            None,
        ),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_quantities() -> None:
    assert quantity("0x1b4") == 436
    assert quantity("0x" + "f" * 64) == 2**256 - 1
    for value in (
        None,
        5,
        True,
        "5",
        "0x",
        "0xzz",
        "0x_1",
        "0x1_0",
        " 0x1",
        "0x1\n",
        "0x" + "1" * 65,
    ):
        with pytest.raises(ChainError, match="wanted a quantity"):
            quantity(value)


def test_bytes() -> None:
    assert hex_bytes("0x00ff", 2) == b"\x00\xff"
    assert hex_bytes("0x") == b""
    values: list[tuple[Any, int | None]] = [
        (None, None),
        ("00", None),
        ("0x0", None),
        ("0xzz", None),
        ("0x00 ff", None),
        ("0x00 ff", 2),
        ("0x00ff\n", 2),
        ("0x00", 2),
        ("0xzz", 1),
    ]
    for value, size in values:
        with pytest.raises(ChainError, match="bytes"):
            hex_bytes(value, size)
