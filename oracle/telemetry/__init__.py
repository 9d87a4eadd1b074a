"""Logs, metrics and health of the host."""
