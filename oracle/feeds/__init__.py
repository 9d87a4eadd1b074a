"""Ready-made feed definitions in TOML, and the way from TOML to canonical bytes."""
