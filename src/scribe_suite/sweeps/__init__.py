"""Sweeps: a benchmark in shards on many machines, with resumption, one budget and one ledger at the end."""
