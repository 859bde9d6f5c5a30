"""Kernels that may use a GPU, tried with a device that every machine has in place of one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox import sandbox
from scribe_suite.sandbox import visible_files as shown
from tests.notebook.agent import Agent, play

from .test_sandbox import needs_namespaces

STAND_IN = "/dev/tty"
LOOK = f"""
import json, os, resource
print(json.dumps([os.path.exists("{STAND_IN}"), resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY,
                  os.environ.get("CUDA_VISIBLE_DEVICES")]))
"""


@needs_namespaces
@pytest.mark.parametrize("gpu", [False, True])
def test_a_kernel_sees_the_devices_only_when_it_may_use_them(tmp_path, monkeypatch, gpu):
    for module in (shown, sandbox):
        monkeypatch.setattr(module, "gpu_devices", lambda: (STAND_IN,))

    async def look(agent: Agent) -> Any:
        return json.loads((await agent.run(LOOK)).output)

    with NotebookServer(NotebookConfig(folder=tmp_path, gpu=gpu)) as server:
        assert play(server, look) == [gpu, gpu, None if gpu else ""]
