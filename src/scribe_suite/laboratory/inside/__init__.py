"""Code that runs in the model process, which does not have the package, so nothing here imports it."""
