"""Programs with exact wiring: each node reads only the inputs of its variable, each in its role."""
