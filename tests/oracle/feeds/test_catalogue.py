from collections.abc import Callable
from pathlib import Path

import pytest

from enclave.domain.errors import ConfigError
from enclave.domain.feed import decode_definition, feed_id
from enclave.plan import make_plan
from enclave.sources import ADAPTERS
from oracle.feeds.catalogue import load_catalogue, load_feed, select

#: Ids are what consumers read and governance lists: a change here makes another feed, on purpose.
IDS = {
    "ada-usd": "0x7b9818a3d5ffbbe6f9889052048ce46a33e5bb5fbf1a46ae236f75bad4a642e2",
    "avax-usd": "0x8836a3336d272884b968cc957f5e1f4b8e5f6a5d93b30f02351925905a5864cf",
    "btc-eth": "0x60b34a076599723eac52bf7f8b9df23c2cdf8cd757fafc2e469236e9987ee0ad",
    "btc-usd": "0x7ac9609dc796d4e5b3c209de51356ca58a714f8491ad3603c4fb66367d89e4ab",
    "doge-usd": "0x979daaf30707069165fa91064d7914e0519ea4b27136b2734404cbba1969e93c",
    "eth-usd": "0xe7d93ad9ff57f2488d5e13695372edf27fe4e17542aa44666b9bcb14c19af9d1",
    "eur-usd": "0x4e4d33201d7dc5a1fc2c0312b48c1080212cab2c7cc70186840bd8c8c40128b5",
    "gbp-usd": "0x182ccbce7914e3066b65884b52cba9bce3d42cf590163cbc15f62eeeeaed2ab1",
    "link-usd": "0xd7f34765a3fb5deb00c2f054f20b68bafbfaf5f000b82cae748b262419492a70",
    "ltc-usd": "0x1601d026c5dc3bf012965fe96bd586a64fc2f277c590724a6b2c175997ea9658",
    "sol-usd": "0x9066a29cfd1c056b2dd66fcb684b18a305a86b3abfeca72fe313fa9bfc39d842",
    "usdc-usd": "0xb9d0a1971d034b7f8fa6f3ee8bc1bcb54cb282d18b6fe9f76829ce2b6f7d3883",
    "usdt-usd": "0x35d0bfc3152378adef031b6d51b4c277edce59abaa12df519620417113210208",
    "xrp-usd": "0x6506e318986df74a3eae4c26376277e4a9f5dbeb621f6d5b9554822f749b6963",
}

PLAIN = """
schema = "feed/1"
base = "BTC"
quote = "USD"
decimals = 8
rounding = "half-even"
deviation_bps = 50
heartbeat_s = 3600

[aggregation]
algorithm = "lower-median/1"
min_sources = 1
outlier_floor_bps = 50
outlier_mad = 5
max_dispersion_bps = 100
jump_bps = 500

[[sources]]
name = "coinbase"
adapter = "coinbase/1"
base = "BTC"
quote = "USD"
invert = false
max_age_s = 60
convert = []
params = {}
"""

CANONICAL = (
    b'{"aggregation":{"algorithm":"lower-median/1","jump_bps":"500","max_dispersion_bps":"100",'
    b'"min_sources":"1","outlier_floor_bps":"50","outlier_mad":"5"},"base":"BTC","decimals":"8",'
    b'"deviation_bps":"50","heartbeat_s":"3600","quote":"USD","rounding":"half-even",'
    b'"schema":"feed/1","sources":[{"adapter":"coinbase/1","base":"BTC","convert":[],'
    b'"invert":false,"max_age_s":"60","name":"coinbase","params":{},"quote":"USD"}]}'
)

Write = Callable[..., Path]


def converted(by: str, base: str = "BTC") -> str:
    """A definition whose source quotes USDT and converts by a file or an id."""
    conversion = f'[{{ by = "{by}", operation = "multiply", rounding = "down" }}]'
    changed = PLAIN.replace("convert = []", f"convert = {conversion}")
    head, source = changed.split("[[sources]]")
    source = source.replace('quote = "USD"', 'quote = "USDT"')
    return "[[sources]]".join((head, source)).replace('base = "BTC"', f'base = "{base}"')


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str, name: str = "feed") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return path

    return make


def test_the_catalogue_has_these_ids() -> None:
    assert {name: f"0x{feed.feed_id.hex()}" for name, feed in load_catalogue().items()} == IDS


def test_every_feed_of_the_catalogue_is_executable() -> None:
    feeds = load_catalogue()
    chosen = select(feeds, feeds)
    make_plan([feed.canonical for feed in chosen], ADAPTERS)
    assert len(chosen) == len(feeds)


@pytest.mark.parametrize("name", sorted(IDS))
def test_a_minority_of_sources_makes_no_answer(name: str) -> None:
    definition = load_catalogue()[name].definition
    assert len(definition.sources) >= 3
    assert 2 * definition.aggregation.min_sources > len(definition.sources)


def test_a_definition_becomes_these_bytes(write: Write) -> None:
    feed = load_feed(write(PLAIN))
    assert feed.canonical == CANONICAL
    assert feed.feed_id == feed_id(CANONICAL)
    assert feed.definition == decode_definition(CANONICAL)
    assert feed.name == "feed"


def test_comments_order_and_spacing_do_not_change_the_id(write: Write) -> None:
    lines = PLAIN.replace(' = "USD"', '="USD"  # dollars').splitlines()
    head = sorted(lines[1:8], reverse=True)
    other = load_feed(write("\n".join([*head, *lines[8:]]), "other"))
    assert other.feed_id == load_feed(write(PLAIN)).feed_id


def test_a_file_named_in_by_becomes_its_id(write: Write) -> None:
    tether = load_feed(write(PLAIN.replace('"BTC"', '"USDT"'), "usdt-usd"))
    by_name = load_feed(write(converted("usdt-usd")))
    by_id = load_feed(write(converted(f"0x{tether.feed_id.hex()}"), "by-id"))
    assert by_name.feed_id == by_id.feed_id
    assert by_name.definition.sources[0].convert[0].feed_id == tether.feed_id


def test_a_name_that_is_not_beside_the_file_is_of_the_catalogue(write: Write) -> None:
    feed = load_feed(write(converted("usdt-usd")))
    assert feed.definition.sources[0].convert[0].feed_id.hex() == IDS["usdt-usd"][2:]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", r"feed\.schema is missing"),
        ("schema = \n", r"not TOML: .*line 1"),
        ("a = 1\na = 2\n", r"not TOML: .*line 2"),
        (PLAIN.replace("decimals = 8", "decimals = 8.0"), r"decimals is the float 8\.0"),
        (PLAIN.replace("jump_bps = 500", "jump_bps = nan"), r"aggregation: jump_bps is the float"),
        (
            PLAIN.replace("max_age_s = 60", "max_age_s = 6e1"),
            r"sources\[0\]: max_age_s is the float",
        ),
        (PLAIN.replace("decimals = 8", "decimals = 2026-01-01"), "decimals is a date"),
        (PLAIN.replace("decimals = 8", "decimals = 19"), r"feed\.decimals is 19, wanted 0\.\.18"),
        (PLAIN.replace("decimals = 8", "decimals = -1"), r"feed\.decimals is '-1'"),
        (PLAIN + "extra = 1", "unknown fields"),
        (PLAIN.replace("heartbeat_s = 3600\n", ""), r"feed\.heartbeat_s is missing"),
        (PLAIN.replace('"BTC"', '"BÄR"', 1), "not printable ASCII"),
        (PLAIN.split("[[sources]]")[0], r"feed\.sources is missing"),
        (PLAIN.split("[[sources]]")[0] + "[sources]\na = 1", r"feed\.sources is not a list"),
        ("sources = [1]\n" + PLAIN.split("[[sources]]")[0], "is not an object"),
        (PLAIN.replace("convert = []", "convert = 1"), "convert is not a list"),
        (PLAIN.replace("convert = []", "convert = [1]"), "is not an object"),
        (PLAIN.replace("convert = []", "convert = [{ by = 1 }]"), "by = '1', wanted"),
        (converted("absent"), r"by = 'absent', wanted 0x…, a file beside it"),
        (converted("../feed"), r"by = '\.\./feed', wanted"),
        (converted("0x12"), r"by is '0x12'"),
        (converted("feed"), "feeds convert by each other: feed -> feed"),
        ("#" * 70_000, "70000 bytes, wanted at most 65536"),
        ("a = " + "[" * 5_000, "not TOML"),
    ],
)
def test_a_faulty_definition_is_refused_with_file_and_field(
    write: Write, text: str, wanted: str
) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=wanted) as caught:
        load_feed(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_convert_by_each_other_are_refused(write: Write) -> None:
    write(converted("b"), "a")
    path = write(converted("a"), "b")
    with pytest.raises(ConfigError, match="b -> a -> b"):
        load_feed(path)


def test_what_is_no_file_or_no_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        load_feed(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'base = "\xe4"')
    with pytest.raises(ConfigError, match="not TOML"):
        load_feed(tmp_path / "latin.toml")


def test_one_definition_under_two_names_is_refused(write: Write, tmp_path: Path) -> None:
    write(PLAIN, "a")
    write(PLAIN, "b")
    with pytest.raises(ConfigError, match=r"a\.toml and b\.toml are the same definition"):
        load_catalogue(tmp_path)


def test_a_selection_holds_conversions_first_and_each_once() -> None:
    names = [feed.name for feed in select(load_catalogue(), ["gbp-usd", "btc-usd", "btc-usd"])]
    assert names == ["usdt-usd", "eur-usd", "gbp-usd", "btc-usd"]


def test_a_selection_refuses_what_is_not_there(write: Write, tmp_path: Path) -> None:
    write(converted(f"0x{'11' * 32}"))
    feeds = load_catalogue(tmp_path)
    with pytest.raises(ConfigError, match="feed 'btc' is unknown, wanted one of feed"):
        select(feeds, ["btc"])
    with pytest.raises(ConfigError, match="source coinbase converts by 0x1111"):
        select(feeds, ["feed"])
