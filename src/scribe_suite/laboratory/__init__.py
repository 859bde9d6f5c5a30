"""Models that are run for an agent, with a price on every experiment. Knows nothing about tasks and notebooks."""
