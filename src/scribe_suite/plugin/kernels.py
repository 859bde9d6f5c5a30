"""What the kernels of a run find imported.

Importing torch and transformer_lens takes seconds, a fork of what has done so a tenth of one.
"""

from __future__ import annotations

import ast

#: What set-up cells and agents use, in one set for all tasks: each set is a fork-server of its own.
PRELOAD = (
    "numpy", "torch", "torch.nn.functional", "transformer_lens", "safetensors.torch", "matplotlib.pyplot",
    "matplotlib.backends.backend_agg", "scipy.stats", "sklearn.linear_model", "sklearn.model_selection",
    "sklearn.decomposition", "pandas", "einops", "jaxtyping", "tqdm.auto",
)  # fmt: skip
#: Packages that are worth it.
_HEAVY = {"torch", "transformer_lens"}


def preload_for(setup_code: str) -> tuple[str, ...]:
    """Modules that kernels with a set-up cell should find imported.

    Args:
        setup_code: Python source; what can't be parsed needs nothing.
    """
    try:
        nodes = list(ast.walk(ast.parse(setup_code)))
    except (SyntaxError, ValueError):
        return ()
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return PRELOAD if _HEAVY & {name.partition(".")[0] for name in imported} else ()
