import io
import re

import pytest
from rich.console import Console

from scribe_suite import cli
from scribe_suite.cli import report as command
from tests.report.synthetic import attempt, write_run


def test_the_command_writes_the_report_and_names_its_first_page(tmp_path, capsys):
    ledger = write_run(tmp_path / "runs", records=[attempt()])
    assert cli.main(["report", str(ledger), "-o", str(tmp_path / "out")]) == 0
    output = capsys.readouterr()
    assert output.out.strip() == str(tmp_path / "out" / "index.html")
    assert output.err == ""
    assert (tmp_path / "out" / "index.html").is_file()


def test_with_keys_is_passed_on(tmp_path, toy_registry):
    ledger = write_run(tmp_path / "runs", records=[attempt()])
    assert cli.main(["report", str(ledger), "-o", str(tmp_path / "out"), "--with-keys"]) == 0
    assert toy_registry.drawn == [987654321]


def test_a_folder_that_is_no_report_is_refused_in_one_sentence(tmp_path, capsys):
    ledger = write_run(tmp_path / "runs", records=[])
    assert cli.main(["report", str(ledger), "-o", str(tmp_path / "runs")]) == 2
    assert "contains something that is not a report" in capsys.readouterr().err
    assert ledger.is_file()


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch):
    stream = io.StringIO()
    console = Console(file=stream, width=100)
    with command._shown_progress(console) as progress:
        progress(1, 9, "soon")
        monkeypatch.setattr(command, "_LINE_EVERY_S", 0.0)
        progress(2, 9, "[red]x")
    assert stream.getvalue() == "report: page 2 of 9 ([red]x)\n"


def test_on_a_terminal_progress_is_a_bar_that_goes_away():
    stream = io.StringIO()
    with command._shown_progress(Console(file=stream, width=100, force_terminal=True)) as progress:
        progress(1, 9, "[bold]x")
    assert "1/9" in stream.getvalue()
    assert "[bold]x" in stream.getvalue()


@pytest.mark.parametrize("width", [40, 80])
def test_the_bar_is_one_line_whatever_the_attempt_is_called(width):
    stream = io.StringIO()
    with command._shown_progress(Console(file=stream, width=width, force_terminal=True, color_system=None)) as progress:
        progress(1234, 10_102, "circuits-unknown-behaviour-4-claude-claude-opus-4-1-20250805-t10" * 2)
    shown = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", stream.getvalue())]
    assert max(map(len, shown)) <= width
    assert any("1234/10102" in line and line.rstrip().endswith("…") for line in shown)
