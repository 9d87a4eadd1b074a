"""The untrusted host, and everything that checks the enclave from outside."""
