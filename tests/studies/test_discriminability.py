"""The written tables cover every metric of every task, and the script makes the same ones twice."""

from __future__ import annotations

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies import discriminability
from studies.graded.material import GradedContent, Material
from studies.lenses import Lenses
from studies.lenses_record import DOCUMENT, MARKERS, TaskRecord, chapters, read_record, write_record

FACTS = {facts.id: facts for facts in default_registry().questions()}
HINT = "run `python -m studies.discriminability --write` (`--real` for tasks on a real model, `--tables` for neither)"

MEETS = Lenses(0.01, {"dropped": 0.95, "added": 0.9}, {"truth > random": 1.0})
FAILS = Lenses(0.2, {"dropped": 0.95, "added": 0.1}, {"truth > random": 0.5})


def test_the_record_has_every_metric_of_its_tasks():
    for task_id, one in read_record(suite_root()).items():
        assert tuple(one.metrics) == (*default_registry().facts[task_id].metrics, "skill"), f"{task_id}: {HINT}"


def test_the_document_shows_every_task_with_what_is_recorded_of_it():
    document, shown = (suite_root() / DOCUMENT).read_text(), chapters(read_record(suite_root()), FACTS)
    assert all(f"`{task_id}`" in shown for task_id in FACTS), HINT
    assert with_table(document, MARKERS, shown) == document, HINT


def test_tables_name_what_is_lowest_and_what_fails():
    record = {"circuits/toy": TaskRecord(3, 2, {"f1": MEETS, "luck": FAILS, "success": FAILS, "precision": FAILS})}
    rows = [
        line.strip("| ").split(" | ")
        for line in chapters(record, [*record, "circuits/new"]).splitlines()
        if line.startswith("|")
    ]
    table = {row[0]: row[1:] for row in rows}
    assert table["[`circuits/toy`](#circuitstoy)"] == ["3", "2", "3", "`luck`, `precision`"]
    assert table["`circuits/new`"][-1] == "not measured"
    assert table["`f1`"] == ["0.010", "0.90 (added)", "1.00 (truth > random)", "meets"]
    assert table["`luck`"] == ["0.200", "0.10 (added)", "0.50 (truth > random)", "**fails**: noise, truth, separation"]
    assert table["`success`"][-1] == "not judged"
    assert table["`precision`"][1:] == ["0.10 (added)", "-", "**fails**: noise, truth"]


def test_a_record_is_read_as_it_was_written(tmp_path):
    (tmp_path / "studies").mkdir()
    record = {"circuits/toy": TaskRecord(3, 2, {"f1": MEETS, "rve": Lenses(None, {}, {})})}
    assert read_record(tmp_path) == {}
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_answers_of_middling_wrongness_are_scored_again():
    graded = [GradedContent(path, wrong, {"is": (path, wrong)}) for path in "ab" for wrong in (0, 2, 1)]
    assert discriminability.middling(graded) == [{"is": ("a", 1)}, {"is": ("b", 1)}]


def test_an_answer_that_a_better_method_gives_too_is_left_out(monkeypatch):
    same, other = {"components": ["m0"]}, {"components": ["m1"]}
    methods = {"truth": [same], "method": [same], "random": [same, other]}
    monkeypatch.setattr(discriminability, "material_of", lambda instance: Material(instance, [], methods, None))
    seen = discriminability.measure_instance("circuits/mlp_only", 7000)
    assert [len(answers) for answers in seen.methods.values()] == [1, 0, 1]


def test_the_same_seed_is_measured_the_same_twice(monkeypatch):
    monkeypatch.setattr(discriminability, "SAMPLES", 2)
    first, second = (discriminability.measure_instance("circuits/mlp_only", 7001) for _ in range(2))
    assert first == second
    assert {one.path for one in first.graded} == {"dropped", "added", "swapped"}
    assert [len(answer) for answer in first.samples] == [2, 2, 2]
