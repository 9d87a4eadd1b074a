"""Why an endpoint gave no result. No error carries the endpoint's URL, which may hold a secret."""

from collections.abc import Mapping
from typing import Any

from enclave.domain.errors import ChainError


class RpcFailure(ChainError):
    """One endpoint gave no answer; another one may.

    That says nothing of what the endpoint did: a transaction may have been accepted.

    Attributes:
        kind: A constant word for metrics.
    """

    kind = "failure"


class RpcUnreachable(RpcFailure):
    """No connection, no answer in time, or an HTTP status that is not a success."""

    kind = "unreachable"


class RpcMalformed(RpcFailure):
    """What came back is not the JSON-RPC answer to what was asked."""

    kind = "malformed"


class RpcOversized(RpcMalformed):
    """The answer is longer than is read; a narrower question may have a shorter one."""

    kind = "oversized"


class RpcBusy(RpcFailure):
    """Not now: the endpoint limits the rate.

    Attributes:
        retry_after_s: How long it wants to be left alone; `None` if it does not say.
    """

    kind = "busy"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RpcRefused(ChainError):
    """The endpoint answered with a JSON-RPC error.

    Attributes:
        code: JSON-RPC error code; 0 if it has none.
        data: Revert data, if it holds any.
    """

    def __init__(self, message: str, *, code: int, data: bytes) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class RpcDisagreement(ChainError):
    """The endpoints contradict each other, so that nothing is known.

    Attributes:
        answers: Endpoint's number -> what it answered, or the error that it answered with.
    """

    def __init__(self, message: str, *, answers: Mapping[int, Any]) -> None:
        super().__init__(message)
        self.answers = answers
