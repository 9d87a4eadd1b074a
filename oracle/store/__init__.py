"""The journal: what must survive a restart of the host."""
