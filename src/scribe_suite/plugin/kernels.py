"""What the kernels of a run find imported, and the early start of what imports it.

Importing torch and transformer_lens takes seconds; it begins while the first instance is drawn, once in every process
that runs tests, and all kernels of that process are forked from it.
"""

from __future__ import annotations

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.probing import probe_isolation
from scribe_suite.notebook.sandbox import Sandbox
from scribe_suite.plugin.options import SETTINGS

#: What set-up cells and agents use; `benchmarks` need nothing else.
PRELOAD = (
    "numpy", "torch", "torch.nn.functional", "transformer_lens", "safetensors.torch", "matplotlib.pyplot",
    "matplotlib.backends.backend_agg", "scipy.stats", "sklearn.linear_model", "sklearn.model_selection",
    "sklearn.decomposition", "pandas", "einops", "jaxtyping", "tqdm.auto",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the fork-server where attempts are about to run."""
    config = session.config
    distributed = not hasattr(config, "workerinput") and config.getoption("dist", "no") != "no"
    if config.option.collectonly or distributed:
        return
    if any("attempt_key" in getattr(item, "fixturenames", ()) for item in session.items):
        try:
            Sandbox(probe_isolation(config.stash[SETTINGS].isolation), PRELOAD).close()
        except InfrastructureError:
            return  # every attempt will meet the same, and be recorded with it
