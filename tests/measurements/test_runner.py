import io

import pytest
from rich.console import Console

from scribe_suite.cli.measure import EXIT_INTERRUPTED, EXIT_NOT_CERTIFIED, measure
from scribe_suite.measurements import store
from scribe_suite.measurements.store import find_measured
from scribe_suite.models.spec import find
from tests.measurements.counting import Counting


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("SCRIBE_SUITE_DEVICE", "cpu")


def run(measurement, spec, force=False, ship=False):
    text = io.StringIO()
    code = measure([measurement], find(spec), Console(file=text, width=200), force=force, ship=ship)
    return code, text.getvalue()


def test_a_measurement_is_made_certified_and_found(spec):
    measurement = Counting()
    code, text = run(measurement, spec)
    assert code == 0
    assert "toys/counting: 0.0 CPU min" in text
    found = find_measured(measurement, spec)
    assert found.arrays["sum/value"].tolist() == [9.0]
    assert found.arrays["sum/names"].tolist() == ["first", "zwölf"]
    assert set(found.record.made["cpu_s"]) == {"one", "two", "sum"}
    assert found.record.made["device"] == "cpu"
    assert not store.steps_folder(measurement, spec).exists()


def test_what_is_there_is_not_measured_again_unless_forced(spec):
    measurement = Counting()
    run(measurement, spec)
    code, text = run(measurement, spec)
    assert (code, measurement.computed) == (0, ["one", "two", "sum"])
    assert "is measured already" in text
    run(measurement, spec, force=True)
    assert measurement.computed == ["one", "two", "sum"] * 2


def test_an_interrupted_measurement_goes_on_where_it_stopped(spec):
    measurement = Counting()
    measurement.stop_at = "sum"
    code, text = run(measurement, spec)
    assert code == EXIT_INTERRUPTED
    assert f"Continue with: scribe-suite measure toys/counting --model {spec}" in text
    assert isinstance(find_measured(measurement, spec), str)
    measurement.stop_at = None
    assert run(measurement, spec)[0] == 0
    assert measurement.computed == ["one", "two", "sum"]
    assert find_measured(measurement, spec).arrays["sum/value"].tolist() == [9.0]


def test_what_was_to_be_shipped_goes_on_so(spec):
    measurement = Counting()
    measurement.stop_at = "one"
    assert f"measure toys/counting --model {spec} --ship\n" in run(measurement, spec, ship=True)[1]


@pytest.mark.parametrize("change", [{"inputs": "1" * 64}, {"version": 2}])
def test_steps_of_something_else_are_forgotten(spec, change):
    measurement = Counting()
    measurement.stop_at = "sum"
    run(measurement, spec)
    measurement.stop_at = None
    for name, value in change.items():
        setattr(measurement, name, value)
    run(measurement, spec)
    assert measurement.computed == ["one", "two", "one", "two", "sum"]


def test_a_step_that_was_cut_off_while_it_was_written_is_made_again(spec):
    measurement = Counting()
    measurement.stop_at = "sum"
    run(measurement, spec)
    kept = store.steps_folder(measurement, spec) / "two.safetensors"
    kept.write_bytes(kept.read_bytes()[:20])
    measurement.stop_at = None
    assert run(measurement, spec)[0] == 0
    assert measurement.computed == ["one", "two", "two", "sum"]


def test_a_certificate_that_fails_keeps_the_steps_and_no_result(spec):
    measurement = Counting()
    measurement.bar = 10.0
    code, text = run(measurement, spec)
    assert code == EXIT_NOT_CERTIFIED
    assert "its certificate fails: sum = 9, needs >= 10" in text
    assert isinstance(find_measured(measurement, spec), str)
    measurement.bar = 9.0
    assert run(measurement, spec)[0] == 0
    assert len(measurement.computed) == 3
