"""Attempts made by people, or by any program that types: in a terminal, or in a JupyterLab."""
