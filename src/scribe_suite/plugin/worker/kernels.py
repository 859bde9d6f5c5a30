"""The modules that are already imported in the kernels of a run.

Importing torch and transformer_lens takes seconds, forking a process that has imported them a tenth of a second.
"""

from __future__ import annotations

import ast
from pathlib import Path

from scribe_suite.errors import ConfigurationError, InfrastructureError
from scribe_suite.models.device import current_device
from scribe_suite.sandbox.shared_modules import SharedModule
from scribe_suite.tasks.task import TaskInstance

#: What set-up cells and agents use, as one set for all tasks: each set needs its own fork-server.
PRELOAD = (
    "numpy", "torch", "torch.nn.functional", "transformer_lens", "safetensors.torch", "matplotlib.pyplot",
    "matplotlib.backends.backend_agg", "scipy.stats", "sklearn.linear_model", "sklearn.model_selection",
    "sklearn.decomposition", "pandas", "einops", "jaxtyping", "tqdm.auto",
)  # fmt: skip
#: Packages worth importing in advance.
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


def uses_gpu(model: str | None) -> bool:
    """Whether kernels of an instance get the GPU: if one is used, and they run a real language model."""
    return model is not None and current_device() == "cuda"


def hidden_models(instance: TaskInstance) -> tuple[Path, ...]:
    """Places of the weights of real language models, if kernels of an instance must not have them."""
    if instance.public.model is None or instance.handed.kernel_model is not None:
        return ()
    from scribe_suite.models.places import places_of_weights

    return places_of_weights((instance.public.model,))


def shared_for(model: str | None) -> tuple[SharedModule, ...]:
    """Modules with data that kernels of an instance should find imported.

    Args:
        model: Specification of the instance's real language model, or None.

    Raises:
        InfrastructureError: With cause ``model_missing`` and the command that fixes it, when the model is not ready.
    """
    if model is None:
        return ()
    from scribe_suite.models.spec import kernel_module_of  # imports transformers: not for planted models

    try:
        return (kernel_module_of(model),)
    except ConfigurationError as error:
        raise InfrastructureError("model_missing", str(error)) from error
