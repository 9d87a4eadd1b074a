"""Editing the operator's file: what is wished for changes, and nothing else does."""

import os
import tomllib
from pathlib import Path

import pytest

from enclave.domain.errors import ConfigError
from oracle.config import replace_config, set_lists

FILE = """\
# mine
[chain]
rpc_urls = ["http://a"]  # secret

[feeds]  # what we serve
files = []
catalogue = [
  "btc-usd",  # first
  # [not-a-table]
  "eth-usd",
]
# the end
[[quorum.peers]]
url = "https://b"
"""


def _set(text: str, **lists: tuple[str, ...]) -> str:
    return set_lists(text, "feeds", lists, source="oracle.toml")


def test_a_list_over_several_lines_becomes_another_and_all_else_stays() -> None:
    changed = _set(FILE, catalogue=("btc-usd", "sol-usd"), paused=("btc-usd",))
    before, after = FILE.splitlines(), changed.splitlines()
    assert tomllib.loads(changed)["feeds"] == {
        "files": [],
        "catalogue": ["btc-usd", "sol-usd"],
        "paused": ["btc-usd"],
    }
    assert after[:4] == before[:4]
    assert after[-3:] == before[-3:]


def test_an_empty_list_is_left_out() -> None:
    assert tomllib.loads(_set(FILE, catalogue=()))["feeds"] == {"files": []}


@pytest.mark.parametrize("text", ["", "[chain]\nx = 1\n", "[chain]\nx = 1"])
def test_a_section_that_is_not_there_is_made(text: str) -> None:
    changed = _set(text, paused=('a"b\\', "é"))
    assert tomllib.loads(changed) == tomllib.loads(text) | {"feeds": {"paused": ['a"b\\', "é"]}}


def test_a_header_inside_of_a_text_is_none() -> None:
    text = '[x]\nnote = """\n[y]\n"""\n[feeds]\nfiles = []\n[feeds.more]\nx = 1\n'
    wanted = tomllib.loads(text)
    wanted["feeds"]["paused"] = ["btc-usd"]
    assert tomllib.loads(_set(text, paused=("btc-usd",))) == wanted


@pytest.mark.parametrize(
    "text",
    [
        'feeds = {catalogue = ["btc-usd"]}\n',
        'feeds.catalogue = ["btc-usd"]\n',
        '[x]\nnote = """\n[feeds]\n"""\n[feeds]\ncatalogue = ["btc-usd"]\n',
    ],
)
def test_a_form_that_it_cannot_edit_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"oracle\.toml: section feeds .* edit it by hand"):
        _set(text, paused=("btc-usd",))


def test_the_file_is_replaced_whole_with_its_mode_and_through_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "oracle.toml", tmp_path / "link.toml"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    inode = file.stat().st_ino
    replace_config(link, "old", "new")
    assert file.read_text() == "new"
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.stat().st_ino != inode
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.toml", "oracle.toml"]


def test_a_file_that_was_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "oracle.toml"
    file.write_text("another")
    with pytest.raises(ConfigError, match="changed meanwhile"):
        replace_config(file, "old", "new")
    assert file.read_text() == "another"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "oracle.toml"
    file.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        replace_config(file, "old", "new")
    assert file.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["oracle.toml"]
