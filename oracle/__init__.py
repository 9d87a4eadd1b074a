"""The untrusted host of a confidential oracle: schedules, submits, registers, and checks from outside."""
