"""A Jupyter kernel in a process forked by the fork-server: everything is imported already."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import random
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

#: What an IPython kernel imports while it starts and at its first cells. Without matplotlib's inline backend, which
#: registers itself with the shell on import.
KERNEL_MODULES = (
    "ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.iostream", "ipykernel.comm",
    "ipykernel.datapub", "ipykernel.pickleutil", "ipykernel.serialize", "ipykernel.displayhook", "ipykernel.debugger",
    "IPython.core.interactiveshell", "IPython.core.completer", "IPython.core.completerlib", "IPython.core.oinspect",
    "IPython.core.debugger", "IPython.core.pylabtools", "IPython.core.magics", "IPython.extensions.storemagic",
    "IPython.lib.display", "IPython.lib.pretty",
    "comm.base_comm", "jedi", "zmq.asyncio", "zmq.eventloop.zmqstream", "tornado.platform.asyncio", "asyncio", "uuid",
    "multiprocessing", "concurrent.futures.thread", "sqlite3", "stack_data", "pygments.formatters.terminal256",
    "pygments.lexers.python", "pygments.styles.default", "IPython.utils.PyColorize", "IPython.core.ultratb",
)  # fmt: skip


def preload(modules: Sequence[str], shared: Sequence[Sequence[str]] = ()) -> list[str]:
    """Import modules, in the fork-server.

    Args:
        modules: Their names.
        shared: Modules to make: name, source, and the path of its folder as its global ``FOLDER``. Their data are in
            the memory of every kernel, without a copy.

    Returns:
        A line for each module that can't be imported; a kernel will report the same when it needs one.
    """
    # Importing it only loads 130 modules, and no front end that could debug ever connects.
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]
    problems = []
    for name in (*KERNEL_MODULES, *modules):
        try:
            importlib.import_module(name)
        except Exception as error:
            if name in modules:
                problems.append(f"{name}: {type(error).__name__}: {error}")
    if "torch" in sys.modules:
        # a thread pool would not survive the fork: the next parallel operation of a child would wait for it for ever
        sys.modules["torch"].set_num_threads(1)
    for name, source, folder in shared:
        try:
            sys.modules[name] = _made(name, source, folder)
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}: {error}")
    gc.collect()
    gc.freeze()  # collections in a kernel would otherwise write to, and so copy, every page of the fork-server's
    return problems


def _made(name: str, source: str, folder: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(__file__=f"{name}.py", FOLDER=folder)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


def run(launch: Mapping[str, Any]) -> None:
    """Run a Jupyter kernel until it is shut down.

    Args:
        launch: ``connection`` (as in a connection file), ``sockets`` (descriptor of the listening socket of each port),
            ``services`` (descriptors of connected sockets), ``startup`` (source of each module that is run first, by
            name), and ``given``, the arguments of each module's function ``install`` besides the kernel.
    """
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    sys.argv = ["ipykernel_launcher"]
    for descriptor in (*launch["sockets"].values(), *launch["services"]):
        os.set_inheritable(descriptor, False)
    for descriptor in launch["services"]:
        os.register_at_fork(after_in_child=functools.partial(_close, descriptor))  # two would talk at once
    app = _application()
    app.launch = launch
    app.initialize([])
    for name, code in compiled(launch).items():
        module: dict[str, Any] = {"__name__": name}
        exec(code, module)
        module["install"](app.kernel, launch["given"])
    app.start()


def compiled(launch: Mapping[str, Any]) -> dict[str, types.CodeType]:
    """The compiled start-up code of a kernel, by name; a fork-server compiles it once for all kernels."""
    return {name: _code(name, source) for name, source in launch["startup"].items()}


@functools.cache
def _code(name: str, source: str) -> types.CodeType:
    return compile(source, f"<{name}>", "exec")


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _application() -> Any:
    """The kernel's application, with existing sockets and without a connection file."""
    import zmq
    from ipykernel.kernelapp import IPKernelApp
    from traitlets import Any as AnyTrait

    class Application(IPKernelApp):  # type: ignore[misc]
        name = "ipython-kernel"
        launch = AnyTrait()

        def init_connection_file(self) -> None:
            self.load_connection_info(dict(self.launch["connection"]))
            self.config.HistoryManager.enabled = False

        def write_connection_file(self, **_fields: Any) -> None:
            """Do nothing: only processes in the sandbox could read a connection file."""

        def _try_bind_socket(self, s: Any, port: int) -> int:
            # The socket was listening before this process existed, in a folder that it can't see: nothing done here
            # influences what the harness connects to.
            s.setsockopt(zmq.USE_FD, self.launch["sockets"][str(port)])
            s.bind(f"ipc://{self.ip}-{port}")
            return port

        def init_control(self, context: Any) -> None:
            super().init_control(context)
            # for a debugger, and there is none; the socket can't be reached by name from here
            self.debug_shell_socket.disconnect(self.shell_socket.getsockopt(zmq.LAST_ENDPOINT))

        def init_heartbeat(self) -> None:
            """Do nothing: the harness checks the process instead."""

    return Application.instance()


if __name__ == "__main__":
    run(json.loads(os.environ.pop("SCRIBE_KERNEL")))
