"""Models from the hub's local cache, which the test itself fills; no hub is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REVISION = "0123456789abcdef0123456789abcdef01234567"


def hub_cache(folder: Path, models: dict[str, Path]) -> None:
    """What downloading models leaves behind."""
    for name, source in models.items():
        place = folder / f"models--{name.replace('/', '--')}"
        shutil.copytree(source, place / "snapshots" / REVISION)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(REVISION)


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own: where the hub's cache lies is read when its library is imported."""
    command = [sys.executable, "-m", "scribe_suite.cli", "models", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
def test_models_are_taken_from_the_local_cache_by_both_kinds_of_names(tmp_path, llama_folder, gpt2_folder):
    hub_cache(tmp_path / "hub", {"someone/small": llama_folder, "gpt2": gpt2_folder})
    config = tmp_path / "hub" / "models--gpt2" / "snapshots" / REVISION / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "n_ctx": 64}))  # as the hub's has
    environment = {
        **os.environ,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
        "SCRIBE_SUITE_CACHE": str(tmp_path / "cache"),
    }
    by_repository = run(environment, "convert", "hub:someone/small")
    assert by_repository.returncode == 0, by_repository.stderr
    by_name = run(environment, "convert", "hub:gpt2")
    assert by_name.returncode == 0, by_name.stderr
    listed = run(environment, "list")
    assert listed.stdout.count("ready") >= 2
    assert "hub:gpt2" in listed.stdout
    missing = run(environment, "convert", "hub:someone/else")
    assert missing.returncode == 2
    assert "not in the local hub cache, and HF_HUB_OFFLINE forbids to ask the hub" in missing.stderr
    assert "Traceback" not in missing.stderr
