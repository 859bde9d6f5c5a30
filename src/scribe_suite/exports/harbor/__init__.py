"""Harbor's task folders: instances of tasks for harnesses that start containers.

`folders` writes them; `inside/` runs in the agent's container and needs only the lower packages, `grade` in the
verifier's.
"""
