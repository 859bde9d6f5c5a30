"""What a terminal, and a log file, shows of long work."""

import io

from rich.console import Console

from scribe_suite.progress import progress_bars, reporter


def test_of_a_long_line_only_the_state_is_cut():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    progress = progress_bars(console)
    progress.add_task(
        "circuits/attention_pattern seed 10", total=1.0, completed=0.5, state="step 400: loss 0.003, " + "word " * 30
    )
    console.print(progress.get_renderable())
    (line,) = console.file.getvalue().splitlines()
    assert line.startswith("circuits/attention_pattern seed 10 ")
    assert "\u2501" * (8) in line
    assert "step 400: loss" in line
    assert "\u2026" in line
    assert line.rstrip().endswith(" 0:00:00")


def test_where_there_is_no_terminal_every_tenth_of_the_work_is_a_line():
    file = io.StringIO()
    console = Console(file=file, width=80)
    with progress_bars(console) as progress:
        report = reporter(progress, progress.add_task("work", total=1.0, state=""), console)
        for step in range(101):
            report(step / 100, f"step {step}")
    lines = [line for line in file.getvalue().splitlines() if line.startswith("work ") and "%" in line]
    assert lines[:3] == ["work 0% step 0", "work 10% step 10", "work 20% step 20"]
    assert len(lines) == 11
