"""A JSON-RPC reply: the answer to exactly one request, or nothing.

Reference:
    JSON-RPC 2.0 specification (2013-01-04), sections 5 and 5.1.
"""

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NoReturn

from enclave.domain.errors import ChainError
from oracle.chain.rpc.errors import RpcBusy, RpcMalformed, RpcOversized, RpcRefused
from oracle.chain.rpc.values import hex_bytes

#: JSON-RPC error codes that say "not me, not now" (rate limits), so that another endpoint may.
_BUSY = frozenset({-32005, 429})
_MESSAGE_SIZE = 200
#: Deepest nesting, most lists and objects, and most names and values: an event has two lists and
#: objects, three deep, with some 25 names and values.
_DEPTH = 32
_CONTAINERS = 20_000
_VALUES = 100_000
_BRACKETS = b"[]{}"
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
#: Opening brackets become +1 and closing ones -1, read as signed bytes.
_LEVELS = bytes.maketrans(_BRACKETS, b"\x01\xff\x01\xff")


def parse_reply(body: bytes, *, id_: int, method: str, secrets: Sequence[str] = ()) -> Any:
    """Read the result out of a reply.

    Checks form and that the reply is to this request. Whether the result is true, or of the type
    that the method has, is not established.

    Args:
        body: The whole body of the HTTP response, UTF-8.
        id_: Of the request.
        method: Of the request, for messages.
        secrets: What no message may show, though the endpoint says it.

    Raises:
        RpcRefused: The reply is an error; its message is the endpoint's, printable, at most 200
            characters.
        RpcBusy: The reply is an error that says that the rate is limited.
        RpcOversized: It holds more than any answer that is read.
        RpcMalformed: Anything else.
    """
    _check_size(body)
    try:
        reply = json.loads(
            body.decode("utf-8"),
            parse_float=str,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:
        raise RpcMalformed(f"answer is not JSON-RPC ({type(error).__name__})") from None
    if not isinstance(reply, dict) or reply.get("jsonrpc") != "2.0":
        raise RpcMalformed("answer is not JSON-RPC")
    failure = _failure(method, reply.get("error"), secrets)
    if reply.get("id") is None and isinstance(failure, RpcBusy):
        # What stands before a node limits the rate without having read the request.
        raise failure
    if type(reply.get("id")) is not int or reply["id"] != id_:
        raise RpcMalformed("answer to another request")
    if (failure is None) != ("result" in reply):
        raise RpcMalformed("answer is not JSON-RPC")
    if failure is not None:
        raise failure
    return reply["result"]


def _check_size(body: bytes) -> None:
    """Bound the work before any parsing, in time linear in the body.

    Deep nesting would end the process: a library of the host raises Python's own bound beyond
    what the stack holds.
    """
    values = body.count(b",") + body.count(b":")
    if values > _VALUES:
        raise RpcOversized(f"answer has more than {_VALUES} values")
    if body.count(b"[") + body.count(b"{") <= _DEPTH:
        return
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(plain.split(b'"')[::2])
    if outside.count(b"[") + outside.count(b"{") > _CONTAINERS:
        raise RpcOversized(f"answer has more than {_CONTAINERS} lists and objects")
    levels = memoryview(outside.translate(_LEVELS, _NOT_BRACKETS)).cast("b")
    if max(accumulate(levels), default=0) > _DEPTH:
        raise RpcMalformed(f"answer is nested deeper than {_DEPTH}")


def _failure(method: str, error: object, secrets: Sequence[str]) -> RpcBusy | RpcRefused | None:
    """What an error object says; `None` if there is none."""
    if error is None:
        return None
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        raise RpcMalformed("answer is not JSON-RPC")
    code = error["code"]
    if code in _BUSY:
        return RpcBusy("rate limit")
    said = str(error.get("message", ""))
    for secret in secrets:
        said = said.replace(secret, "***")
    text = "".join(char if char.isprintable() else "?" for char in said[:_MESSAGE_SIZE])
    data = _revert(error.get("data"))
    if any(secret.encode() in data for secret in secrets):
        data = b""  # Its text would be shown as the reason.
    return RpcRefused(f"{method}: error {code}: {text}", code=code, data=data)


def _revert(data: object) -> bytes:
    """Revert data, which some nodes nest; empty if that is none."""
    if isinstance(data, dict):
        data = data.get("data")
    try:
        return hex_bytes(data)
    except ChainError:
        return b""


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
