"""Warnings that nobody in a kernel can act on are gone, all others are shown."""

from __future__ import annotations

import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.tasks.software import kernel_software

from ..agent import Agent, Answer, play

#: Code that warns of what can't be changed from a kernel, and a word of the warning.
IDLE = {
    "import tqdm.auto; list(tqdm.auto.tqdm(range(2)))": "IProgress",
    "import transformer_lens.utils": "deprecated",
    "from transformer_lens import HookedTransformer": "IProgress",
    "model = HookedTransformer(dict(n_layers=1, d_model=4, n_ctx=4, d_head=4, d_vocab=5, act_fn='relu'))": "deprecated",
}
USEFUL = """
import warnings
import torch
from transformer_lens import FactoredMatrix
FactoredMatrix(torch.eye(2), torch.eye(2)).Vh
warnings.warn("HookedTransformer is slow here")
warnings.warn("my own", DeprecationWarning)
"""
VERSIONS = """
import platform, torch, numpy, sklearn, scipy, importlib.metadata
print("Python", platform.python_version())
print("torch", torch.__version__)
print("TransformerLens", importlib.metadata.version("transformer_lens"))
print("numpy", numpy.__version__)
print("scikit-learn", sklearn.__version__)
print("scipy", scipy.__version__)
"""


@pytest.mark.slow
def test_the_packages_of_the_field_are_as_prompts_say_and_warn_only_of_what_can_be_changed(tmp_path):
    async def scenario(agent: Agent) -> list[Answer]:
        return [await agent.run(code) for code in (*IDLE, USEFUL, VERSIONS)]

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        *idle, useful, versions = play(server, scenario, timeout_s=250)
    for (code, word), answer in zip(IDLE.items(), idle, strict=True):
        assert not answer.is_error, answer.text
        assert word not in answer.text, code
    for words in ("not Vh", "HookedTransformer is slow here", "DeprecationWarning: my own"):
        assert words in useful.text
    for said in kernel_software():
        assert said in versions.text


def test_an_agent_can_have_the_silenced_warnings_back(server, shared):
    code = "import warnings\nwith warnings.catch_warnings():\n    {}\n    warnings.warn('IProgress not ' + 'found')"

    async def scenario(agent: Agent) -> list[Answer]:
        return [await agent.run(code.format(line)) for line in ("pass", "warnings.simplefilter('always')")]

    silenced, shown = play(server, scenario, session_id=shared)
    assert "IProgress not found" not in silenced.text
    assert "UserWarning: IProgress not found" in shown.text
