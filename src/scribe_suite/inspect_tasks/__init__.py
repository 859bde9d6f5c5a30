"""The suite's families as tasks of Inspect: ``inspect eval scribe_suite/circuits --model SERVICE/MODEL``.

Needs inspect_ai (``scribe-suite[inspect]``) in the same environment, and is imported by Inspect alone. Inspect has the
model, the agent, the log; the suite has the instances, the sealed notebook and the score.
"""
