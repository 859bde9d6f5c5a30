"""Runs inside every kernel before anything else, as source text; see `notebook.kernel`. It imports nothing of ours.

Each module has a function ``install``, and is independent of the others.
"""
