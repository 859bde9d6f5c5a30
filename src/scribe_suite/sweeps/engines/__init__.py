"""What runs the jobs of a sweep: one module for each engine."""
