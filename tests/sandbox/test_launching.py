"""Agents' programs try to get out and to stay, in every tier there is; what they need is there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox import launching, program_view, runtime_folders
from scribe_suite.sandbox.inside import landlock
from scribe_suite.sandbox.launching import Order, Program
from scribe_suite.sandbox.programs import Finder, HiddenPaths
from scribe_suite.sandbox.visible_files import SYSTEM_FOLDERS
from tests.sandbox.launcher import Launcher
from tests.sandbox.program_tiers import tier_of

ESCAPES = """
def read_secret(): return open(told["secret"]).read()
def list_folder(): return os.listdir(os.path.dirname(told["secret"]))
def look_at_secret(): return os.stat(told["secret"])
def write_secret(): return open(told["secret"], "a")
def make_file(): return open(os.path.join(os.path.dirname(told["secret"]), "planted"), "w")
def write_program(): return open(sys.argv[0], "a")
def write_beside_program(): return open(os.path.join(os.path.dirname(sys.argv[0]), "planted"), "w")
def read_home(): return open(told["home"]).read()
def read_environment(): return "HARNESS" in open(f"/proc/{told['pid']}/environ").read()
def any_environment():
    def seen(pid):
        try: return "HARNESS" in open(f"/proc/{pid}/environ").read()
        except OSError: return False
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and seen(pid)]
def descriptors(): return os.listdir(f"/proc/{told['pid']}/fd")
def own_descriptors(): return [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 3]
def root_of_init(): return open(f"/proc/1/root{told['secret']}").read()
def trace():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.ptrace(16, told["victim"], 0, 0) == 0
def kill_harness(): os.kill(told["victim"], signal.SIGKILL); return told["same_pids"]
def unshare(): return ctypes.CDLL(None).unshare(0x10000000) == 0
def mount(): return ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, 0) == 0
def become_root(): os.setuid(0); return told["uid"] != 0
def capabilities():
    lines = [line.split() for line in open("/proc/self/status") if line.startswith(("CapEff", "CapBnd"))]
    return [line for line in lines if int(line[1], 16)]
def memfd(): return os.memfd_create("x")
def abstract():
    with socket.socket(socket.AF_UNIX) as tried: tried.connect(chr(0) + told["abstract"]); return True
def raw(): return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
def other_netlink(): return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)
def device(): os.mknod("device", 0o60600, os.makedev(254, 0)); return open("device", "rb").read(1)
def setuid_file():
    import shutil; shutil.copy("/bin/sh", "sh"); os.chmod("sh", 0o6755)
    return "0000000000000000" not in subprocess.check_output(["./sh", "-pc", "grep CapEff /proc/self/status"]).decode()
"""
USES = """
def network():
    with socket.create_connection(("127.0.0.1", told["port"]), 5) as found: return found.recv(2)
def notebook():
    with socket.socket(socket.AF_UNIX) as found: found.connect(told["socket"]); return found.recv(2)
def pump(): return subprocess.check_output(told["pump"], stdin=subprocess.DEVNULL)
def certificates(): import ssl; return ssl.create_default_context()
def write_home(): return open(os.environ["HOME"] + "/x", "w")
def write_work(): return open("x", "w") and os.getcwd() == told["work"]
def read_home_file(): return open(os.environ["HOME"] + "/given").read() == "given"
def sibling(): return open(os.path.join(os.path.dirname(sys.argv[0]), "sibling")).read()
def threads():
    import threading; one = threading.Thread(target=print); one.start(); return not one.join()
def children(): return subprocess.check_output(["echo", "x"])
def locks(): import fcntl; return fcntl.flock(open("x", "w"), 2) is None
"""
#: What Landlock can't prevent, for want of a view.
OF_LANDLOCK = {"look_at_secret"}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What is out of reach, though permissions would give it away, and what is not."""
    secret = tmp_path / "ledger" / "secret"
    secret.parent.mkdir(mode=0o777)
    secret.write_text("the seed")
    secret.chmod(0o666)
    home = Path.home() / f".scribe-test-{os.getpid()}"
    home.write_text("of the user")
    notebook = tmp_path / "nb" / "mcp.sock"
    notebook.parent.mkdir()
    victim = subprocess.Popen(["sleep", "300"], env={"HARNESS": "x"})
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0scribe-{os.getpid()}")
        abstract.listen()
        with socket.socket(socket.AF_UNIX) as named:
            named.bind(str(notebook))
            notebook.chmod(0o600)
            named.listen()
            for listener in (tcp, named):
                _greet(listener)
            yield {
                "secret": str(secret),
                "home": str(home),
                "pid": victim.pid,
                "victim": victim.pid,
                "uid": os.getuid(),
                "port": tcp.getsockname()[1],
                "socket": str(notebook),
                "abstract": f"scribe-{os.getpid()}",
            }
    alive = victim.poll() is None
    victim.kill()
    victim.wait()
    home.unlink()
    assert alive
    assert secret.read_text() == "the seed"


def _greet(listener: socket.socket) -> None:
    import threading

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.send(b"hi")
            connection.close()

    threading.Thread(target=serve, daemon=True).start()


def names_of(source: str) -> list[str]:
    return [line[4:].partition("(")[0] for line in source.splitlines() if line.startswith("def ")]


def tried(launcher: Launcher, source: str, told: dict[str, Any]) -> dict[str, list[str]]:
    told |= {"work": str(launcher.own / "work"), "same_pids": not launcher.tier.own_root}
    told["pump"] = [sys.executable, "-S", "-E", str(Path(launching.__file__).parents[1] / "notebook" / "pump.py"),
                    told["socket"]]  # fmt: skip
    launcher.sockets = (Path(told["socket"]),)
    ran = launcher.run(f"{source}\nprint(json.dumps({{name: attempt(name) for name in {names_of(source)!r}}}))", told)
    assert ran.code == 0, ran
    found: dict[str, list[str]] = json.loads(ran.out)
    return found


def test_nothing_of_the_harness_is_in_reach(launcher, outside):
    found = tried(launcher, ESCAPES, outside)
    allowed = {name: detail for name, (verdict, detail) in found.items() if verdict == "allowed"}
    possible = set() if launcher.tier.own_root else OF_LANDLOCK
    if landlock.abi() < landlock.SCOPE_SINCE:
        possible |= {"abstract"} | (set() if launcher.tier.own_root else {"kill_harness"})
    assert set(allowed) <= possible, allowed


def test_what_an_agent_needs_is_there(launcher, outside):
    found = tried(launcher, USES, outside)
    assert {name: detail for name, (verdict, detail) in found.items() if verdict != "allowed"} == {}


def test_its_folder_is_read_through_a_descriptor_that_was_there_before(launcher, tmp_path):
    (tmp_path / "secret").write_text("the seed")
    code = f"""
home = os.environ["HOME"]
open(home + "/honest", "w").write("honest")
os.symlink({str(tmp_path / "secret")!r}, home + "/link")
os.symlink("/proc/self/root" + {str(tmp_path)!r}, home + "/folder")
os.mkfifo(home + "/pipe")
os.truncate(os.open(home + "/endless", os.O_CREAT | os.O_WRONLY), 1 << 29)
os.link(home + "/honest", home + "/second")
try:
    os.rename(os.path.dirname(home), os.path.dirname(home) + "x")
except OSError:
    os.rename(home, home + "x")
"""
    with launcher.start(code) as program:
        home = program.folder.folder("home")
        assert launcher.finish(program).code == 0
        for name in ("link", "folder/secret", "pipe", "endless", "second"):
            with pytest.raises(OSError, match="is not opened"):
                home.read(name, 1 << 20)
        if launcher.tier.own_root:
            assert sorted(path.name for path in launcher.own.rglob("*")) == ["given", "home", "work"]


def test_what_it_leaves_behind_ends_with_it(launcher):
    seconds = str(200_000 + os.getpid())
    code = f"""
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid(); signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.execv("/bin/sleep", ["sleep", "{seconds}"])
        os._exit(0)
time.sleep(0.5)
print("done")
"""
    with launcher.start(code) as program:
        ran = launcher.finish(program)
        assert ran.out == "done\n"
        assert _sleepers(seconds) == []


def _sleepers(seconds: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline() == ["sleep", seconds] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_an_interrupt_reaches_it_and_it_may_say_goodbye(launcher):
    code = """
def stop(*_):
    os.write(1, b"bye\\n"); os._exit(3)
signal.signal(signal.SIGINT, stop)
print("here", flush=True)
time.sleep(60)
"""
    with launcher.start(code) as program:
        assert os.read(program.stdout, 5) == b"here\n"
        assert program.process is not None
        program.process.interrupt()
        assert program.process.wait(10) == 3
        assert os.read(program.stdout, 5) == b"bye\n"


def test_a_checkout_in_a_system_folder_is_covered_and_the_program_in_it_is_shown(launcher, tmp_path, monkeypatch):
    system = tmp_path / "system"
    launcher.beside = system / "checkout"
    (launcher.beside / "sealed").mkdir(parents=True)
    for place in (system, launcher.beside, launcher.beside / "sealed"):
        (place / "file").write_text("x")
    launcher.hidden = HiddenPaths(whole=(launcher.beside,), sealed=(launcher.beside / "sealed",))
    binds = [*program_view.system_binds(), (str(system), str(system))]
    monkeypatch.setattr(program_view, "system_binds", lambda: binds)
    monkeypatch.setattr("scribe_suite.sandbox.programs.SYSTEM_FOLDERS", (*SYSTEM_FOLDERS, str(system)))
    code = """
def read():
    return open(told[1] + "/sealed/file").read()
print([sorted(os.listdir(place)) for place in told], attempt("read")[0])
"""
    ran = launcher.run(code, [str(system), str(launcher.beside)])
    names = ["program"] if launcher.tier.own_root else ["file", "program", "sealed"]  # with Landlock they can be listed
    assert ran.out == f"[['checkout', 'file'], {names}] denied\n", ran.err


@pytest.mark.parametrize("where", ["in what it needs", "in a system folder"])
def test_what_is_emptied_can_t_be_read_and_all_around_it_can(launcher, tmp_path, monkeypatch, where):
    shown = launcher.beside / "program" if where == "in what it needs" else tmp_path / "system"
    model = shown / "site-packages" / "model"
    model.mkdir(parents=True)
    for place in (model / "weights", shown / "lone", model.parent / "code"):
        place.write_text("content")
    if where == "in a system folder":
        binds = [*program_view.system_binds(), (str(shown), str(shown))]
        monkeypatch.setattr(program_view, "system_binds", lambda: binds)
    code = """
def read(path):
    try:
        return open(path).read()
    except OSError:
        return "denied"
print([read(path) for path in told])
"""
    paths = [str(path) for path in (model / "weights", shown / "lone", model.parent / "code")]
    assert launcher.run(code, paths).out == "['content', 'content', 'content']\n"
    launcher.hidden = HiddenPaths(sealed=launcher.hidden.sealed, emptied=(model, shown / "lone"))
    lone = "" if launcher.tier.own_root else "denied"  # an empty file lies over it, where something can
    assert launcher.run(code, paths).out == f"['denied', {lone!r}, 'content']\n"


def test_a_program_that_cant_be_run_says_so_in_a_line(launcher):
    with launcher.start("") as program:
        pass
    launcher.beside.joinpath("program", "agent").write_bytes(b"\0not a program")
    shown = Finder(launcher.hidden, os.environ)
    agent = launcher.beside / "program" / "agent"
    shown.command([str(agent)], "folder")
    order = Order([str(agent)], {}, launcher.own, launcher.own / "work", shown.shown, shown.hidden)
    with Program(launcher.tier, order) as program:
        ran = launcher.finish(program)
    assert ran.code == 125
    assert "sandbox: OSError: [Errno 8] Exec format error" in ran.err


@pytest.mark.parametrize("mode", [0o700, 0o744, 0o750])
def test_a_program_of_another_user_s_is_refused_with_what_to_do(own, tmp_path, mode):
    launcher = Launcher(tier_of("own user id"), own, tmp_path / "beside")
    launcher.start("").close()
    agent = tmp_path / "beside" / "program" / "agent"
    agent.chmod(mode)
    finder = Finder(launcher.hidden, os.environ)
    finder.command([str(agent)], "folder")
    with pytest.raises(InfrastructureError, match=rf"chmod o\+rX {agent}") as caught:
        Program(launcher.tier, Order([str(agent)], {}, own, own / "work", finder.shown, finder.hidden))
    assert caught.value.cause == "isolation_unavailable"


def test_an_environment_that_is_too_long_is_refused(launcher):
    order = Order(["/bin/true"], {"LONG": "x" * launching.MAX_ENVIRONMENT}, launcher.own, launcher.own)
    with pytest.raises(InfrastructureError, match=r"/bin/true is longer than 100,000 bytes"):
        Program(launcher.tier, order)


def test_nothing_of_a_program_is_left_on_the_machine(launcher, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(runtime_folders, "short_temporary_folder", lambda: tmp_path / "temporary")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    begin = time.monotonic()
    launcher.run("print(1)")
    assert time.monotonic() - begin < 20
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
