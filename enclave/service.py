"""The request loop: decode, call one function, encode; nothing else."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from enclave.domain.errors import OracleError, ProtocolError
from enclave.domain.wire import OPERATIONS, ErrorView, from_map, to_map
from enclave.log import Log, public_text

_REQUEST_KEYS = {"id", "op", "args"}
_MAX_ID = 2**64 - 1

Handler = Callable[[Any], Awaitable[Any]]


class Channel(Protocol):
    """One connection of the host, frame by frame."""

    async def receive(self) -> dict[str, Any] | None:
        """The next frame; `None` when the host has closed. Raises `ProtocolError`."""
        ...

    async def send(self, frame: dict[str, Any]) -> None:
        """Send one frame. Raises `ProtocolError`."""
        ...


class Service:
    """Answers the requests of one connection in order.

    Args:
        handlers: Operation name to function; exactly the operations of the wire.
        stop: Called after a shutdown was answered.
        log: Gets a line when a connection is closed for a reason.
    """

    def __init__(
        self, handlers: Mapping[str, Handler], *, stop: Callable[[], None], log: Log
    ) -> None:
        self._handlers = handlers
        self._stop = stop
        self._log = log

    async def serve(self, channel: Channel) -> None:
        """Serve until the host closes or breaks the protocol.

        Refusals are answered. An unexpected exception leaves this function: it ends the process.
        """
        try:
            while (frame := await channel.receive()) is not None:
                operation, answer = await self._answer(frame)
                await channel.send(answer)
                if operation == "shutdown":
                    self._stop()
                    return
        except ProtocolError as error:
            self._log.warning("connection_closed", reason=public_text(error))

    async def _answer(self, frame: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        identity, operation, arguments = _decode(frame)
        try:
            result = await self._handlers[operation](arguments)
        except ProtocolError:
            raise
        except OracleError as error:
            view = ErrorView(type(error).__name__, public_text(error), error.retryable)
            self._log.warning("request_refused", operation=operation, error=view.type)
            return operation, {"id": identity, "error": to_map(view)}
        return operation, {"id": identity, "ok": to_map(result)}


def _decode(frame: dict[str, Any]) -> tuple[int, str, Any]:
    """Id, operation and arguments of a request.

    Raises:
        ProtocolError: Other keys, an unknown operation, or arguments of another shape.
    """
    if frame.keys() != _REQUEST_KEYS:
        raise ProtocolError(f"request has {len(frame)} other keys than {sorted(_REQUEST_KEYS)}")
    identity, operation = frame["id"], frame["op"]
    if type(identity) is not int or not 0 <= identity <= _MAX_ID:
        raise ProtocolError("request id is not a uint64")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        raise ProtocolError("unknown operation")
    return identity, operation, from_map(OPERATIONS[operation][0], frame["args"])
