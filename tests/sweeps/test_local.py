"""Whole sweeps with jobs on this machine: nothing lost, nothing twice, nothing scored that infrastructure failed."""

import os
import signal
import subprocess
import sys
from collections import Counter

import psutil
import pytest

from scribe_suite.sweeps.shard_job import notes_of
from tests.sweeps.conftest import ledger_lines, wait_for

pytest.importorskip("submitit", reason="submitit runs the jobs of sweeps: pip install 'scribe-suite[sweep]'")

SLOWLY = "import time; time.sleep({}); answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='x')"


def counting(sweeps):
    """Node id -> records that count, in the merged ledger."""
    return Counter(record.nodeid for record in sweeps.merged.records if record.counts)


@pytest.mark.slow
def test_a_sweep_is_one_run_at_the_end(sweeps):
    code, printed, _ = sweeps.plan(["oracle", "null"], trials=2, shards=2, more="[budget]\nhours = 2.0\n")
    assert (code, "4 attempts in 2 shards, 2 each" in printed) == (0, True), printed
    code, printed, errors = sweeps.run("--jobs", "2")
    assert code == 1, printed + errors + sweeps.logs()  # null solves nothing
    assert set(counting(sweeps).values()) == {1}
    merged = sweeps.merged
    assert len(merged.header.planned) == 4
    assert merged.header.shard is None
    assert merged.end is not None
    assert {record.outcome for record in merged.attempts} == {"solved", "no_answer"}
    assert sweeps.command("status", str(sweeps.folder))[0] == 0
    assert sweeps.command("watch", str(sweeps.folder))[0] == 0
    # nothing is done again
    before = sweeps.merged.records
    assert sweeps.run()[0] == 1
    assert sweeps.merged.records == before
