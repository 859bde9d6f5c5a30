"""Circuits: from a causal model to certified weights."""
