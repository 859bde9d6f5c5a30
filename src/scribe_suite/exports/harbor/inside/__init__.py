"""What runs in an agent's container: the notebook of one frozen instance, without keys and the rest of the suite.

These modules import only the standard library, `sandbox`, `laboratory`, `notebook` and `tasks`; an exported folder has
copies of those packages, and of nothing above them.
"""
