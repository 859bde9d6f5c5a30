"""Checks what agents claim against what their notebooks show: deterministic, and without influence on scores."""
