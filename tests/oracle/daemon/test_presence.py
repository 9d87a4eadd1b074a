"""Who works in a runtime directory: known while it lives, however it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enclave.domain.errors import ConfigError
from oracle.daemon.presence import NAME, Presence, claim, find_daemon

_HOLDER = """
import sys
from pathlib import Path
from oracle.daemon.presence import claim
with claim(Path(sys.argv[1])) as held:
    held.say("http://127.0.0.1:9")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_daemon_is_found_with_its_health_and_never_after_its_end(tmp_path: Path) -> None:
    assert find_daemon(tmp_path / "run") is None
    with claim(tmp_path / "run") as held:
        assert find_daemon(tmp_path / "run") == Presence(os.getpid(), "")
        held.say("http://127.0.0.1:12345")
        held.say("http://127.0.0.1:1")
        assert find_daemon(tmp_path / "run") == Presence(os.getpid(), "http://127.0.0.1:1")
        with pytest.raises(ConfigError, match="give each its own"), claim(tmp_path / "run"):
            raise AssertionError
    assert find_daemon(tmp_path / "run") is None


def test_a_killed_daemon_is_not_found(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert find_daemon(tmp_path) == Presence(process.pid, "http://127.0.0.1:9")
        with pytest.raises(ConfigError, match="another daemon"), claim(tmp_path):
            raise AssertionError
        process.kill()
    assert (tmp_path / NAME).exists()
    assert find_daemon(tmp_path) is None
    with claim(tmp_path):
        pass


def test_what_is_no_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="runtime_dir"), claim(tmp_path / "file"):
        raise AssertionError


def test_a_file_that_is_being_written_names_nobody(tmp_path: Path) -> None:
    with claim(tmp_path):
        for text in ("", "{}", "[]", '{"process_id": "x", "health": ""}'):
            (tmp_path / NAME).write_text(text)
            assert find_daemon(tmp_path) is None
