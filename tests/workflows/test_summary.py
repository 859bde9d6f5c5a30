"""The last job: what is compared with what, what is merged, what is shown, and when the run fails."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.factories import attempt, write_ledger
from tests.workflows.running import BASELINE, GITHUB, Checkout, Done, merge, summarise


def baseline(checkout: Checkout, *runs: tuple[int, str], ledger: str = "ledger-reference") -> Done:
    listed = [{"databaseId": number, "event": event} for number, event in runs]
    checkout.write("github/runs.json", json.dumps(listed))
    names = {"WORKFLOW": "benchmark.yml", "BRANCH": "main", "GH_TOKEN": "t", "GH_REPO": "o/r"}
    return checkout.run(BASELINE, LEDGER=ledger, **names)


def test_the_first_run_has_nothing_to_be_compared_with(checkout: Checkout) -> None:
    done = baseline(checkout)
    assert (done.code, done.outputs) == (0, {"path": "", "run": ""})


@pytest.mark.parametrize(
    "said",
    ["could not find any workflows named benchmark.yml", "HTTP 404: Not Found (x/actions/workflows/benchmark.yml)"],
)
def test_a_workflow_that_never_ran_on_main_has_no_baseline(checkout: Checkout, said: str) -> None:
    checkout.extra["GH_ERROR"] = said
    done = baseline(checkout)
    assert (done.code, done.outputs) == (0, {"path": "", "run": ""})


def test_the_baseline_is_the_newest_of_the_branch_with_the_same_providers(checkout: Checkout) -> None:
    for number, name in ((9, "ledger-reference"), (8, "ledger-claude"), (7, "ledger-reference"), (6, "ledger-claude")):
        checkout.write(f"github/{number}/{name}/run-{number}-1.jsonl", "")
    runs = (9, "pull_request"), (8, "workflow_dispatch"), (7, "push"), (6, "schedule")
    # 9 may be a fork's, whose branch is called main as well
    assert baseline(checkout, *runs).outputs == {"path": "baseline/7/run-7-1.jsonl", "run": "7"}
    assert baseline(checkout, *runs, ledger="ledger-claude").outputs["run"] == "8"


def test_a_baseline_that_can_t_be_fetched_is_an_error_and_not_a_first_run(checkout: Checkout) -> None:
    checkout.extra["GH_ERROR"] = "HTTP 403: Resource not accessible by integration"
    done = baseline(checkout)
    assert (done.code, done.outputs) == (1, {})
    assert "::error::The runs on main can't be listed: HTTP 403" in done.log


def leave_part(checkout: Checkout, part: str, *records: Any, code: int | None = 0, **header: Any) -> None:
    """What download-artifact puts there for a part."""
    folder = f"parts/part-{part}"
    checkout.write(f"{folder}/part.json", json.dumps({"part": part, "exit_code": code}))
    if records:
        write_ledger(checkout.folder / folder / "r.jsonl", list(records), ended=code is not None, **header)


def test_what_did_not_come_back_is_named_and_the_rest_is_merged(checkout: Checkout) -> None:
    leave_part(checkout, "a", attempt())
    leave_part(checkout, "b", attempt(provider="oracle"), code=None)
    leave_part(checkout, "c", code=5)
    done = merge(checkout, "a", "b", "c", "d")
    assert done.code == 0, done.log
    assert done.outputs["path"] == "merged/run-77-1.jsonl"
    assert (checkout.folder / done.outputs["path"]).read_text().count('"line":"attempt"') == 2
    assert json.loads(done.outputs["problems"]) == [
        "b was cut off: what it had finished is in the ledger.",
        "d: nothing came back; its job failed before the attempts, or was cancelled.",
    ]


def test_parts_of_different_seeds_are_told_in_the_summary_and_fail_the_run(checkout: Checkout) -> None:
    leave_part(checkout, "a", attempt())
    leave_part(checkout, "b", attempt(provider="oracle"), run_seed=6)
    merged = merge(checkout, "a", "b")
    assert (merged.code, merged.outputs["path"]) == (0, "")
    done = summarise(checkout, PROBLEMS=merged.outputs["problems"])
    assert done.code == 1
    assert "**Incomplete:** `The ledgers can't be merged:" in done.summary
    assert "--instance-seed" in done.summary


def a_pair_of_runs(checkout: Checkout, tasks: int, worse: int) -> dict[str, str]:
    """Two runs of `tasks` tasks, `worse` of which are not solved any more."""
    names = [f"circuits/t{number}" for number in range(tasks)]
    old = [attempt(task=task, skill=0.9) for task in names]
    new = [attempt(task=task, skill=0.3 if at < worse else 0.9, instance_seed=7) for at, task in enumerate(names)]
    later = datetime(2026, 1, 9, tzinfo=UTC)
    return {
        "BASELINE": str(write_ledger(checkout.folder / "old.jsonl", old)),
        "LEDGER": str(write_ledger(checkout.folder / "new.jsonl", new, started=later)),
        "BASELINE_RUN": "7",
    }


@pytest.mark.slow
@pytest.mark.parametrize(("fail_on", "code"), [("significant", 0), ("any", 1)])
def test_a_test_that_got_worse_is_listed_and_fails_the_run_if_it_is_to(
    checkout: Checkout, fail_on: str, code: int
) -> None:
    runs = a_pair_of_runs(checkout, tasks=8, worse=1)
    done = summarise(checkout, **runs, FAIL_ON=fail_on, LEFT_OUT='["codex is left out: no `key`."]')
    assert done.code == code
    assert f"::{'error' if code else 'warning'}::Single tests fell by more than 0.1 since run 7" in done.log
    assert "#### Newly unsolved (1)" in done.summary
    assert "REGRESSION" in done.summary
    assert "is worse than in the last run" not in done.summary
    assert "`codex is left out: no 'key'.`" in done.summary
    assert done.summary.index("Newly unsolved") < done.summary.index("## Results")
    assert "<details><summary>Both runs with intervals and tests</summary>" in done.summary
    assert (checkout.folder / "merged/summary.md").read_text() == done.summary


@pytest.mark.slow
@pytest.mark.parametrize(("fail_on", "code"), [("significant", 1), ("nothing", 0)])
def test_a_provider_that_got_worse_fails_the_run(checkout: Checkout, fail_on: str, code: int) -> None:
    done = summarise(checkout, **a_pair_of_runs(checkout, tasks=8, worse=8), FAIL_ON=fail_on)
    assert done.code == code
    sentence = "reference is worse than in the last run: skill -0.600 over 8 tasks, p = 0.0078."
    assert f"::{'error' if code else 'warning'}::{sentence}" in done.log
    assert f"**{sentence}**" in done.summary


def test_a_provider_that_got_better_fails_nothing(checkout: Checkout) -> None:
    runs = a_pair_of_runs(checkout, tasks=8, worse=8)
    done = summarise(checkout, **{**runs, "BASELINE": runs["LEDGER"], "LEDGER": runs["BASELINE"]})
    assert done.code == 0
    assert "#### Newly solved (8)" in done.summary


def test_other_versions_of_a_task_are_not_compared_and_a_warning_says_so(checkout: Checkout) -> None:
    runs = a_pair_of_runs(checkout, tasks=8, worse=8)
    newer = [attempt(task=f"circuits/t{number}", skill=0.3, task_version=2) for number in range(8)]
    (checkout.folder / "new.jsonl").unlink()
    write_ledger(checkout.folder / "new.jsonl", newer)
    done = summarise(checkout, **runs)
    assert done.code == 0
    assert "::warning::The providers are not compared with run 7: " in done.log
    assert "#### Another version of the task, not compared (8)" in done.summary


def test_a_comparison_that_crashes_fails_the_run(checkout: Checkout) -> None:
    runs = a_pair_of_runs(checkout, tasks=8, worse=0)
    (checkout.folder / ".venv").unlink()
    checkout.write(".venv/bin/scribe-suite", "#!/bin/sh\necho a traceback >&2; exit 1\n", 0o755)
    done = summarise(checkout, **runs)
    assert done.code == 1
    assert "::error::The diff with run 7 failed: a traceback" in done.log


def test_a_run_that_is_whole_and_has_no_predecessor_is_a_success(checkout: Checkout) -> None:
    ledger = write_ledger(checkout.folder / "new.jsonl", [attempt(), attempt(task="circuits/other", skill=0.2)])
    done = summarise(checkout, LEDGER=str(ledger))
    assert done.code == 0
    assert "There is no earlier run of these providers on the main branch to compare with." in done.summary
    assert "| other | 0.100 |" in done.summary.partition("## Results")[2]


def test_a_summary_that_github_would_drop_is_cut_at_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(GITHUB / "scripts"))
    spec = importlib.util.spec_from_file_location("summarise", GITHUB / "scripts/summarise.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "summarise", module)  # where dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    shown = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(shown))
    text = "| a task | größer |\n" * 60_000
    module.write(text)
    head, _, end = shown.read_text().partition("\n\n**The summary is cut off here")
    assert 900_000 < shown.stat().st_size <= module.SUMMARY_LIMIT
    assert set(head.splitlines()) == {"| a task | größer |"}
    assert end
    assert (tmp_path / "merged/summary.md").read_text() == text
