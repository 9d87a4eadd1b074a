"""Which feeds a configuration names."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import ConfigError
from oracle.config import Config, build_config
from oracle.feeds.catalogue import FOLDER, load_catalogue
from oracle.feeds.configured import chain_feeds, configured_feeds, node_feeds

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def _config(base: Path, **feeds: Any) -> Config:
    chain: dict[str, Any] = dict.fromkeys(("registry", "signer_set", "hub"), ADDRESS)
    chain |= {"network": "anvil", "rpc_urls": ["http://127.0.0.1:1"]}
    return build_config({"chain": chain, "enclave": {"silicon": "/s"}, "feeds": feeds}, base=base)


def _own(folder: Path, name: str = "own") -> Path:
    """A definition that is not in the catalogue."""
    text = (FOLDER / "usdt-usd.toml").read_text()
    path = folder / f"{name}.toml"
    path.write_text(text.replace("heartbeat_s = 86400", "heartbeat_s = 7200"))
    assert "7200" in path.read_text()
    return path


def test_without_a_choice_the_whole_catalogue_is_served(tmp_path: Path) -> None:
    feeds = configured_feeds(_config(tmp_path))
    assert {feed.feed_id for feed in feeds} == {f.feed_id for f in load_catalogue().values()}


def test_named_feeds_come_with_what_they_convert_by(tmp_path: Path) -> None:
    names = [feed.name for feed in configured_feeds(_config(tmp_path, catalogue=["btc-usd"]))]
    assert names == ["usdt-usd", "btc-usd"]


def test_own_files_alone_leave_the_catalogue_out(tmp_path: Path) -> None:
    [feed] = configured_feeds(_config(tmp_path, files=[str(_own(tmp_path))]))
    assert feed.name == "own"


def test_own_files_join_named_feeds(tmp_path: Path) -> None:
    _own(tmp_path)
    config = _config(tmp_path, catalogue=["usdt-usd"], files=["own.toml"])
    assert [feed.name for feed in configured_feeds(config)] == ["usdt-usd", "own"]


def test_a_file_that_equals_a_named_feed_is_served_once(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "usdt-usd.toml", tmp_path / "same.toml")
    config = _config(tmp_path, catalogue=["usdt-usd"], files=["same.toml"])
    assert len(configured_feeds(config)) == 1


@pytest.mark.parametrize("feeds", [{"catalogue": ["nope"]}, {"files": ["nope.toml"]}])
def test_what_does_not_exist_is_refused(tmp_path: Path, feeds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="nope"):
        configured_feeds(_config(tmp_path, **feeds))


def _on(base: Path, *names: str, **feeds: Any) -> Config:
    config = _config(base, **feeds)
    return config.model_copy(update={"chain": config.chain.model_copy(update={"feeds": names})})


def test_a_chain_may_take_some_of_the_feeds_and_all_are_served(tmp_path: Path) -> None:
    _own(tmp_path)
    feeds: dict[str, Any] = {"catalogue": ["btc-usd", "sol-usd"], "files": ["own.toml"]}
    configs = [_on(tmp_path, "own", "btc-usd", **feeds), _config(tmp_path, **feeds)]
    found = node_feeds(configs)
    assert [feed.name for feed in found] == ["usdt-usd", "btc-usd", "sol-usd", "own"]
    assert [feed.name for feed in chain_feeds(configs[0], found)] == ["btc-usd", "own"]
    assert chain_feeds(configs[1], found) == found


def test_a_chain_may_take_a_paused_feed_but_none_that_is_not_there(tmp_path: Path) -> None:
    paused = {"catalogue": ["btc-usd", "sol-usd"], "paused": ["sol-usd"]}
    assert configured_feeds(_on(tmp_path, "sol-usd", **paused))
    good, bad = _config(tmp_path, catalogue=["btc-usd"]), _on(tmp_path, "x", catalogue=["btc-usd"])
    with pytest.raises(ConfigError, match="chain anvil reports 'x', which is none of the feeds"):
        node_feeds([good, bad])
