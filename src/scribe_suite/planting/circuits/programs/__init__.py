"""Large random programs, planted variable by variable: what `circuits/mechanism` is about."""
