"""The public material of a circuit task besides the model: meaningless words, and code that generates prompts.

The generator of prompts is the source text of the causal model's own: it draws tokens and does not use labels.
"""

from __future__ import annotations

import ast
import inspect
import random
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from scribe_suite.planting.circuits.causal import CausalModel

_LOAD_DATA = """\
names = json.load(open("names.json"))
token_names, label_names, groups = names["tokens"], names["labels"], names["groups"]
data = load_file("data.safetensors")
"""

_GENERATORS = """\


def generate(n, seed=0):
    \"\"\"n fresh prompts, shape (n, n_ctx).\"\"\"
    return sample_prompts(n, torch.Generator().manual_seed(seed), groups)
"""

_PAIR_GENERATOR = """\


def generate_pairs(n, seed=0):
    \"\"\"n pairs of prompts (base, source), each (n, n_ctx), to patch activations from source into base.\"\"\"
    generator = torch.Generator().manual_seed(seed)
    base, other = (sample_prompts(n, generator, groups) for _ in range(2))
    return base, {source}
"""


def data_code(causal: CausalModel, data: Iterable[str], *, pairs: bool) -> str:
    """The part of the first cell that loads data, with functions that generate more of it.

    Args:
        causal: The causal model whose prompts are generated.
        data: Names of the tensors in ``data.safetensors``, which the cell defines.
        pairs: Whether counterfactual pairs can be generated too.
    """
    code = _LOAD_DATA + "".join(f'{name} = data["{name}"]\n' for name in data)
    code += "\n\n" + public_source(causal.sample_prompts) + _GENERATORS
    if not pairs:
        return code
    if causal.match_sources is None:
        return code + _PAIR_GENERATOR.format(source="other")
    code += "\n\n" + public_source(causal.match_sources)
    return code + _PAIR_GENERATOR.format(source="match_sources(base, other, groups)")


def opaque_words(count: int, rng: random.Random) -> list[str]:
    """Distinct pronounceable words without a meaning, such as ``tavomi``."""
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3))] = None
    return list(words)


def public_source(function: Callable[..., Any]) -> str:
    """The code of a function without decorators, annotations, comments and docstring.

    Docstrings are for readers of this repository: they may contain facts that agents must not see.
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    for inner in ast.walk(definition):
        if isinstance(inner, ast.FunctionDef):
            inner.decorator_list, inner.returns = [], None
            for argument in inner.args.args:
                argument.annotation = None
    if ast.get_docstring(definition) is not None:
        del definition.body[0]
    return ast.unparse(definition) + "\n"
