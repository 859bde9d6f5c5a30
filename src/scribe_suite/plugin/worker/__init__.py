"""The code that runs in the process that makes an attempt."""
