"""The report: a static site made from one run's ledger and folders.

It reads what a run has left and writes HTML; it runs nothing and asks nothing of a network. Whatever an agent wrote is
treated as hostile: it is cleaned by an allow-list (`sanitise`), and every page forbids scripts by a policy of its own.
"""
