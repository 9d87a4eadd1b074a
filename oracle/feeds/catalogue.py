"""Authoring: a feed definition in TOML becomes the canonical bytes that the enclave executes.

The TOML form writes every field; nothing is filled in, so that what one reads is what is hashed.
It differs from the canonical form in two ways: numbers are TOML integers (floats are refused), and
`by` may name a file beside this one, or else of the catalogue (`by = "usdt-usd"` is
`usdt-usd.toml`), which becomes the id of the feed in it.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from enclave.domain.errors import ConfigError
from enclave.domain.feed import (
    FeedDefinition,
    Json,
    decode_definition,
    encode_definition,
    feed_id,
)

#: The catalogue of this package.
FOLDER = Path(__file__).parent
MAX_FILE = 65_536


@dataclass(frozen=True, slots=True)
class Feed:
    """One definition, ready to be loaded and listed.

    Attributes:
        name: Stem of the file, such as `btc-usd`; for people, not an identifier.
        canonical: The bytes that are hashed, listed and executed.
        feed_id: 32 bytes.
        definition: The same, decoded.
    """

    name: str
    canonical: bytes
    feed_id: bytes
    definition: FeedDefinition


def load_feed(path: Path) -> Feed:
    """Read one definition, and the files that it converts by.

    Raises:
        ConfigError: Names the file and the field, what was seen and what is wanted.
    """
    return _load(path, ())


def load_catalogue(folder: Path = FOLDER) -> Mapping[str, Feed]:
    """Every definition of a folder by name, in the order of the names.

    Raises:
        ConfigError: One does not load, or two have the same id.
    """
    feeds = {path.stem: load_feed(path) for path in sorted(folder.glob("*.toml"))}
    names: dict[bytes, str] = {}
    for feed in feeds.values():
        other = names.setdefault(feed.feed_id, feed.name)
        if other != feed.name:
            raise ConfigError(f"{other}.toml and {feed.name}.toml are the same definition")
    return feeds


def select(feeds: Mapping[str, Feed], names: Iterable[str]) -> tuple[Feed, ...]:
    """The named feeds and all that they convert by, conversions first, each once.

    Raises:
        ConfigError: An unknown name, or a conversion by a feed that is not among `feeds`.
    """
    by_id = {feed.feed_id: feed for feed in feeds.values()}
    chosen: dict[bytes, Feed] = {}
    for name in names:
        if name not in feeds:
            raise ConfigError(f"feed {name!r} is unknown, wanted one of {', '.join(feeds)}")
        _choose(feeds[name], by_id, chosen)
    return tuple(chosen.values())


def _choose(feed: Feed, by_id: Mapping[bytes, Feed], chosen: dict[bytes, Feed]) -> None:
    for source in feed.definition.sources:
        for conversion in source.convert:
            other = by_id.get(conversion.feed_id)
            if other is None:
                raise ConfigError(
                    f"feed {feed.name}: source {source.name} converts by"
                    f" 0x{conversion.feed_id.hex()}, which is not in the catalogue"
                )
            _choose(other, by_id, chosen)
    chosen.setdefault(feed.feed_id, feed)


def _load(path: Path, above: tuple[Path, ...]) -> Feed:
    if path in above:
        chain = " -> ".join(each.stem for each in (*above, path))
        raise ConfigError(f"{path}: feeds convert by each other: {chain}")
    value = _to_json(_read_toml(path), str(path))
    _name_conversions(value, path, (*above, path))
    try:
        canonical = encode_definition(value)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return Feed(path.stem, canonical, feed_id(canonical), decode_definition(canonical))


@dataclass(frozen=True, slots=True)
class _Float:
    """A TOML float as written; kept until its field is known."""

    text: str


def _read_toml(path: Path) -> dict[str, object]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or type(error).__name__}") from error
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{path}: {len(raw)} bytes, wanted at most {MAX_FILE}")
    try:
        return tomllib.loads(raw.decode("utf-8"), parse_float=_Float)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _to_json(value: object, where: str) -> Json:
    """TOML values as canonical ones: integers become their decimal text."""
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return {name: _to_json(member, f"{where}: {name}") for name, member in value.items()}
    if isinstance(value, list):
        return [_to_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, _Float):
        raise ConfigError(f"{where} is the float {value.text}, wanted an integer or text")
    raise ConfigError(f"{where} is a {type(value).__name__}, wanted text, a boolean or an integer")


def _name_conversions(definition: Json, path: Path, above: tuple[Path, ...]) -> None:
    """Replace the names of files in `by` by the ids of the feeds in them."""
    sources = definition.get("sources") if isinstance(definition, dict) else None
    for source in sources if isinstance(sources, list) else ():
        conversions = source.get("convert") if isinstance(source, dict) else None
        for conversion in conversions if isinstance(conversions, list) else ():
            by = conversion.get("by") if isinstance(conversion, dict) else None
            if isinstance(conversion, dict) and isinstance(by, str) and not by.startswith("0x"):
                conversion["by"] = f"0x{_sibling(by, path, above).feed_id.hex()}"


def _sibling(name: str, path: Path, above: tuple[Path, ...]) -> Feed:
    places = (path.parent, FOLDER) if Path(name).name == name else ()
    for place in places:
        sibling = place / f"{name}.toml"
        if sibling.is_file():
            return _load(sibling, above)
    raise ConfigError(
        f"{path}: by = {name!r}, wanted 0x…, a file beside it or a feed of the catalogue"
    )
