"""The configuration: one TOML file becomes one frozen object for each chain.

This package alone reads the file, the network files and the key files. A key that is not known is
an error that names file, line and the nearest right key. Paths are relative to the file's folder.
"""

from oracle.config.editing import replace_config, set_lists
from oracle.config.loading import (
    build_chains,
    build_config,
    load_chains,
    load_config,
    network_names,
    parse_chains,
    read_config,
    read_private_file,
)
from oracle.config.schema import (
    GWEI,
    Config,
    KeysConfig,
    PeerConfig,
    QuorumConfig,
    checksum_address,
    parse_source,
    split_listen,
)
from oracle.config.showing import changed_keys, config_hash, mask_url, masked, masked_chains

__all__ = [
    "GWEI",
    "Config",
    "KeysConfig",
    "PeerConfig",
    "QuorumConfig",
    "build_chains",
    "build_config",
    "changed_keys",
    "checksum_address",
    "config_hash",
    "load_chains",
    "load_config",
    "mask_url",
    "masked",
    "masked_chains",
    "network_names",
    "parse_chains",
    "parse_source",
    "read_config",
    "read_private_file",
    "replace_config",
    "set_lists",
    "split_listen",
]
