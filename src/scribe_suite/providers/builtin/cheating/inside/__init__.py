"""What the cheats run in a kernel, as source text: standard library only, each module self-contained."""
