"""A real JupyterLab: what the browser gets from it, and what it does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import AttemptContext, Limits
from scribe_suite.providers.builtin.human import jupyterlab
from scribe_suite.providers.builtin.human.gateway import Gateway
from scribe_suite.providers.builtin.human.jupyterlab import PROGRAM_VARIABLE, find_program, free_port, running_lab
from scribe_suite.providers.builtin.human.web import Surroundings, application
from scribe_suite.sandbox.probing import best_tier
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.untrusted_files import UntrustedFolder

NEEDS_LAB = [
    pytest.mark.slow,
    pytest.mark.skipif(find_program() is None, reason="JupyterLab is not installed: make test-human installs it."),
]
TIERS = list(dict.fromkeys([best_tier(), IsolationTier("none")]))


def context(outputs: Path, isolation: IsolationTier) -> AttemptContext:
    endpoint = NotebookEndpoint(Path("/run/notebook"), ("python", "-S", "/run/notebook"))
    return AttemptContext("the prompt", endpoint, Limits(60.0, 5.0), None, outputs, isolation=isolation)


def with_lab(sit, outputs, isolation, scenario):
    """Run a scenario with a JupyterLab whose gateway is there; `ask` sends requests as the browser would."""

    async def work(sitting):
        sitting.start()
        listening, port = bind_unused_port()
        around = Surroundings(sitting, Gateway(sitting))
        server = HTTPServer(application(around))
        server.add_socket(listening)
        with UntrustedFolder(outputs) as folder:
            tokens = (port, around.gateway_token, free_port())
            async with running_lab(context(outputs, isolation), folder, *tokens) as lab:

                async def ask(path, method="GET", body=None, token=lab.token):
                    got = await AsyncHTTPClient().fetch(
                        f"http://127.0.0.1:{lab.port}{path}", method=method, body=body, raise_error=False,
                        headers={"Authorization": f"token {token}"}, follow_redirects=False, request_timeout=60,
                        allow_nonstandard_methods=True,
                    )  # fmt: skip
                    return got.code, got.body.decode("utf-8", "replace")

                try:
                    return await scenario(lab, ask)
                finally:
                    around.gateway.close()
                    server.stop()
                    await server.close_all_connections()

    return sit(work)


@pytest.mark.parametrize("isolation", [pytest.param(tier, marks=NEEDS_LAB, id=tier.name) for tier in TIERS])
def test_the_browser_gets_one_folder_and_the_sealed_kernel_and_nothing_else(sit, outputs, isolation):
    async def scenario(lab, ask):
        listed = json.loads((await ask("/api/contents"))[1])
        specs = json.loads((await ask("/api/kernelspecs"))[1])
        started = await ask("/api/kernels", "POST", "{}")
        refused = {
            "other token": await ask("/api/contents", token="wrong"),
            "terminals": await ask("/api/terminals"),
            "a new terminal": await ask("/api/terminals", "POST", "{}"),
            "its end": await ask("/api/shutdown", "POST", ""),
            "conversions": await ask("/nbconvert/html/attempt.ipynb"),
            "language servers": await ask("/lsp/status"),
            "a new extension": await ask("/lab/api/extensions", "POST", '{"cmd": "install", "extension_name": "x"}'),
            "the folder above": await ask("/api/contents/..%2F"),
            "its configuration": await ask("/files/..%2F..%2Fhome%2Fconfig.json"),
            "a file of the system": await ask("/files/..%2F..%2F..%2F..%2Fetc%2Fpasswd"),
            "another kernel": await ask("/api/kernelspecs/ir"),
        }
        assert not lab.ended
        return listed, specs, started, refused, lab.version

    listed, specs, started, refused, version = with_lab(sit, outputs, isolation, scenario)
    assert [entry["name"] for entry in listed["content"]] == ["attempt.ipynb"]
    assert list(specs["kernelspecs"]) == ["python3"]
    assert started[0] == 201, started
    assert {what: code for what, (code, _) in refused.items() if code < 400} == {}
    assert version.split(".")[0] == "4"
    kept = json.loads((outputs / "jupyterlab.ipynb").read_text())
    assert kept["cells"][0]["cell_type"] == "markdown"
    log = (outputs / "jupyterlab.log").read_text()
    assert "Kernels will be managed by the Gateway" in log


@pytest.mark.skipif(not best_tier().own_root, reason="Programs have no file system of their own here.")
@pytest.mark.parametrize("tier", [pytest.param(best_tier(), marks=NEEDS_LAB, id="best")])
def test_its_server_sees_none_of_the_user_s_files(sit, outputs, tier):
    async def scenario(lab, _ask):
        own = Path(f"/proc/{lab.program.process.pid}/root")
        inner = [Path(f"/proc/{pid}/root") for pid in _below(lab.program.process.pid)]
        return [root for root in (own, *inner) if (root / str(Path(__file__))[1:]).exists()]

    seen = with_lab(sit, outputs, tier, scenario)
    assert len(seen) <= 1, "only what holds the sandbox from outside may see this file"


def _below(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_a_program_that_is_no_jupyterlab_is_an_infrastructure_failure(tmp_path, outputs, monkeypatch):
    program = tmp_path / "jupyter-lab"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv(PROGRAM_VARIABLE, str(program))

    async def work():
        with UntrustedFolder(outputs) as folder:
            async with running_lab(context(outputs, IsolationTier("none")), folder, 1, "token", free_port()):
                pass

    with pytest.raises(InfrastructureError, match="ended with 3") as caught:
        asyncio.run(work())
    assert caught.value.cause == "jupyterlab"
    assert "broken" in (outputs / "jupyterlab.log").read_text()


def test_the_configuration_names_no_way_but_the_gateway(tmp_path):
    made = jupyterlab.configuration(tmp_path, 8888, "t", 7777, "g")
    assert made["ServerApp"]["ip"] == "127.0.0.1"
    assert made["ServerApp"]["terminals_enabled"] is False
    assert made["GatewayClient"]["url"].startswith("http://127.0.0.1:7777/")
    assert [name for name, on in made["ServerApp"]["jpserver_extensions"].items() if on] == ["jupyterlab"]
