"""How each venue states a price: pure adapters, one per venue, and one that is declared."""
