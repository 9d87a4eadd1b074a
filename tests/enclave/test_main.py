"""The process: what it refuses to start with, what it inherits, how it ends."""

import asyncio
import ctypes
import gc
import json
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import enclave
from enclave.__main__ import (
    FOLDER,
    MAX_CA_BYTES,
    Settings,
    describe_faults,
    main,
    make_attester,
    parse_arguments,
    run,
)
from enclave.domain.errors import ConfigError
from enclave.domain.evidence import TeeKind
from enclave.domain.wire import (
    PROTOCOL,
    HealthResult,
    HelloResult,
    decode_body,
    encode_frame,
    frame_length,
    from_map,
)
from enclave.hardening import ENVIRONMENT
from tests.fakes.process import MemoryLog

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-enclave" / "bin" / "python"
EXTRA_CA = FOLDER / "ca" / "roots.pem"


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        *("--listen", f"unix:{folder}/e.sock", "--relay", f"unix:{folder}/r.sock"),
        *("--attester", "simulated", "--tee", "tdx", "--silicon", f"{folder}/s.sock"),
        *more,
    ]


class Host:
    """The host's side, blocking."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(40)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def ask(self, operation: str, **args: Any) -> Any:
        self.socket.sendall(encode_frame({"id": 1, "op": operation, "args": args}))
        answer = decode_body(self.file.read(frame_length(self.file.read(4))))
        return answer.get("ok") or answer

    def hello(self) -> HelloResult:
        return from_map(HelloResult, self.ask("hello", protocol=PROTOCOL))

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@contextmanager
def host(path: Path) -> Iterator[Host]:
    one = Host(path)
    try:
        yield one
    finally:
        one.close()


# --- the command line ------------------------------------------------------------------------


def test_the_command_line_is_read(tmp_path: Path) -> None:
    assert parse_arguments(arguments(tmp_path, "--extra-ca", "/x.pem")) == Settings(
        listen=f"unix:{tmp_path}/e.sock",
        relay=f"unix:{tmp_path}/r.sock",
        attester="simulated",
        tee=TeeKind.TDX,
        silicon=tmp_path / "s.sock",
        extra_ca=Path("/x.pem"),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ["--tee", "sgx"],
        ["--tee", "snp"],
        ["--extra", "/x.pem"],
        ["--debug"],
        ["positional"],
    ],
)
def test_a_wrong_command_line_ends_with_2(
    tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = wrong if wrong == ["--tee", "sgx"] else arguments(tmp_path, *wrong)
    with pytest.raises(SystemExit) as caught:
        parse_arguments(given)
    assert caught.value.code == 2
    assert "usage: python -m enclave" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("vsock:CID:PORT", "unix:/PATH", "example", "protects nothing", "Exit status"):
        assert word in text


def settings(**changes: Any) -> Settings:
    given = parse_arguments(arguments(Path("/run")))
    values = {name: getattr(given, name) for name in Settings.__slots__}
    return Settings(**{**values, **changes})


def test_the_attester_is_the_one_that_is_named() -> None:
    attester = make_attester(settings(), None)
    assert (attester.name, attester.tee) == ("simulated", TeeKind.TDX)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attester": "tsm", "silicon": None}, "attester is 'tsm', wanted simulated"),
        ({"attester": "tsm"}, "only for --attester simulated"),
        ({"attester": "tsm", "silicon": None, "extra_ca": EXTRA_CA}, "only for --attester simul"),
        ({"silicon": None}, "needs --silicon PATH"),
    ],
)
def test_another_attester_or_a_foreign_option_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_attester(settings(**changes), None)


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == enclave.VERSION


# --- from start to end -----------------------------------------------------------------------


async def test_it_serves_until_a_signal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, path = MemoryLog(), tmp_path / "e.sock"
    given = parse_arguments(arguments(tmp_path, "--extra-ca", str(EXTRA_CA)))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(given, log=log))
        while not path.exists():
            await asyncio.sleep(0.01)
        with host(path) as one:
            hello = await asyncio.to_thread(one.hello)
            health = from_map(HealthResult, await asyncio.to_thread(one.ask, "health"))
        os.kill(os.getpid(), signal.SIGTERM)
        await task
    assert (hello.tee, hello.attester, hello.version) == (2, "simulated", enclave.VERSION)
    assert health.connections == 1
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["address"]) == ("listening", f"unix:{path}")
    assert line["signer"] == "0x" + hello.signer.hex()
    assert not path.exists()


async def test_what_is_loaded_is_not_walked_again_by_the_collector(tmp_path: Path) -> None:
    gc.unfreeze()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(parse_arguments(arguments(tmp_path)), log=MemoryLog()))
        while not (tmp_path / "e.sock").exists():
            await asyncio.sleep(0.01)
        frozen = gc.get_freeze_count()
        os.kill(os.getpid(), signal.SIGTERM)
        await task
    gc.unfreeze()
    assert frozen > 0


def test_a_shutdown_ends_with_0(tmp_path: Path) -> None:
    answers: list[Any] = []

    def ask() -> None:
        while not (tmp_path / "e.sock").exists():
            threading.Event().wait(0.01)
        with host(tmp_path / "e.sock") as one:
            answers.append(one.ask("shutdown"))

    thread = threading.Thread(target=ask)
    thread.start()
    assert main(arguments(tmp_path), log=MemoryLog()) == 0
    thread.join(10)
    assert answers == [{"id": 1, "ok": {}}]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--listen", "tcp:1"], "address is 'tcp:1'"),
        (["--relay", "tcp:1"], "relay is 'tcp:1'"),
        (["--extra-ca", "/does/not/exist"], "cannot read /does/not/exist: No such file"),
        (["--extra-ca", "/dev/zero"], f"/dev/zero is larger than {MAX_CA_BYTES} bytes"),
        (["--attester", "tsm"], "only for --attester simulated"),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_one_line(
    tmp_path: Path, more: list[str], message: str
) -> None:
    log = MemoryLog()
    assert main(arguments(tmp_path, *more), log=log) == 2
    (line,) = log.lines
    assert (line["level"], line["event"]) == ("error", "wrong_configuration")
    assert message in line["message"]


def test_a_fault_ends_with_1_and_names_kind_and_place_only(tmp_path: Path) -> None:
    log = MemoryLog()
    assert main(arguments(tmp_path, "--extra-ca", "secret\0value"), log=log) == 1
    (line,) = log.lines
    assert (line["event"], line["error"]) == ("fault", "ValueError")
    # The standard library's file that raised it: pathlib.py, or pathlib/_local.py from 3.13 on.
    assert line["place"].partition(":")[0] in ("pathlib.py", "_local.py")
    assert "secret" not in json.dumps(line)


def test_every_fault_of_a_group_is_described() -> None:
    def fail() -> None:
        raise ZeroDivisionError("secret")

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    inner = ExceptionGroup("inner", [caught.value])
    group = ExceptionGroup("outer", [inner, KeyError("secret")])
    described = list(describe_faults(group))
    assert [kind for kind, _ in described] == ["ZeroDivisionError", "KeyError"]
    assert described[0][1].startswith("test_main.py:")
    assert described[1][1] == "unknown"


class Machine:
    """The calls that change a process, remembered instead of made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, dumpable: int) -> None:
        self.done: list[Any] = []
        self._answers = {3: dumpable, 39: 1}
        monkeypatch.setattr(os, "execve", self._execve)
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(prctl=self._prctl()))
        monkeypatch.setattr(resource, "setrlimit", lambda *given: self.done.append(given))
        monkeypatch.setattr(sys, "argv", ["enclave", "--help"])
        monkeypatch.delitem(sys.modules, "enclave.__main__")

    def run(self) -> object:
        """Exit status of the program."""
        with pytest.raises(SystemExit) as caught:
            runpy.run_module("enclave", run_name="__main__")
        return caught.value.code

    def _execve(self, path: str, command: list[str], environment: dict[str, str]) -> None:
        self.done.append((path, command[1:], environment))

    def _prctl(self) -> Any:
        def prctl(option: int, argument: int, *zeros: int) -> int:
            self.done.append((option, argument, *zeros))
            return self._answers.get(option, 0)

        return prctl


def test_run_as_a_program_it_replaces_and_hardens_itself_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, dumpable=0)
    assert machine.run() == 0
    assert machine.done == [
        (sys.executable, ["-I", "-E", "-B", "-m", "enclave", "--help"], ENVIRONMENT),
        (resource.RLIMIT_CORE, (0, 0)),
        (4, 0, 0, 0, 0),
        (38, 1, 0, 0, 0),
        (3, 0, 0, 0, 0),
        (39, 0, 0, 0, 0),
    ]


def test_run_as_a_program_it_ends_where_the_kernel_does_not_obey(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Machine(monkeypatch, dumpable=1).run() == 2
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"]) == ("not_hardened", "error")
    assert "are (1, 1), wanted (0, 1)" in line["message"]


# --- the real process ------------------------------------------------------------------------


@contextmanager
def process(
    folder: Path, *more: str, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The enclave as the host starts it; killed in the end if it is still there."""
    command = [str(PYTHON), "-I", "-m", "enclave", *arguments(folder, *more)]
    started = subprocess.Popen(
        command,
        cwd=folder,
        env=environment or {},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def listening(started: subprocess.Popen[str]) -> dict[str, Any]:
    assert started.stdout is not None
    line = started.stdout.readline()
    if not line:
        raise AssertionError(started.communicate(timeout=40)[1])
    said: dict[str, Any] = json.loads(line)
    return said


def hostile(folder: Path) -> dict[str, str]:
    """An environment that would take the process over, and a package in its way."""
    (folder / "enclave").mkdir()
    for name in ("enclave/__init__.py", "sitecustomize.py", "json.py"):
        (folder / name).write_text("raise SystemExit('taken over')")
    return {
        "PYTHONPATH": str(folder),
        "PYTHONHOME": str(folder),
        "PYTHONSTARTUP": str(folder / "json.py"),
        "PYTHONINSPECT": "1",
        "SSLKEYLOGFILE": str(folder / "keys.log"),
        "SSL_CERT_FILE": str(folder / "none.pem"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "LC_ALL": "C",
    }


def test_the_process_says_hello_and_survives_malformed_frames(tmp_path: Path) -> None:
    path = tmp_path / "e.sock"
    with process(tmp_path, environment=hostile(tmp_path)) as started:
        said = listening(started)
        with host(path) as one:
            hello = one.hello()
            assert said["signer"] == "0x" + hello.signer.hex()
            for malformed in (b"\xff" * 64, b"\0\0\0\0", encode_frame({"id": 1}), b"\0\0"):
                with host(path) as other:
                    other.socket.sendall(malformed)
                    other.socket.shutdown(socket.SHUT_WR)
                    assert other.file.read() == b""
            assert one.ask("round", feed_ids=[])["error"]["type"] == "RequestRefused"
            health = from_map(HealthResult, one.ask("health"))
        assert (health.connections, health.reports) == (5, 0)
        started.terminate()
        assert started.wait(40) == 0
        assert started.stderr is not None
        events = [json.loads(line)["event"] for line in started.stderr]
    assert events == ["connection_closed"] * 4 + ["request_refused"]
    assert not (tmp_path / "keys.log").exists()
    assert not path.exists()


def test_the_process_has_a_literal_environment_and_cannot_be_dumped(tmp_path: Path) -> None:
    with process(tmp_path, environment={"SECRET": "1", "LD_LIBRARY_PATH": "/x"}) as started:
        listening(started)
        kernel = Path(f"/proc/{started.pid}")
        assert "NoNewPrivs:\t1\n" in (kernel / "status").read_text()
        limits = (kernel / "limits").read_text().splitlines()
        (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
        assert core[4:6] == ["0", "0"]
        # A process that may not be dumped belongs to root here, whoever started it.
        assert (kernel / "environ").stat().st_uid == 0
        if os.geteuid() == 0:
            inherited = (kernel / "environ").read_bytes().rstrip(b"\0").split(b"\0")
            expected = {f"{name}={value}".encode() for name, value in ENVIRONMENT.items()}
            assert set(inherited) == expected


def test_two_starts_have_two_signers(tmp_path: Path) -> None:
    signers = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with process(folder) as started:
            signers.add(listening(started)["signer"])
            with host(folder / "e.sock") as one:
                assert one.ask("shutdown") == {"id": 1, "ok": {}}
            assert started.wait(40) == 0
    assert len(signers) == 2


def test_an_environment_that_claims_to_be_clean_is_refused(tmp_path: Path) -> None:
    with process(tmp_path, environment=ENVIRONMENT | {"LD_PRELOAD": ""}) as started:
        _, complaint = started.communicate(timeout=40)
        assert started.returncode == 2
    assert "CONFIDENTIAL_ORACLE_ENVIRONMENT" in json.loads(complaint)["message"]


def test_the_process_refuses_a_further_ca_with_another_attester(tmp_path: Path) -> None:
    more = ("--attester", "tsm", "--extra-ca", str(EXTRA_CA))
    with process(tmp_path, *more) as started:
        output, complaint = started.communicate(timeout=40)
        assert started.returncode == 2
    assert output == ""
    assert json.loads(complaint)["message"] == (
        "--extra-ca and --silicon are only for --attester simulated"
    )
