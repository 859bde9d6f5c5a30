"""The whole benchmark workflow on a toy task: shards, ledgers, merge, diff, summary, report; two runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.plugin.conftest import Suite, suite
from tests.workflows.running import (
    ATTEMPTS,
    BASELINE,
    KEYS,
    PLAN,
    REPORT,
    Checkout,
    Done,
    equip,
    merge,
    summarise,
    values_of,
)

__all__ = ["suite"]


def whole_run(checkout: Checkout, number: int, shards: int, workers: int) -> tuple[Done, Path]:
    """Every step of the benchmark workflow in turn, as GitHub would run them."""
    for name in ("parts", "merged", "baseline"):
        shutil.rmtree(checkout.folder / name, ignore_errors=True)
    checkout.extra["GITHUB_RUN_ID"] = str(number)
    keys = {f"HAS_{cli.upper()}_KEY": "false" for cli in KEYS}
    planned = checkout.run(
        PLAN, PROVIDERS="reference,says,gemini", SHARDS=str(shards), TRIALS="2", MAX_COST_USD="3", **keys
    ).outputs
    matrix = json.loads(planned["built_in"])
    assert len(matrix) == 2 * shards
    for row in matrix:
        values = {name.upper(): value for name, value in row.items()}
        given = {"SEED": planned["seed"], "TRIALS": planned["trials"], "MAX_COST_USD": planned["max_cost_usd"]}
        done = checkout.run(ATTEMPTS, **values_of(**values, **given, WORKERS=str(workers)))
        assert done.code == 0, done.log
        folder = checkout.folder / "parts" / row["part"]
        folder.rename(folder.with_name(f"part-{row['part']}"))  # where download-artifact puts it
    merged = merge(checkout, *json.loads(planned["parts"])).outputs
    names = {"WORKFLOW": "benchmark.yml", "BRANCH": "main", "GH_TOKEN": "t", "GH_REPO": "o/r"}
    found = checkout.run(BASELINE, LEDGER=planned["ledger"], **names).outputs
    summary = summarise(
        checkout, LEDGER=merged["path"], PROBLEMS=merged["problems"], LEFT_OUT=planned["left_out"],
        BASELINE=found["path"], BASELINE_RUN=found["run"], FAIL_ON="any",
    )  # fmt: skip
    assert checkout.run(REPORT, LEDGER=merged["path"]).code == 0
    return summary, checkout.folder / merged["path"]


@pytest.mark.slow
def test_shards_become_a_ledger_a_diff_a_summary_and_a_report(suite: Suite) -> None:
    suite.add_task("more")
    checkout = equip(suite.folder)
    checkout.write("github/runs.json", "[]")
    for name in ("PYTHONPATH", "SCRIBE_SUITE_ROOT"):
        checkout.extra[name] = os.environ[name]
    checkout.extra["TOY_CODE"] = (
        "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='seen')"
    )
    first, ledger = whole_run(checkout, 100, shards=2, workers=2)
    assert first.code == 0, first.log
    assert "There is no earlier run" in first.summary
    assert "`gemini is left out: the repository has no secret GEMINI_API_KEY.`" in first.summary
    records = [json.loads(line) for line in ledger.read_text().splitlines() if '"line":"attempt"' in line]
    assert len(records) == 2 * 2 * 2
    seeds = {(record["task"], record["trial"]): set() for record in records}
    for record in records:
        seeds[record["task"], record["trial"]].add(record["instance_seed"])
    assert all(len(met) == 1 for met in seeds.values())  # both providers met the same instances
    assert (checkout.folder / "report/index.html").is_file()

    # this run becomes the last on main, and the agent gets worse
    shutil.copytree(ledger.parent, checkout.folder / "github/100/ledger-reference-says")
    checkout.write("github/runs.json", '[{"databaseId": 100, "event": "push"}]')
    checkout.extra["TOY_CODE"] = "answer = dict(components=['m0'], confidence=1, summary='guessed')"
    second, _ = whole_run(checkout, 101, shards=1, workers=0)
    assert second.code == 1
    assert "::error::Single tests fell by more than 0.1 since run 100" in second.log
    assert "#### Newly unsolved (4)" in second.summary
    assert second.summary.count("-says-t") >= 4
    assert "-reference-t0" not in second.summary.partition("## Results")[0].partition("<details>")[0]
