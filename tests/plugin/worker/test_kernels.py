from __future__ import annotations

import importlib.util

import pytest

from scribe_suite.plugin.worker.kernels import PRELOAD, preload_for
from scribe_suite.tasks.registry import default_registry


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import torch", True),
        ("x = 1\nfrom transformer_lens import HookedTransformer", True),
        ("def f():\n    import torch.nn as nn", True),
        ("import json, numpy", False),
        ("print('import torch')", False),
        ("from . import torch", False),
        ("", False),
        ("%matplotlib inline\nimport torch", False),
        ("x = '\0'", False),
    ],
)
def test_only_kernels_that_need_it_are_forked_from_what_has_imported_it(code, heavy):
    assert preload_for(code) == (PRELOAD if heavy else ())


def test_all_of_it_exists():
    assert [name for name in PRELOAD if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize(
    "task", {task.family: task for task in default_registry().of_source("planted")}.values(), ids=lambda task: task.id
)
def test_every_family_shares_it(task):
    assert preload_for(task.instance(1).public.setup_code) == PRELOAD
