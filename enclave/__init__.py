"""The measured trusted computing base: everything that runs inside the TEE."""
