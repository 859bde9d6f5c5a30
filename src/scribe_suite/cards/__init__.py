"""Results cards: the facts about runs that readers need to trust the published numbers."""
