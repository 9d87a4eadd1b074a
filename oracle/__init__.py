"""The untrusted host: schedules, submits, registers, and checks the enclave from outside."""
