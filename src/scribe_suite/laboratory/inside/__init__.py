"""What runs in the model process; the package is not there, so nothing here imports it."""
