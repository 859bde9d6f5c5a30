"""Providers that need no agent (reference, oracle, random, null, replay, cheat), and the user's own programs."""
