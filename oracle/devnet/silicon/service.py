"""The emulated vendor behind a unix socket: quotes for enclaves, and control of what happens.

Frames as in `enclave.domain.wire`: a 4-byte big-endian length and one deterministic CBOR map.
Request `{"tee": "sgx" | "tdx", "measurement": 48 bytes, "report_data": 64 bytes}`; answer
`{"quote": bytes}` or `{"error": text}`. A request with the key `control` lets something happen to
the vendor; see `control.py`. Whatever is not such a frame closes the connection.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from enclave.domain.errors import ProtocolError
from enclave.domain.evidence import TeeKind
from enclave.domain.wire import LENGTH_BYTES, decode_body, encode_frame, frame_length
from oracle.devnet.silicon.control import obey
from oracle.devnet.silicon.lifecycle import Lifecycle
from oracle.devnet.silicon.vendor import SiliconVendor

MAX_CONNECTIONS = 16
MAX_REQUEST = 1_024
IDLE_TIMEOUT_S = 10.0
_TEES = {"sgx": TeeKind.SGX, "tdx": TeeKind.TDX}


async def serve_silicon(
    lifecycle: Lifecycle, path: Path, *, listening: asyncio.Event | None = None
) -> None:
    """Serve quotes until cancelled; the socket is for its owner only and goes with the service.

    Args:
        lifecycle: The vendor that signs, and what happens to it.
        path: Where the socket is made; its folder exists, and nothing is at the path.
        listening: Set when the socket accepts connections.

    Raises:
        OSError: The socket cannot be made.
    """
    service = _Service(lifecycle)
    async with asyncio.TaskGroup() as connections:

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.create_task(service.answer(reader, writer))

        server = await asyncio.start_unix_server(accept, path=path)
        with closing(server), _own_socket(path):
            if listening is not None:
                listening.set()
            await asyncio.get_running_loop().create_future()


def reply_to(lifecycle: Lifecycle, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one request; a refusal is an answer too."""
    if "control" not in request:
        return _quoted(lifecycle.vendor, request)
    try:
        return obey(lifecycle, request)
    except ValueError as error:
        return {"error": str(error)}


def _quoted(vendor: SiliconVendor, request: Mapping[str, Any]) -> dict[str, Any]:
    if request.keys() != {"tee", "measurement", "report_data"}:
        return {
            "error": f"request has keys {sorted(request)}, wanted measurement, report_data, tee"
        }
    tee = _TEES.get(request["tee"]) if isinstance(request["tee"], str) else None
    if tee is None:
        return {"error": f"tee is {request['tee']!r}, wanted sgx or tdx"}
    measurement, report_data = request["measurement"], request["report_data"]
    if not isinstance(measurement, bytes) or not isinstance(report_data, bytes):
        return {"error": "measurement and report_data are byte strings"}
    try:
        quote = vendor.quote(tee, measurement=measurement, report_data=report_data)
    except ValueError as error:
        return {"error": str(error)}
    return {"quote": quote}


@contextmanager
def _own_socket(path: Path) -> Iterator[None]:
    path.chmod(0o600)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


class _Service:
    """Counts its connections, so that no more than `MAX_CONNECTIONS` live at once."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._open = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection in order until it ends or breaks the protocol."""
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                with suppress(
                    ProtocolError, ConnectionError, asyncio.IncompleteReadError, TimeoutError
                ):
                    await self._answer_all(reader, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_TIMEOUT_S):
                length = frame_length(await reader.readexactly(LENGTH_BYTES))
                if length > MAX_REQUEST:
                    raise ProtocolError(f"request of {length} bytes, wanted at most {MAX_REQUEST}")
                request = decode_body(await reader.readexactly(length))
                writer.write(encode_frame(reply_to(self._lifecycle, request)))
                await writer.drain()
