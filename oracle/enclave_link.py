"""Client of the enclave: one typed call for each operation of `enclave.domain.wire`.

The enclave is the trusted side; what it answers is checked for shape, size and time all the same,
so that a wedged or broken process is noticed and replaced instead of stalling the daemon.
"""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from enclave.domain import errors, wire
from enclave.domain.errors import ConfigError, OracleError, ProtocolError

#: Longest time for one operation, seconds. A round has its own, shorter limits inside.
DEADLINES_S = {
    "hello": 5.0,
    "attest": 15.0,
    "load": 10.0,
    "round": 20.0,
    "sign": 5.0,
    "observe": 5.0,
    "cosign": 5.0,
    "health": 5.0,
    "shutdown": 2.0,
}

T = TypeVar("T")


class EnclaveLost(ProtocolError):
    """The enclave ended, hung or broke the protocol: start it anew."""

    retryable = True


class EnclaveClient:
    """One connection to the enclave; calls queue and are answered in order."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        deadlines_s: Mapping[str, float] = DEADLINES_S,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._deadlines_s = deadlines_s
        self._turn = asyncio.Lock()
        self._next_id = 1
        self._broken = False

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        timeout_s: float = 5.0,
        deadlines_s: Mapping[str, float] = DEADLINES_S,
    ) -> Self:
        """Connect to `unix:PATH` or `vsock:CID:PORT`.

        Raises:
            EnclaveLost: Nobody listens there.
            ConfigError: An address of another form.
        """
        family, target = parse_address(address)
        stream = socket.socket(family, socket.SOCK_STREAM)
        stream.setblocking(False)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(stream, target)
                reader, writer = await asyncio.open_connection(sock=stream)
        except (OSError, TimeoutError) as error:
            stream.close()
            raise EnclaveLost(f"cannot connect to the enclave: {type(error).__name__}") from error
        return cls(reader, writer, deadlines_s)

    async def close(self) -> None:
        """Close the connection; the enclave goes on."""
        self._broken = True
        self._writer.close()
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            return

    async def hello(self) -> wire.HelloResult:
        """Say and check the protocol version.

        Raises:
            EnclaveLost: It speaks another protocol, or is gone.
        """
        result = await self._call("hello", wire.Hello(wire.PROTOCOL), wire.HelloResult)
        if result.protocol != wire.PROTOCOL:
            raise EnclaveLost(f"enclave protocol {result.protocol}, wanted {wire.PROTOCOL}")
        if len(result.signer) != 20 or len(result.hpke_public_key) != 32:
            raise EnclaveLost("hello has a signer or HPKE key of the wrong length")
        return result

    async def attest(self, request: wire.Attest) -> wire.AttestResult:
        """Get evidence bound to a chain, registry, operator and recent block."""
        return await self._call("attest", request, wire.AttestResult)

    async def load(self, definitions: Sequence[bytes]) -> tuple[bytes, ...]:
        """Replace the loaded feeds; their ids as the enclave computes them."""
        result = await self._call("load", wire.Load(tuple(definitions)), wire.LoadResult)
        return result.feed_ids

    async def run_round(self, feed_ids: Sequence[bytes]) -> wire.RoundResult:
        """Fetch and aggregate loaded feeds."""
        return await self._call("round", wire.RunRound(tuple(feed_ids)), wire.RoundResult)

    async def sign(self, request: wire.Sign) -> wire.SignResult:
        """Have the last round signed for one hub."""
        return await self._call("sign", request, wire.SignResult)

    async def observe(self, request: wire.Observe) -> wire.SignedObservation:
        """Have the held round's answers of a hub's feeds signed for other nodes.

        Raises:
            EnclaveLost: A field of the wrong length, or the enclave is gone.
        """
        result = await self._call("observe", request, wire.SignedObservation)
        if (len(result.signer), len(result.list_root), len(result.signature)) != (20, 32, 64):
            self._break()
            raise EnclaveLost("observation has a signer, root or signature of the wrong length")
        return result

    async def cosign(self, request: wire.Cosign) -> wire.CosignResult:
        """Have what several nodes observed signed, or the feeds named that stand against it.

        Raises:
            EnclaveLost: Neither one signature nor a refusal, or the enclave is gone.
        """
        result = await self._call("cosign", request, wire.CosignResult)
        if len(result.signed) > 1 or bool(result.signed) == bool(result.refused):
            self._break()
            raise EnclaveLost(
                f"cosign: {len(result.signed)} signatures and {len(result.refused)} refusals"
            )
        return result

    async def health(self) -> wire.HealthResult:
        """Counters of the enclave."""
        return await self._call("health", wire.Health(), wire.HealthResult)

    async def shutdown(self) -> None:
        """Ask the enclave to end."""
        await self._call("shutdown", wire.Shutdown(), wire.Done)

    async def _call(self, operation: str, args: object, shape: type[T]) -> T:
        """One request and its answer.

        Raises:
            EnclaveLost: No valid answer within the operation's deadline; this connection is over.
            OracleError: The refusal that the enclave answered, as its own class.
        """
        frame_id, answer = await self._exchange(operation, args)
        try:
            if answer.get("id") != frame_id:
                raise ProtocolError(f"answer to another request than {frame_id}")
            if answer.keys() == {"id", "ok"}:
                return wire.from_map(shape, answer["ok"])
            if answer.keys() != {"id", "error"}:
                raise ProtocolError("answer is neither ok nor error")
            refusal = wire.from_map(wire.ErrorView, answer["error"])
        except ProtocolError as error:
            self._break()
            raise EnclaveLost(f"{operation}: {error}") from error
        raise refusal_error(refusal)

    async def _exchange(self, operation: str, args: object) -> tuple[int, dict[str, Any]]:
        async with self._turn:
            if self._broken:
                raise EnclaveLost("the connection to the enclave is closed")
            frame_id, self._next_id = self._next_id, self._next_id + 1
            request = {"id": frame_id, "op": operation, "args": wire.to_map(args)}
            frame = wire.encode_frame(request)
            try:
                async with asyncio.timeout(self._deadlines_s[operation]):
                    self._writer.write(frame)
                    await self._writer.drain()
                    prefix = await self._reader.readexactly(wire.LENGTH_BYTES)
                    body = await self._reader.readexactly(wire.frame_length(prefix))
                    return frame_id, wire.decode_body(body)
            except TimeoutError as error:
                self._break()
                limit = self._deadlines_s[operation]
                raise EnclaveLost(f"{operation}: no answer within {limit:g} s") from error
            except (OSError, EOFError) as error:
                self._break()
                raise EnclaveLost(f"{operation}: the enclave closed the connection") from error
            except ProtocolError as error:
                self._break()
                raise EnclaveLost(f"{operation}: {error}") from error
            except asyncio.CancelledError:
                # The answer would be taken for the next call's.
                self._break()
                raise

    def _break(self) -> None:
        self._broken = True
        self._writer.close()


def refusal_error(view: wire.ErrorView) -> OracleError:
    """The error that the enclave reported, as the class of that name; unknown ones as the base."""
    kind = getattr(errors, view.type, OracleError)
    if not (isinstance(kind, type) and issubclass(kind, OracleError)):
        kind = OracleError
    return kind(view.message)


def parse_address(text: str) -> tuple[socket.AddressFamily, Any]:
    """Read `unix:PATH` or `vsock:CID:PORT` as a socket family and its address.

    Raises:
        ConfigError: Any other form.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest and Path(rest).is_absolute():
        return socket.AF_UNIX, rest
    cid, _, port = rest.partition(":")
    if kind == "vsock" and cid.isascii() and cid.isdigit() and port.isascii() and port.isdigit():
        return socket.AF_VSOCK, (int(cid), int(port))
    raise ConfigError(f"address {text!r}, wanted unix:/ABSOLUTE/PATH or vsock:CID:PORT")
