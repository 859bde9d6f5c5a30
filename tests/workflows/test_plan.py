"""The first job: inputs are checked, a seed is drawn, matrices are made."""

from __future__ import annotations

import json
import re

import pytest

from tests.workflows.running import GITHUB, JOBS, KEYS, PLAN, Checkout, Done


def plan(checkout: Checkout, **changes: str) -> Done:
    values = {"PROVIDERS": "reference", "SHARDS": "1", "TRIALS": "1", "MAX_COST_USD": ""}
    for family in ("circuits", "probes"):
        checkout.write(f"benchmarks/{family}/test_{family}.py", "")
    keys = {f"HAS_{cli.upper()}_KEY": "false" for cli in KEYS}
    return checkout.run(PLAN, **{**values, **keys, **changes})


def test_a_plan_is_family_by_provider_by_shard(checkout: Checkout) -> None:
    done = plan(checkout, PROVIDERS="reference, oracle,claude:opus", SHARDS="2", HAS_CLAUDE_KEY="true")
    assert done.code == 0
    built_in, claude = (json.loads(done.outputs[job]) for job in ("built_in", "claude"))
    assert len(built_in) == 2 * 2 * 2
    assert claude[1] == {
        "part": "circuits-claude-opus-2of2", "family": "circuits", "provider": "claude:opus", "shard": "2/2",
        "cli": "claude",
    }  # fmt: skip
    assert json.loads(done.outputs["parts"]) == [
        f"{family}-{provider}-{shard}of2"
        for family in ("circuits", "probes")
        for provider in ("reference", "oracle", "claude-opus")
        for shard in (1, 2)
    ]
    assert (done.outputs["codex"], done.outputs["gemini"]) == ("[]", "[]")
    assert done.outputs["ledger"] == "ledger-claude-opus-oracle-reference"


def test_the_outputs_of_the_plan_are_those_that_other_jobs_read(checkout: Checkout) -> None:
    outputs = set(plan(checkout).outputs)
    assert outputs | {"python-version"} == set(JOBS["benchmark-plan"]["outputs"])
    text = (GITHUB / "workflows/benchmark.yml").read_text()
    assert set(re.findall(r"needs\.plan\.outputs\.([\w-]+)", text)) == outputs | {"python-version"}


def test_every_run_gets_a_seed_of_its_own(checkout: Checkout) -> None:
    first, second = (plan(checkout).outputs["seed"] for _ in range(2))
    assert first != second
    assert first.isdigit()
    assert len(first) <= 18


def test_a_provider_without_its_key_is_left_out_and_told(checkout: Checkout) -> None:
    done = plan(checkout, PROVIDERS="reference,codex")
    assert (done.code, done.outputs["codex"]) == (0, "[]")
    assert json.loads(done.outputs["left_out"]) == ["codex is left out: the repository has no secret OPENAI_API_KEY."]
    assert "::warning::codex is left out" in done.log
    assert done.outputs["ledger"] == "ledger-reference"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PROVIDERS": " , "}, "There is no provider"),
        ({"PROVIDERS": "reference\n::warning::owned"}, "is no provider"),
        ({"PROVIDERS": "$(touch owned)"}, "is no provider"),
        ({"PROVIDERS": "--help"}, "is no provider"),
        ({"PROVIDERS": "a_b,a-b"}, "is no provider"),
        ({"PROVIDERS": "x:a/b,x:a-b"}, "have one name as files"),
        ({"PROVIDERS": "claude"}, "None of the providers can run"),
        ({"SHARDS": "0"}, "shards is '0'"),
        ({"SHARDS": "200"}, "More than 256 jobs for built_in"),
        ({"TRIALS": "many"}, "trials is 'many'"),
        ({"MAX_COST_USD": "-1"}, "max_cost_usd is '-1'"),
        ({"MAX_COST_USD": "nan"}, "max_cost_usd is 'nan'"),
    ],
)
def test_bad_inputs_are_refused_in_one_sentence(checkout: Checkout, changes: dict[str, str], message: str) -> None:
    done = plan(checkout, **changes)
    assert (done.code, done.outputs) == (1, {})
    (error,) = [line for line in done.log.splitlines() if line.startswith("::error::")]
    assert message in error
    assert not any(line.startswith("::warning::owned") for line in done.log.splitlines())
    assert not (checkout.folder / "owned").exists()
