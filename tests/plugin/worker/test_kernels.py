from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from scribe_suite.laboratory.terms import Terms
from scribe_suite.plugin.worker.kernels import PRELOAD, hidden_models, preload_for
from scribe_suite.tasks.material import PublicMaterial, hand_over
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


def instance_of(access: str, model: str | None) -> Any:
    """As much of an instance as its arm depends on."""
    public = PublicMaterial({}, "", {}, model=model)
    terms = None if access == "weights" else Terms(budget=1)
    return SimpleNamespace(public=public, handed=hand_over(public, access, terms))


def test_weights_are_hidden_where_a_real_model_is_in_a_laboratory_or_a_black_box(monkeypatch, tmp_path):
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(tmp_path))
    for access in ("lab", "outputs"):
        assert tmp_path in hidden_models(instance_of(access, "package:smollm2"))
    assert hidden_models(instance_of("weights", "package:smollm2")) == ()
    assert hidden_models(instance_of("lab", None)) == ()


def test_all_of_it_exists():
    assert [name for name in PRELOAD if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize(
    "task", {task.family: task for task in default_registry().of_source("planted")}.values(), ids=lambda task: task.id
)
def test_every_family_shares_it(task):
    assert preload_for(task.instance(1).public.setup_code) == PRELOAD
