"""Directions that are read off the weights of a probe model."""

from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies.probe_finders import Seen
from studies.probe_methods import FIRST_SEED
from studies.probe_signatures import DOCUMENT, KINDS, MARKERS, as_table, leading, skills, summary

PLANTED = [
    facts.id for facts in default_registry().questions() if (facts.family, facts.source) == ("probes", "planted")
]


def test_the_document_has_every_kind_and_every_task() -> None:
    text = (suite_root() / DOCUMENT).read_text()
    table = text.split(MARKERS[0])[1].split(MARKERS[1])[0].strip()
    assert with_table(text, MARKERS, table) == text
    header, _, *rows = table.splitlines()
    assert header.strip("| ").split(" | ") == ["direction", *(f"`{task.split('/')[1]}`" for task in sorted(PLANTED))]
    assert [row.strip("| ").split(" | ")[0] for row in rows] == list(KINDS)


def test_leading_directions_are_those_in_which_rows_are_largest() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 6)) * np.array([1.0, 9.0, 1.0, 4.0, 1.0, 1.0])
    found = np.abs(leading(rows, 2))
    assert found.argmax(1).tolist() == [1, 3]
    assert np.linalg.norm(found, axis=1) == pytest.approx([1.0, 1.0])


def test_a_summary_knows_what_is_fixed_and_what_is_chosen_in_each_instance() -> None:
    rows = [{(0, 0): 1.0, (1, 0): 0.2}, {(0, 0): 0.0, (1, 0): 0.6}]
    assert summary(rows) == pytest.approx({"mean": 0.45, "fixed": 0.5, "best": 0.8})


def test_a_table_has_a_row_per_kind() -> None:
    one = {kind: {"mean": 0.1, "fixed": 0.2, "best": 0.3} for kind in KINDS}
    lines = as_table({"probes/cities": one, "probes/grammar": one}).splitlines()
    assert lines[0] == "| direction | `cities` | `grammar` |"
    assert lines[2].endswith("| 0.10 / 0.20 / 0.30 | 0.10 / 0.20 / 0.30 |")
    assert len(lines) == 2 + len(KINDS)


@pytest.mark.slow
def test_what_heads_write_most_is_the_truth_and_random_directions_are_not() -> None:
    found = skills(Seen(default_registry()["probes/cities"].instance(FIRST_SEED)))
    assert max(found["written most by heads"].values()) > 0.9
    assert abs(np.mean(list(found["random directions"].values()))) < 0.2
