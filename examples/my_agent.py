#!/usr/bin/env python3
"""An agent for ``pytest benchmarks/circuits --provider command:./examples/my_agent.py``: all components matter."""

import json
import os
import socket
import sys
from itertools import count

prompt = sys.stdin.read()  # the question; a real agent hands it to its model
code = """
heads = [f"a{layer}.h{head}" for layer in range(model.cfg.n_layers) for head in range(model.cfg.n_heads)]
mlps = [f"m{layer}" for layer in range(model.cfg.n_layers)]
answer = {"components": heads + mlps, "confidence": 0.1, "summary": "all of them"}
"""
numbers = count(1)


class NotebookError(Exception):
    """What the notebook refused, with its own words."""


def send(**message):
    """Send one message of MCP: JSON-RPC, one to a line."""
    lines.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    lines.flush()


def request(method, **params):
    """Send a request and wait for its result; what comes in between is not for us."""
    number, what = next(numbers), " ".join([method, *filter(None, [params.get("name")])])
    send(id=number, method=method, params=params)
    for reply in map(json.loads, lines):
        if reply.get("id") == number and "error" in reply:
            raise NotebookError(f"{what}: {reply['error'].get('message')}")
        if reply.get("id") == number and "result" in reply:
            return reply["result"]
    raise ConnectionError(f"{what}: the notebook has closed the connection")


def call(tool, **arguments):
    """Call a tool of the notebook. A model reads the text in ``content``; a program asks for the same as an object."""
    result = request("tools/call", name=tool, arguments=arguments, _meta={"scribe-suite/structured": True})
    if result.get("isError"):  # no failure of the protocol: the text says what to do, and a model would read it
        words = " ".join(block.get("text", "") for block in result["content"]).split()
        raise NotebookError(f"{tool}: {' '.join(words)}")
    return result["structuredContent"]


def say(text):
    """Print a line; what an agent prints is kept."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def work():
    """Start a session, run the cell, submit what it has found."""
    session = call("start_new_session", experiment_name="everything")["session_id"]
    done = call("execute_code", session_id=session, code=code)
    say(done["status"])
    if done["status"] != "ok":
        say(json.dumps(done))
        raise NotebookError(f"execute_code: the cell ended with the status {done['status']}")
    say(call("submit_answer", session_id=session, variable="answer"))


try:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ["SCRIBE_MCP_SOCKET"])
    lines = connection.makefile("rw", encoding="utf-8")
    client = {"name": "my_agent", "version": "1"}
    request("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
    send(method="notifications/initialized")
    try:
        work()
    except NotebookError as error:  # such as a kernel that died: a new session has a new one
        say(f"once more, in a new session, because of {error}")
        work()
except (NotebookError, OSError, ValueError, LookupError) as error:
    sys.exit(f"my_agent gives up: {type(error).__name__}: {error}")
