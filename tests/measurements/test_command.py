import pytest

from scribe_suite.cli import main
from scribe_suite.cli import measure as command
from scribe_suite.measurements.store import find_measured
from tests.measurements.counting import Counting


@pytest.fixture
def counting(monkeypatch):
    measurement = Counting()
    monkeypatch.setattr(command, "known_measurements", lambda: {measurement.id: measurement})
    return measurement


def test_without_an_id_they_are_listed(spec, counting, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")
    assert main(["measure", "--model", spec]) == 0
    assert "toys/counting" in capsys.readouterr().out
    assert counting.computed == []


def test_it_measures_what_is_named(spec, counting, capsys):
    assert main(["measure", "toys/counting", "--model", spec, "--device", "cpu"]) == 0
    assert not isinstance(find_measured(counting, spec), str)
    assert main(["measure", "--all", "--model", spec]) == 0
    assert "is measured already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toys/countin"], "Unknown measurement 'toys/countin': choose from toys/counting."),
        (["--all", "--model", "hub:gpt2"], "hub:gpt2 is not ready: run `scribe-suite models convert hub:gpt2`."),
        (["--all", "--model", "gpt2"], "'gpt2' names no model"),
        (["--all", "--device", "cuda"], "--device cuda needs a GPU that PyTorch can use, and there is none"),
    ],
)
def test_what_can_not_be_measured_is_one_sentence(spec, counting, capsys, arguments, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    given = arguments if "--model" in arguments else [*arguments, "--model", spec]
    assert main(["measure", *given]) == 2
    assert message in capsys.readouterr().err
    assert counting.computed == []
