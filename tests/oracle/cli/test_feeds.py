from pathlib import Path

from typer.testing import CliRunner

from oracle.cli.feeds import app
from oracle.feeds.catalogue import FOLDER, load_catalogue

RUN = CliRunner()


def test_hash_prints_the_id_of_each_file() -> None:
    files = [str(FOLDER / f"{name}.toml") for name in ("btc-usd", "gbp-usd")]
    feeds = load_catalogue()
    result = RUN.invoke(app, ["hash", *files])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"0x{feeds[name].feed_id.hex()}  {file}"
        for name, file in zip(("btc-usd", "gbp-usd"), files, strict=True)
    ]


def test_list_prints_every_feed() -> None:
    lines = RUN.invoke(app, ["list"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(load_catalogue())
    assert "0x" + load_catalogue()["btc-eth"].feed_id.hex() in "\n".join(lines)


def test_show_prints_rules_and_sources() -> None:
    output = RUN.invoke(app, ["show", "gbp-usd"]).stdout
    assert output.startswith("GBP/USD  0x")
    assert "lower-median/1 of at least 3 of 4 sources" in output
    assert "EUR/GBP  at most 518400 s old  inverted  multiply by 0x4e4d3320…" in output


def test_show_takes_a_file_and_prints_all_without_a_name() -> None:
    of_file = RUN.invoke(app, ["show", str(FOLDER / "btc-usd.toml")]).stdout
    assert of_file == RUN.invoke(app, ["show", "btc-usd"]).stdout
    assert of_file in RUN.invoke(app, ["show"]).stdout


def test_show_canonical_prints_the_hashed_bytes() -> None:
    result = RUN.invoke(app, ["show", "btc-usd", "--canonical"])
    assert result.stdout_bytes == load_catalogue()["btc-usd"].canonical + b"\n"


def test_an_unknown_name_or_a_faulty_file_is_one_line_and_exit_2(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.toml"
    faulty.write_text("schema = 1.0")
    for arguments, text in (
        (["show", "btc"], "feed 'btc' is not in the catalogue, wanted one of ada-usd,"),
        (["hash", str(faulty)], "schema is the float 1.0"),
        (["hash", str(tmp_path / "absent.toml")], "No such file"),
    ):
        result = RUN.invoke(app, arguments)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert text in result.stderr
