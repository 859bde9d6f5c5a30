"""Models that code a variable in a way that no linear map can read."""
