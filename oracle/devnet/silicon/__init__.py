"""Emulates a silicon vendor: its keys, certificates and quotes, under its own root."""
