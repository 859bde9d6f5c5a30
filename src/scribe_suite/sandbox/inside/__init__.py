"""Code that runs inside sandboxes or builds them: standard library only, importable without the rest of the suite."""
