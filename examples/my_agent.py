#!/usr/bin/env python3
"""An agent for ``pytest benchmarks/circuits --provider command:./examples/my_agent.py``: all components matter."""

import json
import os
import socket
import sys

prompt = sys.stdin.read()  # the question; a real agent hands it to its model
code = """
heads = [f"a{layer}.h{head}" for layer in range(model.cfg.n_layers) for head in range(model.cfg.n_heads)]
mlps = [f"m{layer}" for layer in range(model.cfg.n_layers)]
answer = {"components": heads + mlps, "confidence": 0.1, "summary": "all of them"}
"""

connection = socket.socket(socket.AF_UNIX)
connection.connect(os.environ["SCRIBE_MCP_SOCKET"])
lines = connection.makefile("rw", encoding="utf-8")


def send(**message):
    """Send one message of MCP: JSON-RPC, one to a line."""
    lines.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    lines.flush()


def request(number, method, **params):
    """Send a request and wait for its result."""
    send(id=number, method=method, params=params)
    return next(reply["result"] for reply in map(json.loads, lines) if reply.get("id") == number)


def call(number, tool, **arguments):
    """Call a tool of the notebook. A model reads the text in ``content``; a program asks for the same as an object."""
    wanted = {"scribe-suite/structured": True}
    return request(number, "tools/call", name=tool, arguments=arguments, _meta=wanted)["structuredContent"]


client = {"name": "my_agent", "version": "1"}
request(1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
send(method="notifications/initialized")
session = call(2, "start_new_session", experiment_name="everything")["session_id"]
sys.stdout.write(f"{call(3, 'execute_code', session_id=session, code=code)['status']}\n")  # what it prints is kept
sys.stdout.write(f"{call(4, 'submit_answer', session_id=session, variable='answer')}\n")
