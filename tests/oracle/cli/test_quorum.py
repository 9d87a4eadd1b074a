"""Commands about a quorum: certificates are made, shown and checked before anything runs."""

import json
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from oracle.chain.base import SeatedSigner, Seats
from oracle.chain.evm import EvmChain
from oracle.chain.keys import SubmitterKey, keystore_address
from oracle.cli import build_app
from oracle.cli.findings import Verdict
from oracle.cli.quorum_checks import check_quorum, check_seats
from oracle.cli.status import _print_quorum
from oracle.config import Config, checksum_address, load_config
from oracle.quorum.certificates import load_certificate, make_certificate
from tests.fakes.certificates import issue
from tests.fakes.fake_chain import FakeChain

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OWN, ALICE, BOB = (checksum_address("0x" + byte * 20) for byte in ("11", "a1", "b2"))
KEY = SubmitterKey(OWN, None)


def _call(*arguments: str | Path) -> Any:
    words = [str(word) for word in arguments]
    return CliRunner().invoke(build_app(words[0]), words)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration with two peers and all the files that it names."""
    for name in ("node", "alice", "bob"):
        make_certificate(tmp_path / f"{name}.pem", tmp_path / f"{name}.key", name=name, days=90)
    for name, text in (("keystore.json", json.dumps({"address": OWN[2:].lower()})), ("pw", "x")):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    path = tmp_path / "oracle.toml"
    path.write_text(f"""\
[chain]
network = "anvil"
rpc_urls = ["http://127.0.0.1:1"]
registry = "{ADDRESS}"
signer_set = "{ADDRESS}"
hub = "{ADDRESS}"
[keys]
keystore = "keystore.json"
password_file = "pw"
[enclave]
silicon = "silicon.sock"
[quorum]
listen = "127.0.0.1:0"
certificate = "node.pem"
private_key = "node.key"
[[quorum.peers]]
operator = "{ALICE}"
url = "https://alice.example:8443"
certificate = "alice.pem"
[[quorum.peers]]
operator = "{BOB}"
url = "https://bob.example:8443"
certificate = "bob.pem"
""")
    return path


@pytest.fixture
def config(path: Path) -> Config:
    return load_config(path)


def test_a_certificate_is_made_and_named_by_its_hash(tmp_path: Path) -> None:
    files = (tmp_path / "a.pem", tmp_path / "a.key")
    options = ("--certificate", files[0], "--private-key", files[1], "--name", "a.example")
    result = _call("quorum", "certificate", *options)
    assert result.exit_code == 0
    assert f"sha256 {load_certificate(files[0]).sha256.hex()}" in result.output
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o600
    again = _call("quorum", "certificate", *options)
    assert again.exit_code == 2
    assert "exists; move it away" in again.stderr


def test_validate_shows_who_the_nodes_are(path: Path) -> None:
    view = json.loads(_call("validate", "-c", path, "--output", "json").output)
    nodes = view["quorum"]["nodes"]
    assert [node["operator"] for node in nodes] == [OWN, ALICE, BOB]
    assert nodes[1]["sha256"] == load_certificate(path.with_name("alice.pem")).sha256.hex()
    text = _call("validate", "-c", path).output
    assert f"[node] {BOB} https://bob.example:8443" in text
    assert "PRIVATE" not in text


def test_validate_does_without_a_keystore_that_names_its_account(path: Path) -> None:
    path.with_name("keystore.json").write_text("{}")
    view = json.loads(_call("validate", "-c", path, "--output", "json").output)
    assert view["quorum"]["nodes"][0]["operator"] == "this node"


def _break(path: Path, how: str) -> None:
    match how:
        case "mode":
            path.with_name("node.key").chmod(0o644)
        case "key":
            path.with_name("node.key").write_bytes(path.with_name("bob.key").read_bytes())
        case "missing":
            path.with_name("alice.pem").unlink()
        case "twice":
            path.with_name("alice.pem").write_bytes(path.with_name("bob.pem").read_bytes())
        case "self":
            path.write_text(path.read_text().replace(ALICE, OWN))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("mode", "node.key has mode 0644, wanted 0600: chmod 600"),
        ("key", "node.key is not the key of"),
        ("missing", "alice.pem: cannot be read: No such file"),
        ("twice", f"{BOB} has the certificate of {ALICE}"),
        ("self", f"quorum.peers names {OWN}, which is this node's own operator"),
    ],
)
def test_what_is_wrong_with_a_quorum_is_said_before_anything_runs(
    path: Path, how: str, message: str
) -> None:
    _break(path, how)
    result = _call("validate", "-c", path)
    assert result.exit_code == 2
    assert message in result.stderr
    [finding] = check_quorum(load_config(path), KEY)
    assert finding.verdict is Verdict.FAIL
    assert message in finding.seen


def test_a_good_quorum_is_one_line(config: Config) -> None:
    [finding] = check_quorum(config, KEY)
    assert finding.verdict is Verdict.OK
    assert finding.seen.startswith("2 peers; this node's certificate is ")


def test_without_peers_there_is_nothing_to_check(config: Config) -> None:
    assert check_quorum(config.model_copy(update={"quorum": None}), KEY) == []


def test_certificates_that_end_are_named_in_time(path: Path, config: Config) -> None:
    folder = path.parent
    for name, days in (("alice", -1), ("bob", 20)):
        (folder / f"{name}.key").unlink()
        issue(folder, name, days=days)
    alice, bob = check_quorum(config, KEY)
    assert (alice.verdict, bob.verdict) == (Verdict.FAIL, Verdict.NOTE)
    assert alice.seen == f"the certificate of {ALICE} has expired"
    assert bob.seen in {f"the certificate of {BOB} ends in {days} days" for days in (19, 20)}


async def test_peers_without_a_seat_or_a_signer_are_named(config: Config) -> None:
    assert config.quorum is not None
    chain = FakeChain(others=Seats((OWN, ALICE), ()))
    finding = await check_seats(config.quorum, cast(EvmChain, chain))
    assert (finding.verdict, finding.seen) == (Verdict.FAIL, f"no seat: {BOB}")
    signer = SeatedSigner(2, bytes(20), ALICE, int(time.time()) + 60, 1, 4)
    chain.others = Seats((OWN, ALICE, BOB), (signer,))
    finding = await check_seats(config.quorum, cast(EvmChain, chain))
    assert finding.verdict is Verdict.NOTE
    assert finding.seen == f"no valid signer in the seat of {BOB}"
    other = replace(signer, position=4, operator=BOB)
    chain.others = Seats((OWN, ALICE, BOB), (signer, other))
    finding = await check_seats(config.quorum, cast(EvmChain, chain))
    assert finding.verdict is Verdict.OK


def _status(capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    quorum: dict[str, Any] = {
        "signatures": 3,
        "vendors": 1,
        "leader": ALICE,
        "rank": 2,
        "collected": 4,
        "missed": 5,
        "cosigned": 6,
        "peers": [],
    }
    _print_quorum(quorum | changes)
    return capsys.readouterr().out


def test_status_says_whose_turn_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{ALICE} leads, this node is 2 after it; led 4, missed 5" in _status(capsys)
    assert "this node leads" in _status(capsys, rank=0)
    assert "no seat" in _status(capsys, rank=None)


def test_status_says_how_each_peer_is_doing(capsys: pytest.CaptureFixture[str]) -> None:
    peer = {"operator": BOB, "url": "https://bob.example:1", "failure": "", "answered_s_ago": 0.5}
    assert "answered 0.5 s ago" in _status(capsys, peers=[peer])
    silent = {**peer, "answered_s_ago": None}
    assert "not asked yet" in _status(capsys, peers=[silent])
    failing = {**peer, "failure": "timed out after 2 s"}
    assert f"{BOB}  https://bob.example:1  timed out after 2 s" in _status(capsys, peers=[failing])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"address": 7}', '{"address": "0x12"}'])
def test_a_keystore_that_states_no_account_is_no_fault(text: str) -> None:
    assert keystore_address(text.encode()) is None


def test_a_keystore_states_its_account_with_or_without_prefix() -> None:
    for stated in (BOB, BOB[2:].lower()):
        assert keystore_address(json.dumps({"address": stated}).encode()) == BOB
