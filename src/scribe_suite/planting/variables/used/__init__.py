"""Models in which several properties can be decoded at one place, and few of them are read from there."""
