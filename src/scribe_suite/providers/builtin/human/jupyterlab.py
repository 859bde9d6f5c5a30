"""JupyterLab's server for one attempt: a real one, in the sandbox of agents' programs, without kernels of its own.

It sees one folder with one notebook. Kernels come from the gateway; terminals, conversions, language servers,
extensions to install and its own end are switched off or refused (see `inside.scribe_authorizer`).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import AttemptContext
from scribe_suite.providers.builtin.human.gateway import KERNEL_NAME
from scribe_suite.providers.programs import Place, place_for_program, start_program
from scribe_suite.providers.secrets import Scrubber
from scribe_suite.sandbox.launching import Program
from scribe_suite.untrusted_files import UntrustedFolder

#: Names the program ``jupyter-lab`` of another Python environment than this one.
PROGRAM_VARIABLE = "SCRIBE_SUITE_JUPYTERLAB"
#: Seconds until it must answer.
START_S = 90.0
#: Largest notebook that is kept, in bytes.
MAX_NOTEBOOK = 64 << 20
NOTEBOOK, LOG, KEPT = "attempt.ipynb", "jupyterlab.log", "jupyterlab.ipynb"
#: How many bytes of its log are kept.
MAX_LOG = 1 << 20
_INSIDE = Path(__file__).parent / "inside" / "scribe_authorizer.py"
_FOLDER = "notebook"
_OFF = ("jupyter_lsp", "jupyter_server_terminals", "notebook_shim", "jupyterlab_git", "jupyter_server_fileid")
_INTRODUCTION = """\
The set-up cell of the prompt has run in this notebook's kernel. Each cell that you run is recorded, like an agent's.
Submit, pause and take notes in the panel on the left."""


def find_program() -> Path | None:
    """The program ``jupyter-lab``, or None when it is not installed."""
    named = os.environ.get(PROGRAM_VARIABLE)
    path = Path(named) if named else Path(sys.executable).parent / "jupyter-lab"
    return path.absolute() if path.is_file() and os.access(path, os.X_OK) else None


def missing() -> str:
    """What to do without the program."""
    if named := os.environ.get(PROGRAM_VARIABLE):
        return f"{PROGRAM_VARIABLE} names {named}, which is not a program: name the jupyter-lab of an environment."
    return (
        "JupyterLab is not installed here: pip install 'scribe-suite[human]', or name the jupyter-lab of another "
        f"environment in {PROGRAM_VARIABLE}. --provider human:terminal needs none."
    )


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab.

    Attributes:
        port: Where it listens.
        token: For the browser.
        version: As it reports it.
        program: Its process.
    """

    port: int
    token: str
    version: str | None
    program: Program

    @property
    def path(self) -> str:
        """Path of the page with the notebook."""
        return f"/lab/tree/{NOTEBOOK}"

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.program.process is None or self.program.process.poll() is not None


@asynccontextmanager
async def running_lab(
    context: AttemptContext, outputs: UntrustedFolder, page_port: int, gateway_token: str, port: int
) -> AsyncIterator[Lab]:
    """Run JupyterLab for as long as the block runs; its notebook and its log are kept afterwards.

    Args:
        context: The attempt.
        outputs: Where they are kept.
        page_port: Port of the page that shows it, and of the gateway.
        gateway_token: For the gateway.
        port: Where it is to listen.

    Raises:
        InfrastructureError: With cause ``jupyterlab`` when it does not start.
    """
    found = find_program()
    if found is None:
        raise InfrastructureError("jupyterlab", missing())
    token = secrets.token_urlsafe(24)
    with place_for_program("scribe-human-") as place:
        _lay_out(place, port, token, page_port, gateway_token)
        argv = [str(found), f"--config={place.home / 'config.json'}", "--no-browser"]
        try:
            program = start_program(context, place, [str(found)], argv, _environment(place), surroundings="file")
        except OSError as error:
            raise InfrastructureError("jupyterlab", f"{found} can't be run: {error}.") from error
        with program:
            program.close_stdin()
            log = _Log(program)
            try:
                version = await _ready(program, log, port, token)
                yield Lab(port, token, version, program)
            finally:
                with suppress(OSError):
                    notebook = f"{place.work.name}/{_FOLDER}/{NOTEBOOK}"
                    outputs.write(KEPT, [program.folder.read(notebook, MAX_NOTEBOOK)])
                program.end()
                text = Scrubber([token, gateway_token]).clean(log.text())
                outputs.write(LOG, [text.encode("utf-8", "replace")])


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def configuration(root: Path, port: int, token: str, page_port: int, gateway_token: str) -> dict[str, Any]:
    """The server's configuration.

    Args:
        root: The folder that its files are in.
        port: Where it listens.
        token: For the browser.
        page_port: Port of the page that shows it, and of the gateway.
        gateway_token: For the gateway.
    """
    pages = " ".join(f"http://{host}:{page_port}" for host in ("127.0.0.1", "localhost"))
    return {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "root_dir": str(root),
            "allow_root": True,
            "open_browser": False,
            "quit_button": False,
            "terminals_enabled": False,
            "allow_unauthenticated_access": False,
            "authorizer_class": "scribe_authorizer.NotebookOnly",
            "jpserver_extensions": {"jupyterlab": True, **dict.fromkeys(_OFF, False)},
            "tornado_settings": {"headers": {"Content-Security-Policy": f"frame-ancestors 'self' {pages}"}},
        },
        "IdentityProvider": {"token": token},
        "GatewayClient": {
            "url": f"http://127.0.0.1:{page_port}/gateway",
            "ws_url": f"ws://127.0.0.1:{page_port}/gateway",
            "auth_token": gateway_token,
            "request_timeout": 600.0,
            "connect_timeout": 60.0,
        },
        "LabApp": {"extension_manager": "readonly"},
        "LabServerApp": {"notebook_starts_kernel": True},
        "FileContentsManager": {"delete_to_trash": False, "allow_hidden": False},
    }


def _lay_out(place: Place, port: int, token: str, page_port: int, gateway_token: str) -> None:
    """Write its files: the configuration, the authorizer, the notebook."""
    root = place.work / _FOLDER
    root.mkdir()
    settings = configuration(root, port, token, page_port, gateway_token)
    (place.home / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (place.home / _INSIDE.name).write_bytes(_INSIDE.read_bytes())
    (root / NOTEBOOK).write_text(json.dumps(_notebook()), encoding="utf-8")
    for name, shown in _LAB_SETTINGS.items():
        path = place.home / "settings" / "@jupyterlab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(shown), encoding="utf-8")


#: Settings of the front end: it fetches no news, and asks nobody.
_LAB_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "apputils-extension/notification.jupyterlab-settings": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
    "extensionmanager-extension/plugin.jupyterlab-settings": {"enabled": False},
}


def _notebook() -> dict[str, Any]:
    """The notebook that the person begins with."""
    return {
        "cells": [
            {"cell_type": "markdown", "id": "introduction", "metadata": {}, "source": _INTRODUCTION},
            {"cell_type": "code", "id": "first", "metadata": {}, "source": "", "outputs": [], "execution_count": None},
        ],
        "metadata": {"kernelspec": {"name": KERNEL_NAME, "display_name": "Python (sealed)", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _environment(place: Place) -> dict[str, str]:
    """Its whole environment except its home: nothing of the user's is inherited but the language."""
    return {
        **{name: os.environ[name] for name in ("LANG", "LC_ALL", "PATH") if name in os.environ},
        "PYTHONPATH": str(place.home),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "JUPYTER_CONFIG_DIR": str(place.home / "jupyter"),
        "JUPYTER_DATA_DIR": str(place.home / "data"),
        "JUPYTER_RUNTIME_DIR": str(place.home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(place.home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(place.home / "workspaces"),
    }


async def _ready(program: Program, log: _Log, port: int, token: str) -> str | None:
    """Wait until it answers; returns its version.

    Raises:
        InfrastructureError: When it does not.
    """
    from tornado.httpclient import AsyncHTTPClient, HTTPClientError

    client = AsyncHTTPClient()
    try:
        async with asyncio.timeout(START_S):
            while True:
                assert program.process is not None
                if (code := program.process.poll()) is not None:
                    raise InfrastructureError("jupyterlab", f"JupyterLab ended with {code}: {log.text()[-1000:]}")
                with suppress(OSError, HTTPClientError):
                    headers = {"Authorization": f"token {token}"}
                    page = await client.fetch(f"http://127.0.0.1:{port}/lab/api/settings/", headers=headers)
                    assert page.code == 200
                    return await _version(client, port, token)
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        message = f"JupyterLab did not answer within {START_S:g} s: {log.text()[-1000:]}"
        raise InfrastructureError("jupyterlab", message) from error


async def _version(client: Any, port: int, token: str) -> str | None:
    """The version that its page names."""
    page = await client.fetch(f"http://127.0.0.1:{port}/lab?token={token}")
    _, found, rest = page.body.decode("utf-8", "replace").partition('"appVersion": "')
    return rest.partition('"')[0] if found else None


@dataclass
class _Log:
    """Reads what it prints, so that it never waits; keeps the end.

    Attributes:
        program: Its process.
    """

    program: Program
    _kept: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        for descriptor in (self.program.stdout, self.program.stderr):
            threading.Thread(target=self._read, args=(os.dup(descriptor),), daemon=True).start()

    def text(self) -> str:
        """The end of what it has printed."""
        return bytes(self._kept).decode("utf-8", "replace")

    def _read(self, descriptor: int) -> None:
        try:
            with suppress(OSError):
                while data := os.read(descriptor, 1 << 16):
                    self._kept += data
                    del self._kept[:-MAX_LOG]
        finally:
            os.close(descriptor)
