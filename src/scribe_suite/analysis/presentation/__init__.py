"""Comparisons and differences as text, tables and pages."""
