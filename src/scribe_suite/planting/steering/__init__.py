"""Models with a gate that decides between two ways to answer, and what adding vectors to their activations does."""
