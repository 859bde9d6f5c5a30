"""Measured truths: the results of exhaustive computations on a real language model.

A `Measurement` is computed once, step by step, by ``scribe-suite measure``; its arrays and certificate are in
``ground_truth/measured/`` if they are small enough to ship, else in the cache of this machine.
"""

#: The model of real tasks unless another one is selected; its measured truths are part of the suite.
REAL_MODEL = "package:smollm2"
