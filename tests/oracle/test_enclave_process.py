"""Starting the enclave: its command line, its sandbox, and every way a start can fail.

The process here is a script that speaks the enclave's protocol, so that it can misbehave.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from enclave.domain import wire
from enclave.domain.errors import ConfigError
from oracle.enclave_link import EnclaveLost
from oracle.enclave_process import (
    EnclaveLaunch,
    default_enclave_python,
    enclave_command,
    find_sandbox,
    run_enclave,
    sandbox_command,
)

_SCRIPT = """\
#!{python}
import json, os, signal, socket, sys
sys.path[:0] = {path!r}
from enclave.domain import wire
mode = open({mode!r}).read()
print("not json", file=sys.stderr, flush=True)
print(json.dumps({{"event": "warming", "level": "error", "error": "E", "message": "m"}}),
      file=sys.stderr, flush=True)
if mode == "dies":
    sys.exit(3)
if mode == "silent":
    signal.pause()
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
where = sys.argv[sys.argv.index("--listen") + 1].removeprefix("unix:")
server = socket.socket(socket.AF_UNIX)
server.bind(where)
server.listen(1)
print(json.dumps({{"event": "listening", "address": where}}), flush=True)
peer, _ = server.accept()
signer, hpke = b"\\x11" * 20, b"\\x22" * 32
hello = wire.HelloResult(wire.PROTOCOL, "0.1.0", signer, hpke, 2, "simulated", bytes(32), ())
while prefix := peer.recv(4):
    request = wire.decode_body(peer.recv(wire.frame_length(prefix)))
    if request["op"] == "shutdown":
        if mode == "stubborn":
            signal.pause()
        peer.sendall(wire.encode_frame({{"id": request["id"], "ok": {{}}}}))
        break
    if mode == "mute":
        signal.pause()
    peer.sendall(wire.encode_frame({{"id": request["id"], "ok": wire.to_map(hello)}}))
"""


@pytest.fixture
def launch(tmp_path: Path) -> EnclaveLaunch:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    mode = tmp_path / "mode"
    mode.write_text("good")
    text = _SCRIPT.format(python=sys.executable, path=sys.path, mode=str(mode))
    python.write_text(text)
    python.chmod(0o700)
    (tmp_path / "source").mkdir()
    return EnclaveLaunch(
        python=python,
        source=tmp_path / "source",
        listen_dir=tmp_path / "l",
        relay=tmp_path / "r" / "relay.sock",
        attester="simulated",
        tee="tdx",
        silicon=None,
        extra_ca=None,
        sandbox="off",
    )


def _mode(launch: EnclaveLaunch, mode: str) -> None:
    (launch.source.parent / "mode").write_text(mode)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_enclave_says_hello_and_is_stopped_in_the_end(launch: EnclaveLaunch) -> None:
    async with run_enclave(launch) as enclave:
        assert enclave.hello.signer == b"\x11" * 20
        assert not enclave.is_sandboxed
        assert _is_alive(enclave.pid)
    assert not _is_alive(enclave.pid)


async def test_its_socket_lies_in_a_private_directory(launch: EnclaveLaunch) -> None:
    async with run_enclave(launch):
        assert launch.listen_dir.stat().st_mode & 0o777 == 0o700


async def test_an_enclave_that_dies_at_its_start_says_its_last_error(
    launch: EnclaveLaunch,
) -> None:
    _mode(launch, "dies")
    with pytest.raises(EnclaveLost, match="ended at its start: warming E m"):
        async with run_enclave(launch):
            raise AssertionError


async def test_an_enclave_that_never_listens_is_given_up_and_killed(
    launch: EnclaveLaunch,
) -> None:
    _mode(launch, "silent")
    with pytest.raises(EnclaveLost, match=r"did not start within 0\.3 s"):
        async with run_enclave(launch, start_s=0.3, stop_s=0.1):
            raise AssertionError


async def test_an_enclave_that_ignores_every_request_to_end_is_killed(
    launch: EnclaveLaunch,
) -> None:
    _mode(launch, "stubborn")
    async with run_enclave(launch, stop_s=0.1) as enclave:
        pass
    assert not _is_alive(enclave.pid)


async def test_an_error_in_the_block_stops_the_enclave_too(launch: EnclaveLaunch) -> None:
    pids = []

    async def fail() -> None:
        async with run_enclave(launch) as enclave:
            pids.append(enclave.pid)
            raise RuntimeError("oops")

    with pytest.raises(RuntimeError, match="oops"):
        await fail()
    assert not _is_alive(pids[0])


async def test_a_killed_enclave_is_lost_at_the_next_call(launch: EnclaveLaunch) -> None:
    async with run_enclave(launch) as enclave:
        os.kill(enclave.pid, signal.SIGKILL)
        with pytest.raises(EnclaveLost):
            await enclave.client.health()


async def test_a_stale_socket_is_replaced(launch: EnclaveLaunch) -> None:
    launch.listen_dir.mkdir()
    (launch.listen_dir / "enclave.sock").write_text("")
    async with run_enclave(launch) as enclave:
        assert enclave.hello.protocol == wire.PROTOCOL


@pytest.mark.parametrize("name", ["python", "source", "silicon", "extra_ca"])
async def test_a_path_that_does_not_exist_is_a_configuration_error(
    launch: EnclaveLaunch, name: str
) -> None:
    values = {field: getattr(launch, field) for field in launch.__slots__}
    broken = EnclaveLaunch(**(values | {name: Path("/nowhere/at/all")}))
    with pytest.raises(ConfigError, match="needs /nowhere/at/all, which does not exist"):
        async with run_enclave(broken):
            raise AssertionError


def test_the_command_line_names_sockets_attester_and_tee(launch: EnclaveLaunch) -> None:
    command = enclave_command(launch)
    assert command[1:5] == ["-I", "-B", "-m", "enclave"]
    assert command[5:] == [
        "--listen",
        f"unix:{launch.listen_dir}/enclave.sock",
        "--relay",
        f"unix:{launch.relay}",
        "--attester",
        "simulated",
        "--tee",
        "tdx",
    ]


def test_silicon_and_ca_are_named_only_if_configured(launch: EnclaveLaunch) -> None:
    values = {field: getattr(launch, field) for field in launch.__slots__}
    full = EnclaveLaunch(**(values | {"silicon": Path("/s/s.sock"), "extra_ca": Path("/c/ca.pem")}))
    assert enclave_command(full)[-4:] == ["--silicon", "/s/s.sock", "--extra-ca", "/c/ca.pem"]
    sandbox = sandbox_command(full, "bwrap")
    assert sandbox[sandbox.index("/s") - 1 :][:3] == ["--ro-bind", "/s", "/s"]
    assert "/c/ca.pem" in sandbox


def test_the_sandbox_has_no_network_no_capability_and_writes_only_where_it_listens(
    launch: EnclaveLaunch,
) -> None:
    command = sandbox_command(launch, "bwrap")
    for option in ("--unshare-all", "--die-with-parent", "--new-session"):
        assert option in command
    assert command[command.index("--cap-drop") + 1] == "ALL"
    assert "--share-net" not in command
    writable = [command[at + 1] for at, word in enumerate(command) if word == "--bind"]
    assert writable == [str(launch.listen_dir)]


async def test_without_a_sandbox_it_may_be_off_and_is_then_not_tried(
    launch: EnclaveLaunch,
) -> None:
    assert await find_sandbox(launch) == []


@pytest.mark.parametrize("search", ["/nowhere", None])
async def test_a_sandbox_that_cannot_be_used_is_left_out_unless_it_is_required(
    launch: EnclaveLaunch, search: str | None, tmp_path: Path
) -> None:
    """Missing, or there and failing its trial run."""
    if search is None:
        fake = tmp_path / "bin" / "bwrap"
        fake.parent.mkdir()
        fake.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2\nexit 1\n")
        fake.chmod(0o700)
        search = str(fake.parent)
    values = {field: getattr(launch, field) for field in launch.__slots__}
    assert await find_sandbox(EnclaveLaunch(**(values | {"sandbox": "auto"})), search=search) == []
    with pytest.raises(ConfigError, match=r"enclave\.sandbox is require, but"):
        await find_sandbox(EnclaveLaunch(**(values | {"sandbox": "require"})), search=search)


def test_the_enclaves_interpreter_is_beside_ours_by_default() -> None:
    assert default_enclave_python().parts[-3:] == (".venv-enclave", "bin", "python")


async def test_a_cancelled_start_leaves_no_process(launch: EnclaveLaunch) -> None:
    _mode(launch, "mute")

    async def start() -> None:
        async with run_enclave(launch, stop_s=0.1):
            raise AssertionError

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await start()
    command = str(launch.listen_dir)
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert command.encode() not in entry.read_bytes()
        except OSError:
            continue
