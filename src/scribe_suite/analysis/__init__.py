"""Analysis of runs: pairing, statistics, comparisons, differences."""
