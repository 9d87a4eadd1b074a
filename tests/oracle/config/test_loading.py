"""The configuration file: what is accepted, and what one line a fault gets."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from enclave.domain.errors import ConfigError
from oracle.config import (
    GWEI,
    Config,
    build_config,
    config_hash,
    load_config,
    mask_url,
    masked,
    network_names,
    read_private_file,
    split_listen,
)

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
GOOD = f"""\
[chain]
network = "anvil"
rpc_urls = ["http://127.0.0.1:8545"]
registry = "{ADDRESS.lower()}"
signer_set = "{ADDRESS}"
hub = "{ADDRESS}"

[enclave]
silicon = "silicon.sock"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "oracle.toml"
    path.write_text(text)
    return path


def _fault(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(_write(folder, text))
    return str(caught.value).replace(f"{folder}/", "")


def test_the_smallest_file_is_enough(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, GOOD))
    assert config.chain.chain_id == 31_337
    assert config.gas.max_fee_wei == 100 * GWEI
    assert config.http.host == "127.0.0.1"
    assert config.keys.keystore is None


def test_addresses_are_taken_in_any_uniform_case_and_kept_with_checksum(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, GOOD))
    assert config.chain.registry == config.chain.hub == ADDRESS


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = GOOD + '[feeds]\nfiles = ["a.toml", "/b.toml"]\n'
    config = load_config(_write(tmp_path, text))
    assert config.enclave.silicon == tmp_path / "silicon.sock"
    assert config.feeds.files == (tmp_path / "a.toml", Path("/b.toml"))
    assert config.store.path == tmp_path / "oracle.db"


def test_the_operator_overrides_the_network(tmp_path: Path) -> None:
    text = GOOD.replace("[enclave]", "chain_id = 1337\n[gas]\nmax_fee_gwei = 1.5\n[enclave]")
    config = load_config(_write(tmp_path, text))
    assert config.chain.chain_id == 1_337
    assert config.gas.max_fee_wei == 1_500_000_000
    assert config.gas.max_priority_fee_wei == GWEI


def test_the_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, GOOD))
    with pytest.raises(ValidationError, match="frozen"):
        config.chain.chain_id = 1


def test_every_network_file_is_complete(tmp_path: Path) -> None:
    for name in network_names():
        config = load_config(_write(tmp_path, GOOD.replace('"anvil"', f'"{name}"')))
        assert config.chain.chain_id > 0


def test_a_wrong_key_names_file_line_and_the_nearest_right_key(tmp_path: Path) -> None:
    fault = _fault(tmp_path, GOOD + "sandbx = 'off'\n")
    assert fault == "oracle.toml:10: unknown key enclave.sandbx; did you mean 'sandbox'?"


def test_a_wrong_section_names_the_nearest_right_one(tmp_path: Path) -> None:
    fault = _fault(tmp_path, GOOD + "[feed]\n")
    assert fault == "oracle.toml:10: unknown key feed; did you mean 'feeds'?"


def test_a_key_like_no_other_gets_no_suggestion(tmp_path: Path) -> None:
    assert _fault(tmp_path, GOOD + "zzzz = 1\n") == "oracle.toml:10: unknown key enclave.zzzz"


def test_every_fault_gets_its_own_line(tmp_path: Path) -> None:
    text = GOOD.replace(f'hub = "{ADDRESS}"', "hub = 5") + "[http]\nport = 70000\n"
    faults = _fault(tmp_path, text).splitlines()
    assert [fault.split(":")[1] for fault in faults] == ["6", "11"]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (f'registry = "{ADDRESS.lower()}"', "", "oracle.toml:1: chain.registry is missing"),
        (ADDRESS.lower(), ADDRESS[:-1] + "4", "fails the EIP-55 checksum"),
        (ADDRESS.lower(), "0x12", "is not an address"),
        ('network = "anvil"', 'network = "anvli"', "did you mean 'anvil'?"),
        ('network = "anvil"', 'network = "zzz"', "known: anvil"),
        ('"http://127.0.0.1:8545"', '"ftp://x"', "wanted an URL that begins with http"),
        ('["http://127.0.0.1:8545"]', "[]", "at least 1 item"),
        ('silicon = "silicon.sock"', "", "enclave.silicon is missing"),
        ("[enclave]", "[keys]\nkeystore = 'k'\n[enclave]", "both keystore and password_file"),
        ("[enclave]", "[gas]\nmax_fee_gwei = '1.0000000001'\n[enclave]", "at most 9 decimals"),
        ("[enclave]", "[gas]\nmax_fee_gwei = true\n[enclave]", "wanted a number of gwei"),
        ("[enclave]", "[gas]\nmax_fee_gwei = 'x'\n[enclave]", "wanted a number with"),
        ("[enclave]", "[gas]\nmax_fee_gwei = 'NaN'\n[enclave]", "wanted a number with"),
        ("[enclave]", "[gas]\nmax_fee_gwei = 1000001\n[enclave]", "wanted 0..1000000"),
        ("[enclave]", "[gas]\nmax_fee_gwei = -1\n[enclave]", "wanted 0..1000000"),
        ("[enclave]", "[gas]\nstrategies = []\n[enclave]", "at least 1 item"),
        ("[enclave]", "[gas]\nstrategies = ['guess']\n[enclave]", "'fee_history', 'gas_price'"),
        ("[enclave]", "[gas]\ndaily_budget_gwei = -1\n[enclave]", "wanted 0..1000000000000000"),
        ("[enclave]", "[gas]\nbump_percent = 5\n[enclave]", "greater than or equal to 13"),
        ("[enclave]", "[daemon]\npoll_s = 0\n[enclave]", "greater than 0"),
        ("[enclave]", "[daemon]\npoll_s = '1'\n[enclave]", "wanted a number of seconds"),
        ("[enclave]", f"[enclave]\nruntime_dir = '/{'x' * 100}'", "wanted <= 107"),
        ("[enclave]", "[enclave", "not TOML"),
    ],
)
def test_a_wrong_value_says_what_is_wanted(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    assert old in GOOD
    assert wanted in _fault(tmp_path, GOOD.replace(old, new))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.toml")


def test_a_fault_never_shows_the_value_of_an_url(tmp_path: Path) -> None:
    fault = _fault(tmp_path, GOOD.replace("http://127.0.0.1:8545", "ftp://h/SECRET"))
    assert "SECRET" not in fault


def _config(**sections: dict[str, Any]) -> Config:
    chain = {
        "network": "anvil",
        "rpc_urls": ["https://user:SECRET@rpc.example.com:8545/v2/SECRET?key=SECRET"],
        "registry": ADDRESS,
        "signer_set": ADDRESS,
        "hub": ADDRESS,
    }
    values = {"chain": chain, "enclave": {"silicon": "/s"}} | sections
    return build_config(values, base=Path("/base"))


def test_funds_may_be_more_than_any_fee() -> None:
    gas = {"low_balance_gwei": 10_000_000, "daily_budget_gwei": "50000000.5"}
    config = _config(gas=gas)
    assert config.gas.low_balance_wei == 10**16
    assert config.gas.daily_budget_wei == 50_000_000_500_000_000


def test_a_relays_url_is_masked_as_the_others_are() -> None:
    config = _config()
    assert masked(config)["chain"]["relay_url"] is None
    url = "https://relay.example.com/SECRET"
    chain = config.chain.model_copy(update={"relay_url": url})
    shown = masked(config.model_copy(update={"chain": chain}))
    assert shown["chain"]["relay_url"] == "https://relay.example.com/***"


def test_masking_leaves_nothing_of_an_url_but_scheme_host_and_port() -> None:
    shown = masked(_config())
    assert shown["chain"]["rpc_urls"] == ["https://rpc.example.com:8545/***"]
    assert "SECRET" not in str(shown)
    assert mask_url("http://127.0.0.1") == "http://127.0.0.1"


def test_the_hash_of_the_configuration_changes_with_it_and_only_then() -> None:
    one = config_hash([_config()])
    assert one == config_hash([_config(daemon={"poll_s": 1})])
    assert one != config_hash([_config(daemon={"poll_s": 2})])


def test_a_private_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text("x")
    assert read_private_file(path) == b"x"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("x")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"has mode {mode:04o}, wanted 0600"):
        read_private_file(path)


def test_a_missing_key_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_private_file(tmp_path / "none")


PEERS = f"""\
[keys]
keystore = "keystore.json"
password_file = "password"
[quorum]
listen = "[::]:8443"
certificate = "tls/node.pem"
private_key = "tls/node.key"
[[quorum.peers]]
operator = "0x{"11" * 20}"
url = "https://one.example:8443/"
certificate = "tls/one.pem"
[[quorum.peers]]
operator = "0x{"22" * 20}"
url = "https://two.example"
certificate = "tls/two.pem"
"""


def test_peers_are_read_with_paths_relative_to_the_file(tmp_path: Path) -> None:
    quorum = load_config(_write(tmp_path, GOOD + PEERS)).quorum
    assert quorum is not None
    assert (quorum.lead_s, quorum.takeover_s, quorum.timeout_s) == (15, 5, 2)
    assert quorum.private_key == tmp_path / "tls/node.key"
    assert [peer.url for peer in quorum.peers] == [
        "https://one.example:8443",
        "https://two.example",
    ]
    assert quorum.peers[1].certificate == tmp_path / "tls/two.pem"


def test_without_the_section_there_is_no_quorum(tmp_path: Path) -> None:
    assert load_config(_write(tmp_path, GOOD)).quorum is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[::]:8443", "8443", "oracle.toml:14: quorum.listen: wanted HOST:PORT"),
        ("[::]:8443", "a:65536", "oracle.toml:14: quorum.listen: wanted HOST:PORT"),
        ("https://two", "http://two", "oracle.toml:23: quorum.peers.url: wanted https://HOST:PO"),
        ("https://two", "https://u:p@two", "oracle.toml:23: quorum.peers.url: wanted https://"),
        ("two.example", "two.example/v1", "oracle.toml:23: quorum.peers.url: wanted https://HO"),
        ("22" * 20, "22", "oracle.toml:22: quorum.peers.operator: '0x22' is not an address"),
        (
            'certificate = "tls/two.pem"',
            'certificat = "tls/two.pem"',
            "oracle.toml:24: unknown key quorum.peers.certificat; did you mean 'certificate'?",
        ),
        ("listen =", "lisen =", "oracle.toml:14: unknown key quorum.lisen; did you mean 'listen'"),
        ("22" * 20, "11" * 20, f"quorum.peers names the operator 0x{'11' * 20} twice"),
        ("two.example", "one.example:8443", "names the url https://one.example:8443 twice"),
        ("[quorum]", "[quorum]\ntimeout_s = 11", "oracle.toml:14: quorum.timeout_s: "),
    ],
)
def test_a_fault_in_the_quorum_is_found_where_it_is(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    assert fault in _fault(tmp_path, GOOD + PEERS.replace(old, new))


def test_a_quorum_needs_peers_and_the_operators_key(tmp_path: Path) -> None:
    alone = PEERS[: PEERS.index("[[")]
    assert "quorum.peers is missing" in _fault(tmp_path, GOOD + alone)
    keyless = PEERS[PEERS.index("[quorum]") :]
    fault = _fault(tmp_path, GOOD + keyless)
    assert "quorum needs keys.keystore: peers know a node by its seat" in fault


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0.0.0.0:8443", ("0.0.0.0", 8_443)),
        ("[::1]:0", ("::1", 0)),
        ("host:80", ("host", 80)),
        ("8443", ("", -1)),
        (":8443", ("", -1)),
        ("host:", ("", -1)),
        ("host:8x", ("", -1)),
    ],
)
def test_where_to_listen_is_split(text: str, parts: tuple[str, int]) -> None:
    assert split_listen(text) == parts


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("https://pccs.example:8081", "https://pccs.example:8081"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("/var/lib/collateral", Path("/var/lib/collateral")),
    ],
)
def test_collateral_comes_from_a_service_or_a_folder(
    tmp_path: Path, written: str, source: str | Path
) -> None:
    config = load_config(_write(tmp_path, GOOD + f'[collateral]\nsource = "{written}"\n'))
    assert config.collateral.source == source


def test_a_folder_of_collateral_is_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, GOOD + '[collateral]\nsource = "intel"\n'))
    assert config.collateral.source == tmp_path / "intel"


def test_without_the_section_the_vendors_own_service_is_asked(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, GOOD))
    assert config.collateral.source == "https://api.trustedservices.intel.com"


@pytest.mark.parametrize(
    "line",
    [
        'source = "http://pccs.example"',
        'source = "http://localhost:1"',
        'source = "https://"',
        'source = "https://pccs.example/?key=1"',
        'source = "ftp://pccs.example"',
        "source = 5",
        'source = ""',
        "timeout_s = 61",
        "refresh_s = 0.5",
        "warn_before_s = 2592001",
        "renew_before_s = 0",
    ],
)
def test_a_fault_in_the_collateral_section_is_found_where_it_is(tmp_path: Path, line: str) -> None:
    text = GOOD + f"[collateral]\n{line}\n"
    number = text.count("\n")
    fault = _fault(tmp_path, text)
    assert f"oracle.toml:{number}: collateral.{line.partition(' ')[0]}: " in fault


def test_what_may_be_secret_in_a_services_url_is_masked(tmp_path: Path) -> None:
    source = "https://user:pw@pccs.example/token"
    config = load_config(_write(tmp_path, GOOD + f'[collateral]\nsource = "{source}"\n'))
    assert masked(config)["collateral"]["source"] == "https://pccs.example/***"
