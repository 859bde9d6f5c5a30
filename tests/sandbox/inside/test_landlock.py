"""Landlock, really in force in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from scribe_suite.sandbox.inside import landlock

ABI = landlock.abi()
pytestmark = pytest.mark.skipif(ABI == 0, reason="there is no Landlock here")


def run(
    read_only: list[str], writable: list[str], body: str, setup: str = "landlock.restrict({read_only!r}, {writable!r})"
) -> list[str]:
    code = f"""
import os, socket, sys
from scribe_suite.sandbox.inside import landlock
def attempt(action):
    try:
        return str(action())
    except OSError as error:
        return type(error).__name__
{setup.format(read_only=read_only, writable=writable)}
"""
    code += textwrap.dedent(body)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:-1]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    for name in ("shown", "mine", "hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return {path.name: path for path in tmp_path.iterdir()}


def test_only_what_is_named_can_be_read_and_only_what_is_ones_own_written(places):
    shown, mine, hidden = (str(places[name]) for name in ("shown", "mine", "hidden"))
    body = f"""
    for folder in ({shown!r}, {mine!r}, {hidden!r}):
        print(attempt(lambda: open(folder + "/file").read()), attempt(lambda: len(os.listdir(folder))),
              attempt(lambda: open(folder + "/new", "w").write("x")),
              attempt(lambda: open(folder + "/file", "a").close()))
    print(attempt(lambda: os.rename({mine!r} + "/file", {hidden!r} + "/moved")))
    """
    assert run([shown, "/does/not/exist"], [mine], body) == [
        "shown 1 PermissionError PermissionError",
        "mine 1 1 None",
        "PermissionError PermissionError PermissionError PermissionError",
        "PermissionError",
    ]


def test_a_file_can_be_named_by_itself(places):
    file = str(places["shown"] / "file")
    body = f"print(attempt(lambda: open({file!r}).read()), attempt(lambda: os.listdir({str(places['shown'])!r})))"
    assert run([file], [], body) == ["shown PermissionError"]


@pytest.mark.skipif(ABI < landlock.TCP_SINCE, reason="this Landlock does not know TCP")
def test_tcp_is_out_of_reach():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        body = f"""
        print(attempt(lambda: socket.socket().connect(("127.0.0.1", {port}))))
        print(attempt(lambda: socket.socket().bind(("127.0.0.1", 0))))
        """
        assert run([], [], body) == ["PermissionError", "PermissionError"]


@pytest.mark.skipif(ABI < landlock.SCOPE_SINCE, reason="this Landlock does not know signals")
def test_other_processes_cannot_be_signalled_nor_abstract_sockets_reached():
    with subprocess.Popen(["sleep", "60"]) as victim, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0landlock-test")
        abstract.listen()
        body = f"""
        print(attempt(lambda: os.kill({victim.pid}, 9)))
        print(attempt(lambda: socket.socket(socket.AF_UNIX).connect("\\0landlock-test")))
        child = os.fork()
        if child == 0:
            import time; time.sleep(60)
        print(attempt(lambda: os.kill(child, 9)))
        """
        try:
            assert run([], [], body) == ["PermissionError", "PermissionError", "None"]
            assert victim.poll() is None
        finally:
            victim.kill()


def test_it_says_which_version_was_used_and_which_gaps_there_are():
    assert run([], [], "print(landlock.restrict([], []))") == [str(ABI)]
    assert landlock.GAPS["TCP connections"] == landlock.TCP_SINCE
    assert None in landlock.GAPS.values()


def test_a_path_that_cannot_be_opened_is_named(places):
    below_a_file = str(places["shown"] / "file" / "x")
    body = f"""
    try:
        landlock.restrict([{below_a_file!r}], [])
    except OSError as error:
        print(error.filename)
    """
    assert run(["/usr", "/lib", "/lib64"], [], body) == [below_a_file]


@pytest.mark.skipif(ABI < landlock.TCP_SINCE, reason="this Landlock does not know TCP")
def test_who_may_have_the_network_has_tcp_and_no_more_files_than_before(places):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        body = f"""
        print(attempt(lambda: socket.socket().connect(("127.0.0.1", {listener.getsockname()[1]}))))
        print(attempt(lambda: open({str(places["hidden"] / "file")!r}).read()))
        """
        setup = "landlock.restrict({read_only!r}, {writable!r}, network=True)"
        assert run([], [], body, setup) == ["None", "PermissionError"]


@pytest.mark.skipif(ABI < landlock.SCOPE_SINCE, reason="this Landlock does not know scopes")
def test_who_stays_among_themselves_reaches_no_abstract_socket_of_others_and_keeps_all_files(places):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0scribe-{places['hidden']}")
        listener.listen()
        name, file = f"scribe-{places['hidden']}", str(places["hidden"] / "file")
        body = f"""
        print(attempt(lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + {name!r})))
        own = socket.socket(socket.AF_UNIX); own.bind(chr(0) + "own" + {name!r}); own.listen()
        print(attempt(lambda: socket.socket(socket.AF_UNIX).connect(own.getsockname())))
        print(attempt(lambda: os.kill(os.getppid(), 0)), attempt(lambda: open({file!r}).read()))
        """
        setup = "import ctypes; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0); assert landlock.stay_among_themselves()"
        assert run([], [], body, setup) == ["PermissionError", "None", "PermissionError hidden"]


def test_what_is_hidden_below_what_is_shown_can_t_be_read_and_all_beside_it_can(places):
    shown = places["shown"]
    for name in ("a/models/weights", "a/models/deep/weights", "a/code", "a/b/code", "lone", "lone.py"):
        (shown / name).parent.mkdir(parents=True, exist_ok=True)
        (shown / name).write_text(name)
    (shown / "link").symlink_to("a/models")
    (shown / "up").symlink_to(".")
    hidden = [str(shown / "a/models"), str(shown / "lone")]
    tried = ["file", "a/code", "a/b/code", "lone.py", "a/models/weights", "a/models/deep/weights", "lone",
             "link/weights", "up/a/models/weights", "up/a/code"]  # fmt: skip
    body = f"""
    for name in {tried!r}:
        print(attempt(lambda: open({str(shown)!r} + "/" + name).read()))
    print(attempt(lambda: sorted(os.listdir({str(shown / "a")!r}))))
    print(attempt(lambda: os.listdir({str(shown.parent)!r})))
    """
    setup = f"landlock.restrict({{read_only!r}}, {{writable!r}}, hidden={hidden!r})"
    assert run([str(shown)], [], body, setup) == [
        "shown", "a/code", "a/b/code", "lone.py", *["PermissionError"] * 5, "a/code",
        "['b', 'code', 'models']", "PermissionError",
    ]  # fmt: skip


def test_what_lies_in_something_hidden_is_shown_when_it_is_named_by_itself(places):
    inner = places["hidden"] / "inner"
    inner.mkdir()
    (inner / "file").write_text("inner")
    body = f"""
    for folder in ({str(inner)!r}, {str(places["hidden"])!r}):
        print(attempt(lambda: open(folder + "/file").read()))
    """
    setup = f"landlock.restrict({{read_only!r}}, {{writable!r}}, hidden={[str(places['hidden'])]!r})"
    assert run([str(inner)], [], body, setup) == ["inner", "PermissionError"]
