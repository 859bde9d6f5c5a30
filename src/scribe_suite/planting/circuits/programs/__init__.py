"""Large random programs, planted variable by variable, for `circuits/mechanism`."""
