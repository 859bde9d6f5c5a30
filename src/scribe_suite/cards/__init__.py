"""Results cards: what a reader must know of runs to trust the numbers that are published of them."""
