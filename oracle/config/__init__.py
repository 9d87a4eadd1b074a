"""The configuration: one TOML file becomes one frozen object.

This package alone reads the file, the network files and the key files. A key that is not known is
an error that names file, line and the nearest right key. Paths are relative to the file's folder.
"""

from oracle.config.editing import replace_config, set_lists
from oracle.config.loading import (
    build_config,
    changed_keys,
    config_hash,
    load_config,
    mask_url,
    masked,
    network_names,
    parse_config,
    read_config,
    read_private_file,
)
from oracle.config.schema import (
    GWEI,
    Config,
    PeerConfig,
    QuorumConfig,
    checksum_address,
    parse_source,
    split_listen,
)

__all__ = [
    "GWEI",
    "Config",
    "PeerConfig",
    "QuorumConfig",
    "build_config",
    "changed_keys",
    "checksum_address",
    "config_hash",
    "load_config",
    "mask_url",
    "masked",
    "network_names",
    "parse_config",
    "parse_source",
    "read_config",
    "read_private_file",
    "replace_config",
    "set_lists",
    "split_listen",
]
