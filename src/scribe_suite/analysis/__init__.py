"""What the numbers of runs say: pairing, statistics, comparisons, differences."""
