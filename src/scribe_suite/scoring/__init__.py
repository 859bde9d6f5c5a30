"""Scorers: pure functions from a validated answer and the hidden truth to a `Score`. They never run in a kernel."""
