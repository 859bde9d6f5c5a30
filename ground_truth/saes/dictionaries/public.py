"""The public material of ``saes/dictionary``: the samples, and what the prompt says about them."""

from __future__ import annotations

import numpy as np
from safetensors.torch import save
from torch import from_numpy

from scribe_suite.planting.dictionaries.features import Dial
from scribe_suite.planting.dictionaries.samples import Samples
from scribe_suite.scoring.dictionary import ALIKE
from scribe_suite.tasks.arrays import MAX_ARRAY_BYTES
from scribe_suite.tasks.material import PublicMaterial

#: Multiplications and additions that one thread does in a second, on an ordinary machine of today.
_OPERATIONS_PER_S = 2e10
#: Rows that a dictionary may have, for each feature.
ROWS_PER_FEATURE = 4

_FILE = "samples.safetensors"
_CODE = """\
import torch
from safetensors.torch import load_file

torch.set_num_threads(1)
samples = load_file("{file}")["samples"]
n_features, n_active, noise = {features}, {active}, {noise}
"""


def public_material(dial: Dial, samples: Samples) -> PublicMaterial:
    """The complete public material of an instance."""
    active = round(samples.magnitudes.nnz / dial.samples)
    content = save({"samples": from_numpy(np.ascontiguousarray(samples.activations))})
    return PublicMaterial(
        data_files={_FILE: content},
        data_code=_CODE.format(file=_FILE, features=dial.features, active=active, noise=dial.noise),
        facts={
            "n_samples": dial.samples,
            "width": dial.width,
            "n_features": dial.features,
            "active": active,
            "noise": dial.noise,
            "turns": bool(dial.turn),
            "alike": ALIKE,
            "max_rows": ROWS_PER_FEATURE * dial.features,
            "max_bytes": MAX_ARRAY_BYTES,
            "pass_s": round(6 * dial.samples * dial.width * dial.features / _OPERATIONS_PER_S, 1),
            "megabytes": round(len(content) / 1e6, 1),
        },
    )
