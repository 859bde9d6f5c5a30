"""Engines, which run the jobs of a sweep: one module for each."""
