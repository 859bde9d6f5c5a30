import os

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.run_names import find_run, newest_run

IDS = ("20261122-174501-a1b2c3", "20261122-180000-ffffff", "20261123-090000-0a0b0c", "monday")


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    for age, name in enumerate(IDS):
        (folder / f"{name}.jsonl").write_text("")
        os.utime(folder / f"{name}.jsonl", (age, age))
    return folder


def refused(name, folder):
    with pytest.raises(ConfigurationError) as caught:
        find_run(name, folder)
    return str(caught.value)


def test_a_run_is_named_by_its_id_its_ledger_or_a_path(results, tmp_path, monkeypatch):
    ledger = results / "monday.jsonl"
    assert find_run("monday", results) == find_run("monday.jsonl", results) == ledger
    assert find_run(str(ledger), tmp_path / "elsewhere") == ledger
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monday").write_text("a path comes first")
    assert find_run("monday", results).resolve() == tmp_path / "monday"


def test_a_wrong_id_is_told_which_ids_are_like_it(results):
    assert "(similar there: 20261122-174501-a1b2c3): give the id" in refused("20261122-174501-a1b2c", results)
    assert "(similar there: 20261122-174501-a1b2c3): give the id" in refused("20261122-174510-a1b2c3", results)
    assert "(similar there: monday)" in refused("runs/munday.jsonl", results)
    begun = refused("20261122", results)
    assert "(similar there: 20261122-180000-ffffff, 20261122-174501-a1b2c3)" in begun


def test_an_id_that_is_like_none_is_told_the_newest_ones(results):
    newest = "(the newest there: monday, 20261123-090000-0a0b0c, 20261122-180000-ffffff)"
    for name in ("x", "", "20251231-235959-123456"):
        assert f"There is no run {name!r} in {results} {newest}" in refused(name, results)


def test_where_there_is_no_run_at_all_the_way_out_is_told(tmp_path):
    told = refused("monday", tmp_path / "none")
    assert told.startswith("There is no run 'monday', and no run at all in ")
    assert "--results-dir" in told
    with pytest.raises(ConfigurationError, match="none yet"):
        newest_run(tmp_path / "none")


def test_the_newest_run_is_the_one_that_was_written_to_last(results):
    assert newest_run(results) == results / "monday.jsonl"
