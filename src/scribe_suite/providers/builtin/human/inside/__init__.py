"""Files that are given to JupyterLab's own process, which need not have this package."""
