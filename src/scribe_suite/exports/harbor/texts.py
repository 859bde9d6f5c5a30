"""The texts of a task folder: its configuration, Dockerfiles and scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Where things are in a container.
HOME, STATE = "/opt/scribe", "/var/lib/scribe"
#: The users of the agent and of the notebook in its container.
AGENT, NOTEBOOK = "agent", "notebook"
#: The name of the MCP server.
SERVER = "notebook"

WARNING = (
    "This instance is public from the moment that its folder is published: its key is in tests/. Results on it say "
    "nothing about agents that may have seen it."
)

IGNORED = "**/__pycache__\n**/*.pyc\n"

AGENT_DOCKERFILE = """\
# The agent's container. The notebook runs as a user of its own, so that the agent can read neither its files nor its
# memory; `serve` is all that the agent may start as that user.
FROM {image}

RUN apt-get update \\
 && apt-get install --yes --no-install-recommends sudo \\
 && rm -rf /var/lib/apt/lists/*

COPY requirements.txt {home}/requirements.txt
RUN pip install --no-cache-dir -r {home}/requirements.txt

RUN useradd --create-home --shell /bin/bash {notebook} \\
 && useradd --create-home --shell /bin/bash {agent} \\
 && echo '{agent} ALL=({notebook}) NOPASSWD: {home}/start ""' > /etc/sudoers.d/scribe \\
 && chmod 440 /etc/sudoers.d/scribe \\
 && install -d -o {notebook} -m 755 {state}

COPY code {home}/code
COPY serve start {home}/
COPY --chown={notebook} instance {home}/instance
RUN chmod -R go-rwx {home}/instance && chmod 755 {home}/serve {home}/start

USER {agent}
WORKDIR /home/{agent}
"""

VERIFIER_DOCKERFILE = """\
# The verifier's container: it has the key, and never meets the agent.
FROM {image}

COPY requirements.txt /tests/requirements.txt
RUN pip install --no-cache-dir -r /tests/requirements.txt

COPY . /tests
RUN chmod 755 /tests/test.sh
"""

#: Kernels, laboratories and submitted functions are sandboxed with namespaces, which containers forbid by default.
COMPOSE = """\
services:
  main:
    security_opt:
      - seccomp:unconfined
      - apparmor:unconfined
"""

SERVE = """\
#!/bin/sh
# The MCP server for the agent: it runs as the user "notebook", who alone may read the instance.
set -eu
here=$(dirname "$(readlink -f "$0")")
if id {notebook} >/dev/null 2>&1 && [ "$(id -un)" != {notebook} ]; then
  exec sudo -n -H -u {notebook} "$here/start"
fi
exec "$here/start"
"""

START = """\
#!/bin/sh
set -eu
here=$(dirname "$(readlink -f "$0")")
cd /
PYTHONPATH="$here/code" exec python3 -m {module} "$here/instance" {state}
"""

TEST = """\
#!/bin/sh
# Scores the answer. It ends with an error and without a reward when that is not possible for a reason that is not the
# agent's: a lost container is no 0.
set -eu
here=$(dirname "$(readlink -f "$0")")
cd "$here"
export PYTHONPATH="$here/code" SCRIBE_SUITE_ROOT="$here/code/scribe_suite/suite"
exec python3 -m {module} "$here/key.json" {state} /logs/verifier
"""

SOLVE = """\
#!/bin/sh
# The reference solution, through the same MCP server as an agent's.
set -eu
here=$(dirname "$(readlink -f "$0")")
PYTHONPATH={home}/code exec python3 -m {module} "$here/solution.py" {home}/serve
"""

INSTRUCTION = """\
{prompt}

The notebook's tools are those of the MCP server `{server}`. Only what its tool `submit_answer` submits counts.
"""


def toml(value: Mapping[str, Any], name: str = "") -> str:
    """A document of TOML: texts, numbers, lists of them, tables, lists of tables.

    Args:
        value: The table.
        name: Its dotted name; empty for the document.
    """
    plain = [f"{key} = {_toml_value(item)}" for key, item in value.items() if not _is_table(item)]
    parts = ["\n".join(plain)] if plain else []
    for key, item in value.items():
        inner = f"{name}.{key}" if name else key
        if isinstance(item, Mapping):
            parts.append(f"[{inner}]\n{toml(item, inner)}".rstrip())
        elif _is_table(item):
            parts += [f"[[{inner}]]\n{toml(one, inner)}".rstrip() for one in item]
    return "\n\n".join(parts) + ("\n" if not name else "")


def _is_table(item: object) -> bool:
    return isinstance(item, Mapping) or (isinstance(item, list) and bool(item) and isinstance(item[0], Mapping))


def _toml_value(item: object) -> str:
    if isinstance(item, Sequence) and not isinstance(item, str):
        return f"[{', '.join(map(_toml_value, item))}]"
    return json.dumps(item, ensure_ascii=False)
