"""Vocabulary shared with the host: frozen values and codecs, no I/O."""
