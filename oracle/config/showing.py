"""A configuration as people and logs see it: without what may be secret; its hash; its changes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from oracle.config.schema import Config

#: Sections that each chain has of its own.
_OF_CHAIN: Final = ("chain", "keys", "gas", "quorum")


def masked(config: Config) -> dict[str, Any]:
    """The effective configuration for people: endpoints without what may be secret in them."""
    shown = config.model_dump(mode="json", by_alias=False)
    shown["chain"]["rpc_urls"] = [mask_url(url) for url in config.chain.rpc_urls]
    relay = config.chain.relay_url
    shown["chain"]["relay_url"] = None if relay is None else mask_url(relay)
    if isinstance(config.collateral.source, str):
        shown["collateral"]["source"] = mask_url(config.collateral.source)
    return shown


def masked_chains(configs: Sequence[Config]) -> dict[str, Any]:
    """As `masked`, of a node with any number of chains: several are a list `chains`.

    Args:
        configs: One for each chain, alike in what chains share.
    """
    first, *others = (masked(config) for config in configs)
    if not others:
        return first
    shared = {key: value for key, value in first.items() if key not in _OF_CHAIN}
    own = [each["chain"] | {key: each[key] for key in ("keys", "gas")} for each in (first, *others)]
    return {"chains": own, **shared}


def mask_url(url: str) -> str:
    """Scheme, host and port of an URL; the rest, which may be a secret, as `***`."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    hidden = "/***" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{parts.hostname}{port}{hidden}"


def changed_keys(before: Sequence[Config], after: Sequence[Config]) -> tuple[str, ...]:
    """Keys whose values differ between two configurations, in their order.

    Args:
        before: One for each chain.
        after: One for each chain.

    Returns:
        `section.key`; of one among several chains `chains.NAME.key`, and `chains` if there are
        others now.
    """
    old, new = before[0].model_dump(), after[0].model_dump()
    if len(before) == len(after) == 1:
        return tuple(_changed(old, new, list(new)))
    shared = [section for section in new if section not in _OF_CHAIN]
    found = _changed(old, new, shared)
    if [each.chain.name for each in before] != [each.chain.name for each in after]:
        return ("chains", *found)
    own: list[str] = []
    for one, other in zip(before, after, strict=True):
        keys = _changed(one.model_dump(), other.model_dump(), _OF_CHAIN)
        own += [f"chains.{other.chain.name}.{key.removeprefix('chain.')}" for key in keys]
    return (*own, *found)


def _changed(old: Mapping[str, Any], new: Mapping[str, Any], sections: Sequence[str]) -> list[str]:
    found: list[str] = []
    for section in sections:
        one, other = old[section] or {}, new[section] or {}
        names = dict.fromkeys((*one, *other))
        found += [f"{section}.{name}" for name in names if one.get(name) != other.get(name)]
    return found


def config_hash(configs: Sequence[Config]) -> str:
    """SHA-256 of the effective configuration without secrets, the first 16 hexadecimal digits.

    Args:
        configs: One for each chain.
    """
    text = json.dumps(masked_chains(configs), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
