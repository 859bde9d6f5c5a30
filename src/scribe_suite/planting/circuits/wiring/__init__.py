"""Programs whose wiring is exact: each node reads what its variable is computed from, input by input."""
