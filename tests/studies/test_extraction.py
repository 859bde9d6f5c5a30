"""Solving for weights: what the attacks must find where it can be found, and that their tables are of today."""

from __future__ import annotations

import re

import pytest
import torch

from scribe_suite.laboratory.terms import NOISE_REVISION, Terms
from scribe_suite.paths import suite_root
from scribe_suite.text import with_table
from studies import extraction
from studies.extraction import (
    DOCUMENT,
    MARKERS,
    Attacked,
    Found,
    attack_logits,
    attack_values,
    levels,
    relative_error,
    solved,
)
from tests.laboratory.small_models import loaded


@pytest.fixture(scope="module")
def model():
    return Attacked(loaded("no norm"))


def table():
    """The part of the document that the study writes."""
    text = (suite_root() / DOCUMENT).read_text()
    return text[text.index(MARKERS[0]) : text.index(MARKERS[1])]


@pytest.mark.slow
def test_the_document_has_every_level_with_its_budget_of_today():
    rows = dict(re.findall(r"^\| `(\S+)` \| ([\d,]+) \|", table(), re.MULTILINE))
    assert rows == {name: f"{terms.budget:,}" for name, terms in levels().items()}, "run studies.extraction --write"
    assert f"(noise of revision {NOISE_REVISION})" in table()


def test_exact_equations_are_solved_and_an_error_is_a_share():
    generator = torch.Generator().manual_seed(0)
    inputs, true = torch.randn(40, 8, generator=generator).double(), torch.randn(8, 3, generator=generator).double()
    assert solved(inputs, inputs @ true + 5, true) < 1e-6
    assert solved(inputs, 3 * inputs @ true, true) < 1e-6, "a common factor is no error"
    assert solved(inputs, torch.zeros(40, 3).double(), true) == 1.0
    assert relative_error(torch.zeros(8, 3).double(), true) == pytest.approx(1)
    assert relative_error(-true, true) == pytest.approx(0, abs=1e-9)


def test_the_noise_of_the_inputs_is_taken_into_account():
    """Their directions differ in size, so that a common factor doesn't make up for it."""
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn(20_000, 8, generator=generator).double() * torch.linspace(0.3, 3, 8)
    true = torch.randn(8, 3, generator=generator).double()
    noisy = exact + torch.randn(exact.shape, generator=generator).double()
    assert solved(noisy, exact @ true, true, noise=1.0) < 0.5 * solved(noisy, exact @ true, true)


def test_more_prompts_and_less_noise_reveal_more(model):
    def error(budget, noise):
        return attack_values(model, Terms(budget=budget, read_noise=noise), budget)[1]

    assert error(160, 0.0) < error(16, 0.05) < error(16, 1.0) <= 1
    assert error(1600, 0.05) < error(16, 0.05)


def test_logits_make_up_for_noisy_reads(model, monkeypatch):
    """They have no noise, so regressing reads on them is better than the reverse."""
    terms = Terms(budget=200, read_noise=1.0)
    both = attack_logits(model, terms, terms.budget)
    monkeypatch.setattr(torch.linalg, "lstsq", lambda *_: pytest.fail("the second way was tried"))
    with pytest.raises(pytest.fail.Exception):
        attack_logits(model, terms, terms.budget)
    assert both is not None
    assert both < 0.6
    assert attack_logits(model, terms.model_copy(update={"returns": "labels"}), 200) is None
    assert attack_logits(model, terms.model_copy(update={"operations": frozenset({"patch"})}), 200) is None


def test_one_site_a_run_halves_the_prompts(model):
    assert attack_values(model, Terms(budget=60, sites_per_run=1), 60)[0] == 30
    assert attack_values(model, Terms(budget=60, sites_per_run=4), 60)[0] == 60


def test_the_tables_are_written(model, tmp_path, monkeypatch):
    (tmp_path / "docs/guide").mkdir(parents=True)
    path = tmp_path / DOCUMENT
    path.write_text(f"before\n{MARKERS[0]}\nold\n{MARKERS[1]}\nafter\n")
    terms = Terms(budget=50, sites_per_run=1)
    monkeypatch.setattr(extraction, "suite_root", lambda: tmp_path)
    monkeypatch.setattr(extraction, "levels", lambda: {"a/x_3": terms})
    monkeypatch.setattr(extraction, "task_model", lambda _name: (model, terms))
    monkeypatch.setattr(extraction, "random_model", lambda: model)
    assert extraction.main(["--write"]) == 0
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert re.search(r"^\| `a/x_3` \| 50 \| none \| 1 \| \d+(\.\d+)? % \| \d+(\.\d+)? % \|$", text, re.MULTILINE)
    assert with_table(text, MARKERS, "new").count("a/x_3") == 0
    assert Found(1, 0.5, None).unembedding is None
