"""Pictures of a run's table and of the report, for the README: drawn from a recorded run, `run.jsonl`."""
