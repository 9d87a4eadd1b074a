"""How the host speaks to an EVM chain: endpoints, contracts, transactions."""
