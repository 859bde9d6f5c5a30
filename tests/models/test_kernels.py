"""Kernels with a real model: loaded before they start, shared with others, and nothing but the model in sight."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scribe_suite.models import kernel_module
from scribe_suite.models import spec as sources
from scribe_suite.models.conversion import convert
from scribe_suite.models.spec import SETUP_CODE, parse
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.plugin.worker.kernels import preload_for, shared_for
from scribe_suite.sandbox import fork_client
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.sandbox import Sandbox
from scribe_suite.sandbox.shared_modules import SharedModule
from tests.notebook.agent import Agent, play

from . import tiny
from .test_conversion import silent

#: Prints how often the model's file is mapped, its kB, and the kB that are this process's own.
MAPPED = """
import re
text = open("/proc/self/smaps").read()
parts = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", text)
parts = [part for part in parts if "model.safetensors" in part.partition("\\n")[0]]
field = lambda name: sum(int(kb) for part in parts for kb in re.findall(rf"(?m)^{name}:\\s+(\\d+)", part))
print(len(parts), field("Size"), field("Anonymous"))
"""
VALUE = "print(round(float(model(ids).detach().log_softmax(-1)[0, -1, 7]), 4))"
IDS = "ids = torch.tensor([[3, 9, 27, 81, 243]])"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Specification and folder of a converted tiny model, in a cache below a folder that is to be hidden."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIBE_SUITE_CACHE", str(place / "cache"))
        spec = f"path:{tiny.save(tiny.llama(), place / 'original')}"
        folder = convert(parse(spec), silent).folder
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(sources, "ready", lambda _spec: type("Ready", (), {"folder": folder}))
            yield spec, folder


def config(folder: Path, spec: str, **more: object) -> NotebookConfig:
    """As the fixture of an attempt makes it."""
    return NotebookConfig(
        folder, setup_code=SETUP_CODE, preload=preload_for(SETUP_CODE), shared=shared_for(spec), **more
    )


@pytest.fixture(scope="module")
def server(model: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    hidden = (model[1].parents[2],)  # holds the cache and the original, as a checkout may
    with NotebookServer(config(tmp_path_factory.mktemp("attempt"), model[0], hidden=hidden)) as server:
        yield server


needs_forks = pytest.mark.skipif(not fork_client.supported(), reason="kernels are not forked here")


@needs_forks
@pytest.mark.slow
def test_a_kernel_finds_the_model_loaded(server):
    code = (
        "import builtins\n"
        "print(type(model).__name__, tokenizer is model.tokenizer, model.to_str_tokens('the keys'),"
        " real_model.model is model, real_model.__spec__)"
    )
    answer = play(server, lambda agent: agent.run(code))
    assert answer.output == "HookedTransformer True ['<s>', 'the', ' key', 's'] True None", answer.text
    # a module that had been imported from the file would have a specification


@pytest.mark.slow
@needs_forks
def test_kernels_share_the_weights_and_a_change_stays_in_one(server):
    async def scenario(agent: Agent) -> list[str]:
        outputs = [(await agent.run(f"{IDS}\n{VALUE}")).output, (await agent.run(MAPPED)).output]
        await agent.run("with torch.no_grad():\n    model.blocks[0].mlp.W_out.mul_(2)")
        outputs += [(await agent.run(VALUE)).output, (await agent.run(MAPPED)).output]
        await agent.run("model = real_model.load(real_model.FOLDER)")
        return [*outputs, (await agent.run(VALUE)).output]

    before, mapped, changed, copied, fresh = play(server, scenario)
    other = play(server, lambda agent: agent.run(f"{IDS}\n{VALUE}")).output
    assert before == fresh == other
    assert changed != before
    count, size, anonymous = (int(number) for number in mapped.split())
    assert count > 0
    assert size > 50
    assert anonymous == 0  # every page is the file's
    assert 0 < int(copied.split()[2]) < size


def test_a_kernel_sees_the_model_s_folder_and_nothing_beside_it(server, model):
    if server.status().isolation == "none":
        pytest.skip("nothing is hidden here")
    _, folder = model
    code = f"""
import os
from pathlib import Path
print(sorted(os.listdir(real_model.FOLDER)))
seen = []
for place in {[str(folder.parent), str(folder.parents[2] / "original" / "config.json")]!r}:
    try:
        seen.append(os.listdir(place) if Path(place).is_dir() else Path(place).read_text())
    except OSError:
        pass
try:
    Path(real_model.FOLDER, "new").write_text("x")
    seen.append("written")
except OSError:
    pass
print(seen, os.listdir("/shared") if os.path.isdir("/shared") else ["real_model"])
"""
    answer = play(server, lambda agent: agent.run(code))
    files, rest = answer.output.splitlines()
    assert files == str(sorted(path.name for path in folder.iterdir()))
    assert rest == "[] ['real_model']"


def test_the_record_that_names_paths_is_in_no_kernel_s_memory_or_sight(server, model):
    spec, _ = model
    code = "import os; print([name for name in os.listdir('.')], repr(open('real_model.py').read()))"
    answer = play(server, lambda agent: agent.run(code))
    assert "['real_model.py']" in answer.output
    assert spec.removeprefix("path:") not in answer.output


@pytest.mark.slow
def test_where_kernels_are_not_forked_they_load_it_themselves(model, tmp_path, monkeypatch):
    monkeypatch.setattr(fork_client, "supported", lambda: False)

    async def scenario(agent: Agent) -> list[str]:
        code = "print(type(model).__name__, real_model.__spec__ is not None)"
        return [(await agent.run(code)).output, (await agent.run(f"{IDS}\n{VALUE}")).output]

    with NotebookServer(config(tmp_path / "plain", model[0], isolation="none")) as server:
        kind, alone = play(server, scenario)
    assert kind == "HookedTransformer True"
    ours = kernel_module.load(model[1])(torch.tensor([[3, 9, 27, 81, 243]])).log_softmax(-1)
    assert float(alone) == pytest.approx(float(ours[0, -1, 7].detach()), abs=1e-3)


@needs_forks
def test_a_module_that_fails_costs_only_itself(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    shared = (
        SharedModule("broken", "raise RuntimeError('no')\n", folder),
        SharedModule("whole", "x = FOLDER\n", folder),
    )
    with NotebookServer(NotebookConfig(tmp_path / "attempt", shared=shared, isolation="auto")) as server:
        code = "import sys; sys.path.append('.')\nimport whole; print(len(whole.x) > 0)\nimport broken"
        answer = play(server, lambda agent: agent.run(code))
    assert "True" in answer.output
    assert "RuntimeError" in answer.text


def test_each_tier_shows_the_folder(tmp_path):
    """What a tier's kernels may read is told to it in different ways; this is about Landlock's."""
    tier = probe_isolation("auto")
    folder = tmp_path / "data"
    folder.mkdir()
    module = SharedModule("data", "", folder)
    with Sandbox(tier, preload=None, shared=(module,)) as sandbox:
        work = sandbox.work_folder("w", {"a.txt": b"a"})
        rules = sandbox._landlock_rules(sandbox.private_folders("s", work))
    assert str(folder.resolve()) in rules["read_only"]
    assert str(folder.resolve()) not in rules["writable"]
