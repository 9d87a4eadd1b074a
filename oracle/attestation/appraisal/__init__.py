"""Whether genuine evidence is acceptable: a policy, reference values, and every check's outcome."""
