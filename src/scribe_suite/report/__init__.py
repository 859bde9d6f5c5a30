"""The report: a static site made from one run's ledger and folders.

It reads the files of a run and writes HTML; it executes nothing and uses no network. Everything that an agent wrote is
treated as hostile: it is cleaned by an allow-list (`sanitise`), and every page forbids scripts by its own policy.
"""
