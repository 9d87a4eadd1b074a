"""The configuration: one TOML file becomes one frozen object.

This package alone reads the file, the network files and the key files. A key that is not known is
an error that names file, line and the nearest right key. Paths are relative to the file's folder.
"""

from oracle.config.loading import (
    build_config,
    config_hash,
    load_config,
    mask_url,
    masked,
    network_names,
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
    "checksum_address",
    "config_hash",
    "load_config",
    "mask_url",
    "masked",
    "network_names",
    "parse_source",
    "read_private_file",
    "split_listen",
]
