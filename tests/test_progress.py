"""Bars of long work: what gives way where a line is too long."""

import io

from rich.console import Console

from scribe_suite import progress as module


def test_of_a_long_line_only_the_state_is_cut():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    progress = module.progress_bars(console)
    progress.add_task(
        "circuits/attention_pattern seed 10", total=1.0, completed=0.5, state="step 400: loss 0.003, " + "word " * 30
    )
    console.print(progress.get_renderable())
    (line,) = console.file.getvalue().splitlines()
    assert line.startswith("circuits/attention_pattern seed 10 ")
    assert "\u2501" * (module._BAR_WIDTH // 2) in line
    assert "step 400: loss" in line
    assert "\u2026" in line
    assert line.rstrip().endswith(" 0:00:00")
