"""One attester for each TEE: report data to evidence."""
