"""Rare branches: a condition on tokens that almost no prompt meets, and its effect."""
