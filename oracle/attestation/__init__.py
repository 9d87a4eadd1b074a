"""The RATS verifier: evidence in, claims or an error out. Knows neither daemon nor chain."""
