import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from enclave.attesters import simulated
from enclave.attesters.base import Attester
from enclave.attesters.simulated import SimulatedAttester, measure
from enclave.domain.errors import AttestationError, ConfigError, MalformedEvidence
from enclave.domain.evidence import TeeKind, emulated_measurement
from enclave.domain.wire import decode_body, encode_frame, frame_length

MEASUREMENT = bytes(range(48))


@contextlib.asynccontextmanager
async def _silicon(path: Path, reply: bytes) -> AsyncIterator[list[dict[str, Any]]]:
    """A vendor that answers everything with the same bytes, and what it was asked."""
    asked: list[dict[str, Any]] = []
    closed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = frame_length(await reader.readexactly(4))
        asked.append(decode_body(await reader.readexactly(length)))
        writer.write(reply)
        await _close(writer, closed)

    async with await asyncio.start_unix_server(answer, path=path):
        yield asked
        await closed.wait()


async def _close(writer: asyncio.StreamWriter, closed: asyncio.Event) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    closed.set()


def _attester(path: Path, tee: TeeKind = TeeKind.TDX) -> SimulatedAttester:
    return SimulatedAttester(tee=tee, silicon=path, measurement=MEASUREMENT)


@pytest.mark.parametrize(("tee", "name"), [(TeeKind.SGX, "sgx"), (TeeKind.TDX, "tdx")])
async def test_evidence_is_the_vendors_bytes(tee: TeeKind, name: str, tmp_path: Path) -> None:
    path = tmp_path / "s"
    attester: Attester = _attester(path, tee)
    async with _silicon(path, encode_frame({"quote": b"a quote"})) as asked:
        assert await attester.attest(bytes(range(64))) == b"a quote"
    assert asked == [{"tee": name, "measurement": MEASUREMENT, "report_data": bytes(range(64))}]
    assert (attester.name, attester.tee) == ("simulated", tee)


@pytest.mark.parametrize("size", [0, 63, 65])
async def test_report_data_is_of_64_bytes(size: int, tmp_path: Path) -> None:
    with pytest.raises(MalformedEvidence, match="wanted 64"):
        await _attester(tmp_path / "s").attest(bytes(size))


async def test_a_refusal_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with _silicon(path, encode_frame({"error": "tee is snp"})):
        with pytest.raises(AttestationError, match="refused: tee is snp"):
            await _attester(path).attest(bytes(64))


@pytest.mark.parametrize("answer", [{}, {"quote": "text"}, {"quote": b"", "error": "both"}])
async def test_another_answer_is_malformed(answer: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with _silicon(path, encode_frame(answer)):
        with pytest.raises(MalformedEvidence, match="wanted quote"):
            await _attester(path).attest(bytes(64))


@pytest.mark.parametrize(
    "frame",
    [
        b"\0\0\0\0",
        b"\0\0\0\x01\x80",
        (simulated.MAX_QUOTE + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
    ],
)
async def test_another_frame_is_malformed(frame: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with _silicon(path, frame):
        with pytest.raises(MalformedEvidence, match="emulated vendor"):
            await _attester(path).attest(bytes(64))


@pytest.mark.parametrize("reply", [b"", b"\0\0", b"\0\0\0\x20half"])
async def test_a_vendor_that_hangs_up_is_an_error(reply: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with _silicon(path, reply):
        with pytest.raises(AttestationError, match="IncompleteReadError"):
            await _attester(path).attest(bytes(64))


async def test_a_missing_vendor_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AttestationError, match="FileNotFoundError"):
        await _attester(tmp_path / "nobody").attest(bytes(64))


async def test_a_silent_vendor_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "TIMEOUT_S", 0.01)

    closed = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await _close(writer, closed)

    path = tmp_path / "s"
    async with await asyncio.start_unix_server(say_nothing, path=path):
        with pytest.raises(AttestationError, match="TimeoutError"):
            await _attester(path).attest(bytes(64))
        await closed.wait()


def test_only_sgx_and_tdx_are_emulated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no NITRO, wanted SGX or TDX"):
        _attester(tmp_path, TeeKind.NITRO)


def test_a_measurement_is_of_48_bytes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wanted 48"):
        SimulatedAttester(tee=TeeKind.SGX, silicon=tmp_path, measurement=bytes(32))


def test_the_measurement_covers_code_lock_and_ca(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "sources").mkdir()
    files = {
        "a.py": b"1",
        "sources/b.py": b"2",
        "requirements.lock": b"3",
        "ca/roots.pem": b"4",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "README.md").write_bytes(b"not measured")
    assert measure(tmp_path, extra_ca=None) == emulated_measurement(files)
    with_ca = emulated_measurement(files | {"extra-ca": b"5"})
    assert measure(tmp_path, extra_ca=b"5") == with_ca


@pytest.mark.parametrize("missing", ["requirements.lock", "ca/roots.pem"])
def test_a_measured_file_must_be_there(missing: str, tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    for name in {"requirements.lock", "ca/roots.pem"} - {missing}:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot measure"):
        measure(tmp_path, extra_ca=None)
