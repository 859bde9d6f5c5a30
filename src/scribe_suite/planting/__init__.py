"""Models whose truth is planted: tools for all of them here, a folder for each kind."""
