"""Measured truths: the results of exhaustive computations on a real language model.

A `Measurement` is computed once, step by step, by ``scribe-suite measure``; its arrays and certificate lie in
``ground_truth/measured/`` where they are small enough to ship, and in the cache of this machine else.
"""

#: The model that real tasks are about unless another one is selected; its measured truths are part of the suite.
REAL_MODEL = "package:smollm2"
