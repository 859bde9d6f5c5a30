"""Providers that need no agent: reference, oracle, random, null, replay, cheat; and programs of the user's own."""
