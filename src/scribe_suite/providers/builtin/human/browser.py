"""The front end in a browser: a page with prompt, clock, notes and answer, and JupyterLab beside them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import AttemptContext
from scribe_suite.providers.builtin.human.front import FrontEnd
from scribe_suite.providers.builtin.human.jupyterlab import free_port, running_lab
from scribe_suite.providers.builtin.human.sitting import Sitting
from scribe_suite.untrusted_files import UntrustedFolder

#: The page's port; JupyterLab gets the next one. Both are free ones unless this is set, as it is for a tunnel.
PORT_VARIABLE = "SCRIBE_SUITE_HUMAN_PORT"


@asynccontextmanager
async def in_browser(context: AttemptContext, sitting: Sitting, outputs: UntrustedFolder) -> AsyncIterator[FrontEnd]:
    """Serve the page and run JupyterLab for as long as the block runs.

    Args:
        context: The attempt.
        sitting: The person's work.
        outputs: Where JupyterLab's notebook and log are kept.

    Raises:
        InfrastructureError: With cause ``jupyterlab`` when that is not possible.
    """
    from tornado.httpserver import HTTPServer  # not needed to list providers

    from scribe_suite.providers.builtin.human.gateway import Gateway
    from scribe_suite.providers.builtin.human.web import MAX_MESSAGE, Surroundings, application

    page_port, lab_port = _ports()
    around = Surroundings(sitting, Gateway(sitting))
    server = HTTPServer(application(around), max_buffer_size=MAX_MESSAGE)
    try:
        server.listen(page_port, "127.0.0.1")
    except OSError as error:
        raise InfrastructureError("jupyterlab", f"Port {page_port} can't be used: {error.strerror}.") from error
    try:
        async with running_lab(context, outputs, page_port, around.gateway_token, lab_port) as lab:
            around.lab = {"port": lab.port, "path": lab.path, "token": lab.token}
            address = f"http://127.0.0.1:{page_port}/?token={around.page_token}"
            yield FrontEnd(address, lab.version, lambda: "JupyterLab has ended." if lab.ended else None)
    finally:
        around.gateway.close()
        server.stop()
        await server.close_all_connections()


def _ports() -> tuple[int, int]:
    named = os.environ.get(PORT_VARIABLE)
    if not named:
        return free_port(), free_port()
    if not named.isdecimal() or not 1024 <= int(named) < 65535:
        raise InfrastructureError("jupyterlab", f"{PORT_VARIABLE} is {named!r}: name a port from 1024 to 65534.")
    return int(named), int(named) + 1
