"""What the model process sees, in every tier: its own program and Python, and nothing of anybody's.

The process runs no code of an agent's. This is for the day on which a tensor does more than it should.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.laboratory import host
from scribe_suite.laboratory.host import Laboratory, process_files
from scribe_suite.paths import suite_root
from scribe_suite.sandbox.shared_modules import SharedModule
from tests.sandbox.program_tiers import WAYS, tier_of

pytestmark = pytest.mark.slow
#: In place of the server: loads nothing, and evaluates what it is asked.
PROGRAM = """
import os, sys
sys.path.insert(0, os.getcwd())
import ctypes, json, socket
from laboratory import frames
channel = socket.socket(fileno=int(sys.argv[1]))
frames.send(channel, dict(ready=True))

def tried(expression):
    try:
        return ["allowed", repr(eval(expression))[:2000]]
    except BaseException as error:
        return ["denied", type(error).__name__]

def connect(family, address):
    with socket.socket(family) as client:
        client.settimeout(2)
        client.connect(address)

while (frame := frames.receive(channel, most=1 << 20)) is not None:
    if frame.header["op"] == "run":
        seen = dict((name, tried(text)) for name, text in json.loads(frame.header["recipes"][0]["name"]).items())
        frames.send(channel, dict(texts=[json.dumps(seen)]), b"")
    else:
        sizes = dict(n_layers=1, n_heads=1, n_key_value_heads=1, d_model=1, d_head=1, d_mlp=0, d_vocab=1,
                     d_vocab_out=1, n_ctx=1)
        frames.send(channel, dict(sizes=sizes))
"""


class Look:
    """Asks the process what it can do."""

    def __init__(self, laboratory: Laboratory, other: Laboratory) -> None:
        self.laboratory, self.other = laboratory, other

    def outcomes(self, expressions: dict[str, str]) -> dict[str, list[str]]:
        header = {"op": "run", "recipes": [{"name": json.dumps(expressions)}]}
        frame = self.laboratory._call("probe", header, b"")
        found: dict[str, list[str]] = json.loads(frame.header["texts"][0])
        return found

    def value(self, expression: str) -> Any:
        verdict, text = self.outcomes({"it": expression})["it"]
        assert verdict == "allowed", text
        return eval(text)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with secrets: one that is hidden, one that is shown to the process as that of a model."""
    found = {}
    for name in ("hidden", "shown"):
        found[name] = tmp_path_factory.mktemp(name)
        (found[name] / "secret").write_text(f"secret of {name}")
        for path in (found[name], found[name] / "secret"):
            path.chmod(0o755)
    return found


@pytest.fixture(scope="module", params=WAYS)
def look(request: pytest.FixtureRequest, places: dict[str, Path]) -> Iterator[Look]:
    """The process in a tier, while another laboratory runs."""
    tier = tier_of(request.param)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "user namespace":
            patch.setattr("scribe_suite.sandbox.sandbox.private_uid", lambda: None)
        patch.setenv("HARNESS_CANARY", "canary")
        patch.setattr(host, "_START", PROGRAM.replace("{", "{{").replace("}", "}}"))
        shared = (SharedModule("a_model", "", places["shown"]),)
        hidden = (places["hidden"], suite_root())
        with (
            Laboratory(tier, hidden=hidden, shared=shared, preload=()) as probe,
            Laboratory(tier, hidden=hidden, preload=()) as other,
        ):
            for laboratory in (probe, other):
                laboratory.load("probe", {}, b"")
            yield Look(probe, other)


def test_it_reads_nothing_of_the_harness_and_of_others(look, places):
    other = look.other._running.process.pid
    work = Path(look.other._running.stack._exit_callbacks[0][1].__self__._where)
    paths = {
        "checkout": suite_root() / "pyproject.toml",
        "keys": suite_root() / "ground_truth",
        "this file": Path(__file__),
        "hidden": places["hidden"] / "secret",
        "another laboratory's files": work,
        "home": Path.home() / ".bashrc",
        "passwords": Path("/etc/shadow"),
    }
    expressions = {
        name: f"os.listdir({str(path)!r})" if path.is_dir() else f"open({str(path)!r}).read()"
        for name, path in paths.items()
    }
    expressions["the harness's environment"] = f"open('/proc/{os.getpid()}/environ').read()"
    expressions["another's memory"] = f"open('/proc/{other}/mem', 'rb')"
    expressions["another's program"] = f"os.listdir('/proc/{other}/cwd/')"
    assert work.is_dir()
    assert {name for name, found in look.outcomes(expressions).items() if found[0] == "allowed"} == set()


def test_it_has_its_program_the_model_s_folder_and_one_channel(look, places):
    seen = look.value("[os.path.join(p, f) for p, _, fs in os.walk('.') for f in fs]")
    assert {Path(path).as_posix() for path in seen} == {*process_files(), "a_model.py"}
    folder = look.value("[line.split(' = ')[1] for line in open('a_model.py') if line.startswith('FOLDER')][0]")
    assert look.value(f"open(os.path.join({folder.strip()!s}, 'secret')).read()") == "secret of shown"
    assert "HARNESS_CANARY" not in look.value("sorted(os.environ)")
    assert look.value("[fd for fd in range(3, 1024) if tried(f'os.fstat({fd})')[0] == 'allowed']") == [3]
    assert look.value("'scribe_suite' in sys.modules") is False
    assert look.outcomes({"package": "__import__('scribe_suite')"})["package"][0] == "denied"


def test_it_reaches_no_network_and_nobody(look, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as named:
        named.bind(str(tmp_path / "socket"))
        named.listen()
        with socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind(f"\0laboratory-{os.getpid()}")
            abstract.listen()
            found = look.outcomes(
                {
                    "tcp": f"connect(socket.AF_INET, ('127.0.0.1', {listener.getsockname()[1]}))",
                    "unix": f"connect(socket.AF_UNIX, {str(tmp_path / 'socket')!r})",
                    "abstract": f"connect(socket.AF_UNIX, chr(0) + 'laboratory-{os.getpid()}')",
                    "signal": f"os.kill({os.getpid()}, 0)",
                    "trace": f"(ctypes.CDLL(None).ptrace(16, {os.getpid()}, 0, 0) == 0) or 1 / 0",
                }
            )
    assert {name for name, outcome in found.items() if outcome[0] == "allowed"} == set()


def test_it_writes_nothing_where_it_lives(look):
    if look.laboratory._tier.landlock:
        pytest.skip("there libraries need a folder for temporary files, and it is one with the program's")
    found = look.outcomes(
        {"beside": "open('x', 'w')", "over": "open('laboratory/sites.py', 'a')", "fork": "os.fork() or os._exit(0)"}
    )
    assert [outcome[0] for outcome in found.values()] == ["denied"] * 3
