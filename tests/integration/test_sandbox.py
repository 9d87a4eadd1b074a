"""The sandbox from inside: what a process in it can reach, asked by that process itself."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.enclave_process import EnclaveLaunch, find_sandbox

_ROOT = Path(__file__).parents[2]
_PROBE = """
import json, os, socket, sys
root, listen, port = sys.argv[1:]

def fails(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return ""

def connect():
    socket.create_connection(("127.0.0.1", int(port)), timeout=2).close()

print(json.dumps({
    "interfaces": [name for _, name in socket.if_nameindex()],
    "connect": fails(connect),
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "visible": sorted(os.listdir(root)),
    "passwd": os.path.exists("/etc/passwd"),
    "write to the code": fails(lambda: open(f"{root}/enclave/planted.py", "w")),
    "write to its packages": fails(lambda: open(f"{root}/.venv-enclave/planted", "w")),
    "write where it listens": fails(lambda: open(f"{listen}/socket", "w")),
    "capabilities": next(line for line in open("/proc/self/status") if line.startswith("CapEff")),
}))
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine's loopback that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
async def seen(tmp_path: Path, port: int) -> dict[str, Any]:
    for name in ("listen", "relay"):
        (tmp_path / name).mkdir()
    launch = EnclaveLaunch(
        python=_ROOT / ".venv-enclave" / "bin" / "python",
        source=_ROOT / "enclave",
        listen_dir=tmp_path / "listen",
        relay=tmp_path / "relay" / "relay.sock",
        attester="simulated",
        tee="tdx",
        silicon=None,
        extra_ca=None,
        sandbox="auto",
    )
    prefix = await find_sandbox(launch)
    if not prefix:
        pytest.skip("bubblewrap is missing or may not run here: nothing to look at from inside")
    arguments = [str(_ROOT), str(launch.listen_dir), str(port)]
    result = subprocess.run(
        [*prefix, str(launch.python), "-I", "-c", _PROBE, *arguments],
        env={},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def test_a_process_in_the_sandbox_reaches_only_what_it_needs(
    seen: dict[str, Any], tmp_path: Path, port: int
) -> None:
    assert seen["interfaces"] == ["lo"]
    assert seen["connect"] == "ConnectionRefusedError"
    socket.create_connection(("127.0.0.1", port), timeout=2).close()  # from outside it answers
    assert seen["processes"] <= 2
    assert seen["visible"] == [".venv-enclave", "enclave"]
    assert not seen["passwd"]
    assert int(seen["capabilities"].split()[1], 16) == 0
    assert seen["write to the code"] == "OSError"
    assert seen["write to its packages"] == "OSError"
    assert seen["write where it listens"] == ""
    assert os.listdir(tmp_path / "listen") == ["socket"]
