"""Results: outcomes, records, the ledger, tables. Knows nothing about pytest."""
