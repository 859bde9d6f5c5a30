"""Where models come from: packages, hubs, files, the suite's own base models."""
