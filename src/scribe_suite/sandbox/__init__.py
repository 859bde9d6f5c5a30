"""Sandboxes for kernels, submitted functions and agents: tiers, namespaces, limits. Knows nothing about notebooks."""
