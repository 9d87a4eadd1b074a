"""Read the configuration file; say where a fault is and what the right key would be."""

import difflib
import re
import stat
import tomllib
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from enclave.domain.errors import ConfigError
from oracle.config.chains import Part, check_chains, choose_chain, split_chains
from oracle.config.schema import Config, QuorumConfig

_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")
_TABLE = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.\"'-]+)\s*\]\]?")
_PRIVATE_BITS = 0o077


def load_chains(path: Path) -> tuple[Config, ...]:
    """Read the configuration file: one configuration for each chain, alike but for the chain.

    Raises:
        ConfigError: One line for each fault: file, line, key, what is wrong, the nearest right key.
    """
    return parse_chains(read_config(path), path)


def load_config(path: Path, chain: str | None = None) -> Config:
    """Read the configuration of one chain.

    Args:
        path: The file.
        chain: Its name; may be left out if there is but one.

    Raises:
        ConfigError: As `load_chains`; or it is not said which of several chains.
    """
    return choose_chain(load_chains(path), chain, str(path))


def read_config(path: Path) -> str:
    """The text of the configuration file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error


def parse_chains(text: str, path: Path) -> tuple[Config, ...]:
    """Check a text as it would stand in the file at `path`.

    Raises:
        ConfigError: As `load_chains`.
    """
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return build_chains(values, base=path.resolve().parent, source=str(path), text=text)


def build_config(values: Mapping[str, Any], *, base: Path) -> Config:
    """Check values for one chain as they would stand in the file.

    Args:
        values: Sections and keys.
        base: Folder that relative paths start from.

    Raises:
        ConfigError: As `load_config`.
    """
    return choose_chain(build_chains(values, base=base), None, "config")


def build_chains(
    values: Mapping[str, Any], *, base: Path, source: str = "config", text: str = ""
) -> tuple[Config, ...]:
    """Check values as they would stand in the file.

    Args:
        values: Sections and keys.
        base: Folder that relative paths start from.
        source: Name of the file, for messages.
        text: Its content, to find the line of a fault.

    Raises:
        ConfigError: As `load_chains`.
    """
    configs: list[Config] = []
    lines: list[str] = []
    for part in split_chains(values, source):
        try:
            config = Config.model_validate(_with_network(part.values))
        except ValidationError as error:
            lines += [_fault(part, item, source, text) for item in error.errors()]
            continue
        config = _absolute(config, base)
        _check(config, source)
        configs.append(config)
    if lines:
        raise ConfigError("\n".join(dict.fromkeys(lines)))
    check_chains(configs, source)
    return tuple(configs)


def network_names() -> list[str]:
    """Names of the chains that come with the program."""
    folder = resources.files("oracle.chain") / "networks"
    return sorted(
        item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")
    )


def _with_network(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what the network's file says and the operator did not."""
    chain = values.get("chain")
    name = chain.get("network") if isinstance(chain, dict) else None
    merged = dict(values)
    if not isinstance(name, str):
        return merged
    if name not in network_names():
        near = difflib.get_close_matches(name, network_names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"chain.network is {name!r}; {hint}known: {', '.join(network_names())}")
    file = resources.files("oracle.chain") / "networks" / f"{name}.toml"
    network = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    for section, keys in (
        ("chain", ("chain_id", "block_s", "confirm_timeout_s")),
        ("gas", ("max_fee_gwei", "max_priority_fee_gwei")),
    ):
        own = values.get(section, {})
        if isinstance(own, dict):
            merged[section] = {key: network[key] for key in keys} | own
    merged["chain"] = {"name": name} | merged["chain"]
    return merged


def _fault(part: Part, error: Mapping[str, Any], source: str, text: str) -> str:
    """One line about one fault."""
    loc, kind, message = error["loc"], error["type"], str(error["msg"])
    place = part.place(loc)
    keys = [str(each) for each in loc if isinstance(each, str)]
    where = f"{source}:{_line_of(text, place)}" if text else source
    name = ".".join(str(each) for each in place if isinstance(each, str))
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _known_keys(keys[:-1]), 1, 0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where}: unknown key {name}{hint}"
    if kind == "missing":
        return f"{where}: {name} is missing"
    return f"{where}: {name}: {message.removeprefix('Value error, ')}"


def _known_keys(section: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    for name in section:
        field = model.model_fields.get(name)
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section in `Section`, `Section | None` or `tuple[Section, ...]`."""
    for kind in (annotation, *typing.get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _line_of(text: str, loc: Sequence[int | str]) -> int:
    """Line of a key, or of its section, or 1; for messages only.

    Args:
        text: The file.
        loc: Names, and numbers from 0 for the places in an array of tables.
    """
    seen: dict[str, int] = {}
    table: list[int | str] = []
    best, known = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        header, assignment = _TABLE.match(line), _ASSIGNMENT.match(line)
        if header:
            table = [*_split_key(header[1])]
            if line.lstrip().startswith("[["):
                seen[header[1]] = seen.get(header[1], -1) + 1
                table.append(seen[header[1]])
            elif table[0] in seen:
                # A table inside of the last one of an array.
                table.insert(1, seen[str(table[0])])
            here = table
        elif assignment:
            here = [*table, *_split_key(assignment[1])]
        else:
            continue
        if len(here) > known and here == list(loc[: len(here)]):
            best, known = number, len(here)
    return best


def _split_key(text: str) -> list[str]:
    return [part.strip("\"'") for part in text.split(".")]


def _absolute(config: Config, base: Path) -> Config:
    """The same configuration with every path absolute."""

    def fix(model: BaseModel) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for name in type(model).model_fields:
            value = getattr(model, name)
            if isinstance(value, Path):
                changed[name] = base / value
            elif isinstance(value, tuple) and value and isinstance(value[0], Path):
                changed[name] = tuple(base / item for item in value)
            elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
                changed[name] = tuple(item.model_copy(update=fix(item)) for item in value)
            elif isinstance(value, BaseModel):
                changed[name] = value.model_copy(update=fix(value))
        return changed

    return config.model_copy(update=fix(config))


def _check(config: Config, source: str) -> None:
    """Rules across keys."""
    keys, enclave = config.keys, config.enclave
    if (keys.keystore is None) != (keys.password_file is None):
        raise ConfigError(f"{source}: keys needs both keystore and password_file, or neither")
    if enclave.silicon is None:
        raise ConfigError(f"{source}: enclave.silicon is missing: the attester simulated needs it")
    longest = len(str(enclave.runtime_dir / "enclave-b" / "enclave.sock").encode())
    if longest > 107:
        raise ConfigError(
            f"{source}: enclave.runtime_dir gives socket paths of {longest} bytes, wanted <= 107"
        )
    if config.quorum is not None:
        _check_quorum(config.quorum, has_key=keys.keystore is not None, source=source)


def _check_quorum(quorum: QuorumConfig, *, has_key: bool, source: str) -> None:
    if not has_key:
        raise ConfigError(f"{source}: quorum needs keys.keystore: peers know a node by its seat")
    for name in ("operator", "url"):
        values = [getattr(peer, name) for peer in quorum.peers]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ConfigError(f"{source}: quorum.peers names the {name} {twice} twice")


def read_private_file(path: Path) -> bytes:
    """Read a secret.

    Raises:
        ConfigError: It cannot be read, or others than its owner can read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & _PRIVATE_BITS:
                raise ConfigError(f"{path} has mode {mode:04o}, wanted 0600: chmod 600 {path}")
            return file.read(65_536)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
