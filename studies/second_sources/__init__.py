"""Compares the facts that the real probes ask with lists made by others, of which the checkout holds none.

The lists are public, and each is given as a file: see ``--help``. For every list of ours it prints how many facts are
in the other, and all that differ; for comparisons also every pair that a question may draw and that the other orders
the other way round, with a star where the frozen measurement has it. What differs is for a person to read: the other
may be wrong, of another year, or mean another thing of the name.
"""
