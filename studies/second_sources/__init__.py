"""Compares the facts behind the real probes with third-party lists, which are not part of the checkout.

The lists are public, and each is given as a file: see ``--help``. For every list of ours it prints the number of facts
that the other list has, and all differences; for comparisons also every pair that a question may draw and that the
other list orders in reverse, with a star where the frozen measurement has it. A person has to judge the differences:
the other list may be wrong, from another year, or use the name for something else.
"""
