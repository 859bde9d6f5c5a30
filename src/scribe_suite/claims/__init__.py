"""What agents claim, checked against what their notebooks show: deterministic, and in no score."""
