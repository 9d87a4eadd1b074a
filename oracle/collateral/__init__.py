"""Keeping a chain's copy of Intel's collateral fresh: the sources, what is due, bringing it."""
