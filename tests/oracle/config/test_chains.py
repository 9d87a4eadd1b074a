"""Several chains in one file: what each has of its own, and what is refused."""

from pathlib import Path

import pytest

from enclave.domain.errors import ConfigError
from oracle.config import (
    GWEI,
    Config,
    changed_keys,
    config_hash,
    load_chains,
    load_config,
    masked_chains,
)

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
CONTRACTS = "\n".join(f'{name} = "{ADDRESS}"' for name in ("registry", "signer_set", "hub"))
ONE = f"""\
[[chains]]
network = "base"
rpc_urls = ["https://one.example/secret"]
feeds = ["eth-usd"]
{CONTRACTS}
"""
OTHER = f"""\
[[chains]]
name = "other"
network = "anvil"
rpc_urls = ["http://127.0.0.1:8545"]
{CONTRACTS}
[chains.keys]
keystore = "other.json"
password_file = "other"
[chains.gas]
max_fee_gwei = 7
"""
SHARED = """\
[keys]
keystore = "keystore.json"
password_file = "password"
[gas]
max_fee_gwei = 3
daily_budget_gwei = 9
[enclave]
silicon = "silicon.sock"
"""
BOTH = ONE + OTHER + SHARED


def _write(folder: Path, text: str) -> Path:
    path = folder / "oracle.toml"
    path.write_text(text)
    return path


def _load(folder: Path, text: str = BOTH) -> tuple[Config, ...]:
    return load_chains(_write(folder, text))


def _fault(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_each_chain_has_its_own_and_takes_the_rest_from_the_file(tmp_path: Path) -> None:
    one, other = _load(tmp_path)
    assert (one.chain.name, one.chain.chain_id) == ("base", 8_453)
    assert (other.chain.name, other.chain.chain_id) == ("other", 31_337)
    assert (one.chain.feeds, other.chain.feeds) == (("eth-usd",), None)
    assert one.keys.keystore == tmp_path / "keystore.json"
    assert other.keys.keystore == tmp_path / "other.json"
    assert (one.gas.max_fee_wei, other.gas.max_fee_wei) == (3 * GWEI, 7 * GWEI)
    assert one.gas.daily_budget_wei == other.gas.daily_budget_wei == 9 * GWEI
    assert one.enclave == other.enclave


def test_a_single_chain_is_called_by_its_network_unless_it_has_a_name(tmp_path: Path) -> None:
    text = ONE.replace("[[chains]]", "[chain]") + SHARED
    assert [each.chain.name for each in _load(tmp_path, text)] == ["base"]
    [named] = _load(tmp_path, text.replace("[chain]", '[chain]\nname = "mine"'))
    assert named.chain.name == "mine"
    assert named == load_config(tmp_path / "oracle.toml")


def test_a_command_for_one_chain_wants_to_be_told_which(tmp_path: Path) -> None:
    path = _write(tmp_path, BOTH)
    assert load_config(path, "other").chain.name == "other"
    with pytest.raises(ConfigError, match="several chains: say --chain NAME, one of base, other"):
        load_config(path)
    with pytest.raises(ConfigError, match="--chain 'bse', wanted one of base, other"):
        load_config(path, "bse")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("[keys]", "[chain]\n[keys]", "oracle.toml: both [chain] and [[chains]]: give each"),
        (ONE + OTHER, "chains = 5\n", "wanted one table [[chains]] for each chain"),
        (ONE + OTHER, "chains = []\n", "oracle.toml: 0 chains, wanted 1 to 8"),
        (ONE, ONE * 8, "oracle.toml: 9 chains, wanted 1 to 8"),
        ('"other"\nnetwork', '"base"\nnetwork', "oracle.toml: two chains have the name base"),
        ('network = "anvil"', 'network = "base"', "oracle.toml: two chains have the chain_id 8453"),
        ('name = "other"', 'name = "An Other"', "oracle.toml:9: chains.name: String should match"),
        ('name = "other"', 'nam = "other"', "oracle.toml:9: unknown key chains.nam; did you mean"),
        ('network = "anvil"\n', "", "oracle.toml:8: chains.network is missing"),
        ("max_fee_gwei = 7", "max_fee = 7", "oracle.toml:19: unknown key chains.gas.max_fee"),
        ("max_fee_gwei = 7", "bump_percent = 1", "oracle.toml:19: chains.gas.bump_percent:"),
        ("max_fee_gwei = 3", "max_fee_gwei = -3", "oracle.toml:24: gas.max_fee_gwei: -3 gwei"),
        ("[chains.gas]\nmax_fee_gwei = 7", "gas = 5", "chains.keys.gas"),
        ('keystore = "other.json"\n', "", "keys needs both keystore and password_file"),
        ('feeds = ["eth-usd"]', "feeds = []", "oracle.toml:4: chains.feeds: "),
        ("[enclave]", "[quorum]\n[enclave]", "a node with peers serves one chain: run a node"),
        ("[chains.gas]", "[chains.quorum]", "unknown key chains.quorum"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, wanted: str
) -> None:
    assert old in BOTH
    assert wanted in _fault(tmp_path, BOTH.replace(old, new))


def test_faults_of_all_chains_are_said_at_once(tmp_path: Path) -> None:
    text = BOTH.replace(f'hub = "{ADDRESS}"', "hub = 5").replace(
        "[enclave]", "[http]\nport = -1\n[enclave]"
    )
    lines = _fault(tmp_path, text).splitlines()
    assert [line.split(":")[1] for line in lines] == ["7", "27", "14"]


def test_secrets_of_each_chain_are_masked_and_shared_sections_shown_once(tmp_path: Path) -> None:
    shown = masked_chains(_load(tmp_path))
    assert [each["rpc_urls"] for each in shown["chains"]] == [
        ["https://one.example/***"],
        ["http://127.0.0.1:8545"],
    ]
    assert [each["gas"]["max_fee_wei"] for each in shown["chains"]] == [3 * GWEI, 7 * GWEI]
    assert not {"chain", "keys", "gas"} & shown.keys()
    assert shown["enclave"]["silicon"] == str(tmp_path / "silicon.sock")


def test_what_has_changed_names_the_chain(tmp_path: Path) -> None:
    before = _load(tmp_path)
    text = BOTH.replace("max_fee_gwei = 7", "max_fee_gwei = 8").replace(
        "one.example", "two.example"
    )
    after = _load(tmp_path, text + "[daemon]\npoll_s = 3\n")
    wanted = ("chains.base.rpc_urls", "chains.other.gas.max_fee_wei", "daemon.poll_s")
    assert changed_keys(before, after) == wanted
    assert changed_keys(before, before) == ()
    assert changed_keys(before, before[:1]) == ("chains",)
    assert len({config_hash(each) for each in (before, after, before[:1])}) == 3
