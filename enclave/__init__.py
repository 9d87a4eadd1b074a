"""The measured trusted computing base: everything that runs inside the TEE."""

#: Version of the measured code; the same as the distribution's.
VERSION = "0.1.0"
