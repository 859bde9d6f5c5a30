"""Agents' programs try to use more than they may: memory of every kind, files, processes."""

from __future__ import annotations

import json
from dataclasses import replace

import psutil
import pytest

from tests.sandbox.launcher import SMALL

MEMORY = {
    "own": "kept = [bytearray(b'x' * (64 << 20)) for _ in range(24)]",
    "children": (
        "pids = [os.fork() or (bytearray(b'x' * (256 << 20)), time.sleep(8), os._exit(0)) for _ in range(6)]\n"
        "sys.exit(any([os.waitpid(pid, 0)[1] for pid in pids]))"
    ),
    "shared": "m = mmap.mmap(-1, 1536 << 20)\nfor at in range(0, 1536 << 20, 4096): m[at] = 1\ntime.sleep(60)",
    "memfd": (
        "for _ in range(24):\n    d = os.memfd_create('x')\n    for _ in range(64): os.write(d, bytes(1 << 20))\n"
        "time.sleep(60)"
    ),
    "segments": (
        "shmget = ctypes.CDLL(None, use_errno=True).shmget\n"
        "if shmget(0, 1536 << 20, 0o1600) < 0: raise OSError(ctypes.get_errno())\ntime.sleep(60)"
    ),
}


@pytest.mark.core
@pytest.mark.slow
@pytest.mark.parametrize("kind", MEMORY)
@pytest.mark.parametrize("groups", [True, False], ids=["control group", "watch"])
def test_memory_of_every_kind_has_a_limit(launcher, kind, groups, monkeypatch):
    if not groups:
        launcher.tier = replace(launcher.tier, limits=())
    ran = launcher.run(MEMORY[kind], timeout_s=30)
    assert ran.code != 0
    assert ran.process.exceeded or "Error" in ran.err, ran


FILL = """
def fill(folder):
    size = 0
    try:
        for number in range(64):
            with open(f"{folder}/{number}", "wb") as file:
                size += file.write(bytes(1 << 20))
    except OSError as error:
        return size, error.errno
    return size, 0
print(json.dumps({place: fill(place) for place in told}))
"""


def test_its_files_take_no_place_on_the_disk_and_little_in_memory(launcher):
    if not launcher.tier.own_root:
        pytest.skip("Landlock does not say how much may be written")
    places = ["/tmp", "/dev/shm", str(launcher.own / "home"), str(launcher.own / "work"), "/", "/var/tmp", "/usr"]
    sizes = json.loads(launcher.run(FILL, places).out)
    sizes = {place: size >> 20 for place, (size, _) in sizes.items()}
    assert 6 <= sizes["/tmp"] <= 8
    assert 6 <= sizes["/dev/shm"] <= 8
    assert 14 <= sizes[places[2]] <= 16
    assert [sizes[place] for place in places[3:]] == [0, 0, 0, 0]
    assert sum(path.stat().st_size for path in launcher.own.rglob("*") if path.is_file()) == len("given")


@pytest.mark.core
@pytest.mark.slow
def test_processes_have_a_limit(launcher):
    code = """
started = 0
try:
    while started < 300:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        started += 1
except OSError:
    pass
print(started, flush=True)
time.sleep(2)
"""
    ran = launcher.run(code)
    assert ran.process.exceeded or int(ran.out) <= SMALL.processes, ran
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if code in line]
