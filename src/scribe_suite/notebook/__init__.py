"""The Scribe notebook: a Jupyter kernel behind MCP tools, with a journal. Knows nothing about tasks or providers."""
