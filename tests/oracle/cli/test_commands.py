"""The command line: help that teaches, a line for each fault, statuses that mean something."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from enclave.domain.errors import (
    AttestationError,
    ChainError,
    ConfigError,
    OracleError,
)
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.cli import COMMANDS, build_app
from oracle.cli.outcome import ExitStatus, exit_status
from oracle.store import JournalError, JournalLocked, open_journal

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
GOOD = f"""\
[chain]
network = "anvil"
rpc_urls = ["http://127.0.0.1:1/v2/SECRET"]
registry = "{ADDRESS}"
signer_set = "{ADDRESS}"
hub = "{ADDRESS}"

[enclave]
silicon = "silicon.sock"

[feeds]
catalogue = ["btc-usd", "eth-usd"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "oracle.toml"
    path.write_text(GOOD)
    return path


def _call(*arguments: str | Path) -> Any:
    words = [str(word) for word in arguments]
    return CliRunner().invoke(build_app(words[0]), words)


def test_help_lists_every_command_and_the_exit_statuses() -> None:
    result = _call("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert name in result.output
    assert "Exit status" in result.output


def test_help_imports_no_chain_library() -> None:
    """It is what a newcomer types first, so it must not take a second."""
    script = (
        "import sys\n"
        "from oracle.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "found = {'web3', 'eth_account', 'aiohttp', 'pydantic'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_its_own_help(name: str) -> None:
    assert _call(name, "--help").exit_code == 0


def test_an_unknown_command_is_a_usage_error() -> None:
    assert _call("rnu").exit_code == 2


def test_the_version_is_shown() -> None:
    result = _call("--version")
    assert (result.exit_code, result.output.count(".")) == (0, 2)


@pytest.mark.parametrize("command", ["run", "validate", "doctor", "status"])
def test_a_wrong_key_ends_every_command_with_2_file_line_and_the_right_key(
    config: Path, command: str
) -> None:
    config.write_text(GOOD.replace("rpc_urls", "rpc_ulrs"))
    result = _call(command, "-c", config)
    assert result.exit_code == 2
    assert f"error: {config}:3: unknown key chain.rpc_ulrs; did you mean 'rpc_urls'?" in (
        result.stderr.splitlines()
    )
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["run", "validate", "doctor"])
def test_an_unknown_feed_ends_with_2_and_names_the_known_ones(config: Path, command: str) -> None:
    config.write_text(GOOD.replace("btc-usd", "btc-usb"))
    result = _call(command, "-c", config)
    assert result.exit_code == 2
    assert "feed 'btc-usb' is unknown" in result.stderr


def test_validate_prints_settings_ids_and_hash_and_no_secret(config: Path) -> None:
    result = _call("validate", "-c", config)
    assert result.exit_code == 0
    assert "SECRET" not in result.output
    assert "BTC/USD" in result.output
    assert "dry run" in result.output


def test_validate_for_machines_is_one_json_document(config: Path) -> None:
    view = json.loads(_call("validate", "-c", config, "--output", "json").output)
    assert view["dry_run"] == ["anvil"]
    assert [feed["name"] for feed in view["feeds"]][-2:] == ["BTC/USD", "ETH/USD"]
    assert all(len(feed["feed_id"]) == 66 for feed in view["feeds"])
    assert len(view["config_hash"]) == 16


def test_validate_names_the_feeds_that_others_convert_by(config: Path) -> None:
    view = json.loads(_call("validate", "-c", config, "--output", "json").output)
    assert "USDT/USD" in [feed["name"] for feed in view["feeds"]]


def test_a_missing_file_of_feeds_ends_with_2(config: Path) -> None:
    config.write_text(GOOD + 'files = ["none.toml"]\n')
    result = _call("validate", "-c", config)
    assert result.exit_code == 2
    assert "none.toml" in result.stderr


async def test_status_of_a_node_that_does_not_run_shows_the_journal_and_ends_with_3(
    config: Path, tmp_path: Path
) -> None:
    config.write_text(GOOD + "[http]\nport = 1\n")
    form: dict[str, Any] = {
        "hash_": b"\xab" * 32,
        "raw": b"",
        "max_fee_wei": 1,
        "max_priority_fee_wei": 1,
    }
    async with open_journal(tmp_path / "oracle.db") as journal:
        await journal.begin(
            chain_id=1,
            submitter="0xA",
            nonce=4,
            purpose="submit",
            target="0xB",
            data=b"",
            gas=1,
            **form,
        )
    command = [sys.executable, "-m", "oracle", "status", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert "not running" in done.stdout
    assert "1 pending" in done.stdout
    assert "nonce     4" in done.stdout


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 2),
        (ChainError("x"), 3),
        (JournalLocked("x"), 4),
        (JournalError("x"), 5),
        (AttestationError("x"), 3),
        (CollateralUnavailable("x"), 3),
        (OracleError("x"), 1),
    ],
)
def test_the_exit_status_says_what_to_do(error: OracleError, status: int) -> None:
    assert exit_status(error) == ExitStatus(status)


SECOND = GOOD.replace("[chain]", "[[chains]]").replace(
    "[enclave]",
    f'''[[chains]]
name = "other"
chain_id = 1337
network = "anvil"
rpc_urls = ["http://127.0.0.1:2"]
registry = "{ADDRESS}"
signer_set = "{ADDRESS}"
hub = "{ADDRESS}"
feeds = ["eth-usd"]

[enclave]''',
)


@pytest.mark.parametrize(
    "words",
    [
        ("registry", "list"),
        ("registry", "show", ADDRESS),
        ("registry", "revoke", ADDRESS),
        ("registry", "register"),
        ("registry", "renew"),
        ("registry", "recheck", ADDRESS),
        ("collateral", "status"),
        ("collateral", "update"),
    ],
)
def test_a_command_for_one_of_several_chains_lists_their_names(
    config: Path, words: tuple[str, ...]
) -> None:
    config.write_text(SECOND)
    result = _call(*words, "-c", config)
    assert result.exit_code == 2
    assert "has several chains: say --chain NAME, one of anvil, other" in result.stderr
    result = _call(*words, "-c", config, "--chain", "othr")
    assert result.exit_code == 2
    assert "--chain 'othr', wanted one of anvil, other" in result.stderr


def test_the_chain_that_is_named_is_the_one(config: Path) -> None:
    keys = '[chains.keys]\nkeystore = "none.json"\npassword_file = "none"\n\n[enclave]'
    config.write_text(SECOND.replace("[enclave]", keys))
    call = ("registry", "revoke", ADDRESS, "-c", config, "--chain")
    assert "none.json: cannot be read" in _call(*call, "other").stderr
    assert "keys.keystore is not set" in _call(*call, "anvil").stderr


def test_validate_shows_each_chain(config: Path) -> None:
    config.write_text(SECOND)
    result = _call("validate", "-c", config)
    assert result.output.count("[[chains]]") == 2
    assert "SECRET" not in result.output
    assert "would be a dry run on other" in result.output


def test_a_feed_that_a_chain_wants_cannot_be_removed(config: Path) -> None:
    config.write_text(SECOND)
    result = _call("feeds", "remove", "eth-usd", "-c", config)
    assert result.exit_code == 2
    assert "chain other reports 'eth-usd', which is none of the feeds" in result.stderr
    assert config.read_text() == SECOND
    assert _call("feeds", "pause", "btc-usd", "-c", config).exit_code == 0
