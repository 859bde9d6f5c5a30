"""Progress bars that notebooks draw with widgets are text here."""

from __future__ import annotations

import sys
import types

import pytest
import tqdm

from scribe_suite.notebook.inside import progress_bars

from .conftest import Run

BARS = """
from tqdm.notebook import tqdm, trange
for _ in tqdm([1, 2], desc="first"): pass
for _ in trange(2, desc="second"): pass
for _ in __import__("tqdm").notebook.tqdm_notebook([1], desc="third"): pass
"""


def test_bars_of_notebooks_are_drawn(run: Run):
    answer = run(BARS)
    assert not answer.is_error, answer.text
    assert all(f"{name}: 100%" in answer.text for name in ("first", "second", "third"))


def test_widgets_stay_where_there_are_some(monkeypatch):
    module = types.ModuleType("tqdm.notebook")
    module.IProgress, module.tqdm = object, "widget"  # type: ignore[attr-defined]
    monkeypatch.setattr(tqdm, "notebook", module, raising=False)
    progress_bars.install(None, None)
    assert module.tqdm == "widget"


def test_kernels_without_tqdm_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    progress_bars.install(None, None)
