"""Attester of emulated hardware: asks the emulated vendor over a unix socket.

It is chosen by argv only (`--attester simulated --silicon PATH`) and is the one module besides
`egress.py` that opens a connection. Its evidence has the vendor's exact format and another root,
which every production verifier refuses.
"""

import asyncio
from pathlib import Path
from typing import Any

from enclave.domain.errors import AttestationError, ConfigError, MalformedEvidence, ProtocolError
from enclave.domain.evidence import REPORT_DATA_SIZE, TeeKind, emulated_measurement
from enclave.domain.wire import LENGTH_BYTES, decode_body, encode_frame, frame_length

MEASUREMENT_SIZE = 48
MAX_QUOTE = 16_384
TIMEOUT_S = 5.0
_TEE_NAMES = {TeeKind.SGX: "sgx", TeeKind.TDX: "tdx"}


def measure(folder: Path, *, extra_ca: bytes | None) -> bytes:
    """What emulated hardware reports as this enclave's measurement, 48 bytes.

    It covers every Python file under `folder`, the lock and the CA bundle. Nothing enforces that
    this is the code that runs: there is no hardware.

    Args:
        folder: The folder `enclave/`.
        extra_ca: Bytes of the additional CA file, if one was given.

    Raises:
        ConfigError: A file cannot be read.
    """
    try:
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
        measured = (*names, "requirements.lock", "ca/roots.pem")
        files = {name: (folder / name).read_bytes() for name in measured}
    except OSError as error:
        raise ConfigError(f"cannot measure the enclave: {error}") from error
    if extra_ca is not None:
        files["extra-ca"] = extra_ca
    return emulated_measurement(files)


class SimulatedAttester:
    """Client of the emulated vendor.

    Args:
        tee: `SGX` or `TDX`.
        silicon: Path of the vendor's socket.
        measurement: What to report, 48 bytes, from `measure`.

    Raises:
        ConfigError: Another platform or length.
    """

    name = "simulated"

    def __init__(self, *, tee: TeeKind, silicon: Path, measurement: bytes) -> None:
        if tee not in _TEE_NAMES:
            raise ConfigError(f"attester simulated has no {tee.name}, wanted SGX or TDX")
        if len(measurement) != MEASUREMENT_SIZE:
            raise ConfigError(f"measurement of {len(measurement)} bytes, wanted {MEASUREMENT_SIZE}")
        self._tee = tee
        self._silicon = silicon
        self._measurement = measurement

    @property
    def tee(self) -> TeeKind:
        """Platform of the evidence."""
        return self._tee

    async def attest(self, report_data: bytes) -> bytes:
        """A quote in the vendor's format; see `Attester.attest`. One connection for each call."""
        if len(report_data) != REPORT_DATA_SIZE:
            raise MalformedEvidence(
                f"report data of {len(report_data)} bytes, wanted {REPORT_DATA_SIZE}"
            )
        request = {
            "tee": _TEE_NAMES[self._tee],
            "measurement": self._measurement,
            "report_data": report_data,
        }
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await _ask(self._silicon, request)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise AttestationError(f"emulated vendor: {type(error).__name__}") from error
        except ProtocolError as error:
            raise MalformedEvidence(f"emulated vendor: {error}") from error
        return _quote_in(answer)


def _quote_in(answer: dict[str, Any]) -> bytes:
    if answer.keys() == {"error"}:
        raise AttestationError(f"emulated vendor refused: {str(answer['error'])[:200]}")
    quote = answer.get("quote")
    if answer.keys() != {"quote"} or not isinstance(quote, bytes):
        raise MalformedEvidence(f"emulated vendor answered {sorted(answer)}, wanted quote")
    return quote


async def _ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(encode_frame(request))
        await writer.drain()
        length = frame_length(await reader.readexactly(LENGTH_BYTES))
        if length > MAX_QUOTE:
            raise ProtocolError(f"answer of {length} bytes, wanted at most {MAX_QUOTE}")
        return decode_body(await reader.readexactly(length))
    finally:
        writer.close()
