import io
import re

import pytest
from rich.console import Console

from scribe_suite.cli import main
from scribe_suite.cli import measure as command
from scribe_suite.measurements.store import find_measured
from scribe_suite.progress import progress_bars, reporter
from tests.measurements.counting import Counting


@pytest.fixture
def counting(monkeypatch):
    measurement = Counting()
    monkeypatch.setattr(command, "known_measurements", lambda: {measurement.id: measurement})
    return measurement


def test_without_an_id_they_are_listed(spec, counting, capsys):
    assert main(["measure", "--model", spec]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "toys/counting"
    assert any(line.startswith(f"  on {spec}: ") for line in lines)
    assert lines[-1] == "Measure with: scribe-suite measure ID ..., or --all"
    assert counting.computed == []


@pytest.mark.parametrize("width", [60, 80])
def test_the_list_of_all_real_measurements_fits_a_terminal(width):
    known = command.known_measurements()
    listed = command._listed(known, "package:smollm2", width)
    assert all(f"{name}\n  " in listed for name in known)
    # the state may name a command, which is not broken
    assert max(len(line) for line in listed.splitlines() if "scribe-suite" not in line) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_help_and_progress_fit_a_terminal(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        main(["measure", "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    longest = max(command.known_measurements(), key=len)
    with progress_bars(console) as progress:
        reporter(progress, progress.add_task(longest, total=1.0, state=""), console)(
            0.5, "layer 12 of 30, batch 7 of 9"
        )
        progress.refresh()
    shown = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", stream.getvalue())]
    assert max(map(len, shown)) <= width
    assert any(longest in line and "0:00:00" in line for line in shown)


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
