"""One file, several chains: `[[chains]]` in the place of `[chain]`, each with keys of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from enclave.domain.errors import ConfigError
from oracle.config.schema import Config

#: An enclave signs for 16 hubs in its life; so many leave room for hubs that are replaced.
MAX_CHAINS: Final = 8
#: Sections that a chain may have of its own, inside of its table.
_OWN: Final = ("keys", "gas")
_Loc = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What the file says for one chain, as if that were the only one.

    Attributes:
        values: Sections and keys of `Config`.
        number: Its place in `chains`, from 0; `None` for `[chain]`.
        own: Its table; empty for `[chain]`.
    """

    values: Mapping[str, Any]
    number: int | None
    own: Mapping[str, Any]

    def place(self, loc: _Loc) -> _Loc:
        """Where in the file a key of `values` stands."""
        if self.number is None or not loc:
            return loc
        if loc[0] == "chain":
            return ("chains", self.number, *loc[1:])
        section = self.own.get(str(loc[0])) if loc[0] in _OWN else None
        is_own = section is not None and (loc[0] == "keys" or loc[1:2] == () or loc[1] in section)
        return ("chains", self.number, *loc) if is_own else loc


def split_chains(values: Mapping[str, Any], source: str) -> tuple[Part, ...]:
    """What the file says for each chain.

    Raises:
        ConfigError: Both `[chain]` and `[[chains]]`, no table, or too many.
    """
    if "chains" not in values:
        return (Part(values, None, {}),)
    if "chain" in values:
        raise ConfigError(f"{source}: both [chain] and [[chains]]: give each chain its [[chains]]")
    tables = values["chains"]
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ConfigError(f"{source}: chains, wanted one table [[chains]] for each chain")
    if not 1 <= len(tables) <= MAX_CHAINS:
        raise ConfigError(f"{source}: {len(tables)} chains, wanted 1 to {MAX_CHAINS}")
    if "quorum" in values and len(tables) > 1:
        raise ConfigError(
            f"{source}: a node with peers serves one chain: run a node for each chain with [quorum]"
        )
    common = {key: value for key, value in values.items() if key != "chains"}
    return tuple(_part(common, number, table) for number, table in enumerate(tables))


def _part(common: Mapping[str, Any], number: int, table: Mapping[str, Any]) -> Part:
    values = {**common, "chain": {key: table[key] for key in table if key not in _OWN}}
    if "keys" in table:
        values["keys"] = table["keys"]
    if "gas" in table:
        shared, own = common.get("gas", {}), table["gas"]
        are_tables = isinstance(shared, dict) and isinstance(own, dict)
        values["gas"] = {**shared, **own} if are_tables else own
    return Part(values, number, table)


def check_chains(configs: Sequence[Config], source: str) -> None:
    """Check that no two share a name or a chain id.

    Raises:
        ConfigError: They do. Two senders of one account on one chain would take the same nonces.
    """
    for key in ("name", "chain_id"):
        values = [getattr(config.chain, key) for config in configs]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ConfigError(f"{source}: two chains have the {key} {twice}")


def choose_chain(configs: Sequence[Config], name: str | None, source: str) -> Config:
    """The chain of this name; without one the only chain.

    Raises:
        ConfigError: None has the name, or there are several and none is named.
    """
    names = ", ".join(config.chain.name for config in configs)
    if name is None and len(configs) > 1:
        raise ConfigError(f"{source} has several chains: say --chain NAME, one of {names}")
    for config in configs:
        if name in (None, config.chain.name):
            return config
    raise ConfigError(f"--chain {name!r}, wanted one of {names}")
