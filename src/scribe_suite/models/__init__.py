"""Language models that were trained by others, in the form in which tasks and kernels use models.

A model is named by a specification such as ``package:smollm2`` (`sources`), converted once into a folder of the cache
(`conversion`, `cache`), checked there against its original (`check`), and read from that folder by the harness and by
kernels with the same few lines (`kernel_module`). Nothing here knows of tasks or of answers.
"""
