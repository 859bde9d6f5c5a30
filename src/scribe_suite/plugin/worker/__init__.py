"""What runs in the process that makes an attempt."""
