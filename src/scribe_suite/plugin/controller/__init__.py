"""What runs in the process that the user started: the ledger, the tables, the live view."""
