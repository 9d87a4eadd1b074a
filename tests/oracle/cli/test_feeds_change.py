"""`oracle feeds add|pause|resume|remove` on real files, where no node runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from oracle.cli.feeds import app
from oracle.config import load_config
from oracle.feeds.catalogue import FOLDER, load_catalogue
from oracle.feeds.configured import configured_feeds, paused_feeds

RUN = CliRunner()
_BASE = """\
[chain]
network = "anvil"
rpc_urls = ["http://127.0.0.1:8545"]
registry = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
signer_set = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
hub = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
[enclave]
silicon = "silicon.sock"
"""


def _file(folder: Path, feeds: str) -> Path:
    path = folder / "oracle.toml"
    path.write_text(_BASE + feeds)
    return path


def _run(path: Path, *arguments: str) -> tuple[int, str]:
    result = RUN.invoke(app, [*arguments, "-c", str(path)])
    return result.exit_code, result.stdout + result.stderr


def _names(path: Path) -> tuple[list[str], list[str]]:
    """Names that are served besides USDT/USD, which all convert by, and those that are paused."""
    config = load_config(path)
    feeds = configured_feeds(config)
    paused = paused_feeds(config, feeds)
    served = [f.name for f in feeds if f.name != "usdt-usd"]
    return served, [f.name for f in feeds if f.feed_id in paused]


def test_feeds_come_pause_resume_and_go(tmp_path: Path) -> None:
    path = _file(tmp_path, '[feeds]  # mine\ncatalogue = ["btc-usd"]  # one\n')
    assert _run(path, "add", "sol-usd", "ltc-usd") == (
        0,
        f"{path} is changed; no node runs with it\n",
    )
    assert _names(path)[0] == ["btc-usd", "sol-usd", "ltc-usd"]
    assert _run(path, "pause", "sol-usd")[0] == 0
    assert load_config(path).feeds.paused == ("sol-usd",)
    assert _names(path)[0] == ["btc-usd", "ltc-usd"]
    assert _run(path, "resume", "sol-usd")[0] == 0
    assert _run(path, "pause", "ltc-usd")[0] == 0
    assert _run(path, "remove", "ltc-usd")[0] == 0
    assert _names(path) == (["btc-usd", "sol-usd"], [])
    assert path.read_text().startswith(_BASE + "[feeds]  # mine\n")


def test_a_section_that_means_all_is_spelled_out_before_it_changes(tmp_path: Path) -> None:
    path = _file(tmp_path, "")
    assert _run(path, "remove", "btc-usd")[0] == 0
    left = [name for name in load_catalogue() if name != "btc-usd"]
    assert load_config(path).feeds.catalogue == tuple(left)
    path = _file(tmp_path, "")
    assert _run(path, "add", "btc-usd")[0] == 2


def test_an_own_file_is_added_relative_and_removed(tmp_path: Path) -> None:
    path = _file(tmp_path, '[feeds]\ncatalogue = ["sol-usd"]\n')
    own = tmp_path / "mine.toml"
    own.write_text((FOLDER / "btc-usd.toml").read_text())
    assert _run(path, "add", str(own))[0] == 0
    assert 'files = ["mine.toml"]' in path.read_text()
    assert _run(path, "pause", "mine")[0] == 0
    assert _names(path) == (["sol-usd"], [])
    assert _run(path, "remove", str(own))[0] == 0
    assert load_config(path).feeds.paused == ()
    assert load_config(path).feeds.files == ()


def test_a_paused_feed_that_others_convert_by_is_loaded_and_no_more(tmp_path: Path) -> None:
    path = _file(tmp_path, '[feeds]\ncatalogue = ["eth-usd", "usdt-usd"]\n')
    assert _run(path, "pause", "usdt-usd")[0] == 0
    names, paused = _names(path)
    assert (names, paused) == (["eth-usd"], ["usdt-usd"])
    assert _run(path, "resume", "usdt-usd")[0] == 0
    assert _run(path, "remove", "eth-usd")[0] == 0
    assert _run(path, "add", "sol-usd")[0] == 0
    assert _run(path, "pause", "sol-usd")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "btc"], "feed 'btc' is not in the catalogue"),
        (["add", "eth-usd"], "feed 'eth-usd' is served already"),
        (["add", "sol-usd", "nothing"], "feed 'nothing' is not in the catalogue"),
        (["add", "absent.toml"], "No such file"),
        (["remove", "sol-usd"], "feed 'sol-usd' is not among those"),
        (["remove", "usdt-usd"], "feed 'usdt-usd' is needed: others convert by it"),
        (["remove", "eth-usd", "usdt-usd"], "no feed would be left"),
        (["pause", "sol-usd"], "names 'sol-usd', which is none of the feeds"),
        (["pause", "eth-usd", "eth-usd"], "feed 'eth-usd' is paused already"),
        (["pause", "eth-usd", "usdt-usd"], "names all feeds"),
        (["resume", "eth-usd"], "feed 'eth-usd' is not paused"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_changes_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    path = _file(tmp_path, '[feeds]\ncatalogue = ["eth-usd", "usdt-usd"]\n')
    before = path.read_text()
    code, output = _run(path, *arguments)
    assert code == 2
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert said in output
    assert path.read_text() == before


def test_a_name_that_is_paused_but_not_served_is_a_fault(tmp_path: Path) -> None:
    path = _file(tmp_path, '[feeds]\ncatalogue = ["btc-usd"]\npaused = ["sol-usd"]\n')
    code, output = _run(path, "add", "ltc-usd")
    assert (code, "which is none of the feeds" in output) == (2, True)
