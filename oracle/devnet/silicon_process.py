"""The emulated silicon vendor as a process of its own, and control of what happens to it."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enclave.domain.errors import ConfigError, ProtocolError
from enclave.domain.wire import LENGTH_BYTES, decode_body, encode_frame, frame_length
from oracle.devnet.process import child
from oracle.devnet.silicon.vendor import VendorConstants

_START_S = 10.0
_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Silicon:
    """A running vendor.

    Attributes:
        constants: What contracts are built with.
        pcs: URL of its collateral service.
        socket: Where quotes are asked for, and control.
    """

    constants: VendorConstants
    pcs: str
    socket: Path

    async def control(self, event: str, **arguments: Any) -> dict[str, Any]:
        """Let something happen to the vendor; see `silicon/control.py`.

        Raises:
            ConfigError: It refuses, or is gone.
        """
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await _ask(self.socket, {"control": event, **arguments})
        except (OSError, asyncio.IncompleteReadError, ProtocolError) as error:
            raise ConfigError(f"emulated silicon: {type(error).__name__}") from error
        if "error" in answer:
            raise ConfigError(f"emulated silicon refused: {answer['error']}")
        return answer


@contextlib.asynccontextmanager
async def silicon(path: Path, *, forms: Sequence[str] = ()) -> AsyncIterator[Silicon]:
    """Run a vendor with fresh keys for the length of the block.

    Args:
        path: Where its socket is made.
        forms: Of its quotes, such as `sgx-v5`; the oldest where none is given.

    Raises:
        ConfigError: It does not start.
    """
    command = [sys.executable, "-m", "oracle.devnet.silicon", "--listen", str(path)]
    command += [f"--form={form}" for form in forms]
    async with child(command, name="emulated silicon") as process:
        line = json.loads(await process.line(within_s=_START_S))
        yield Silicon(_constants(line), line["pcs"], path)


async def _ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(encode_frame(request))
        await writer.drain()
        return decode_body(
            await reader.readexactly(frame_length(await reader.readexactly(LENGTH_BYTES)))
        )
    finally:
        writer.close()


def _constants(line: dict[str, Any]) -> VendorConstants:
    return VendorConstants(
        root_certificate=bytes.fromhex(line["root_certificate"][2:]),
        signer_name=bytes.fromhex(line["signer_name"][2:]),
    )
