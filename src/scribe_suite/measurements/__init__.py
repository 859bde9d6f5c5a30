"""Truths that are not planted but measured: what an exhaustive computation on a real language model found.

A `Measurement` is computed once, step by step, by ``scribe-suite measure``; its arrays and certificate lie in
``ground_truth/measured/`` where they are small enough to ship, and in the cache of this machine else.
"""

#: The model that real tasks are about unless another one is selected; its measured truths are part of the suite.
REAL_MODEL = "package:smollm2"
