"""A process has the descriptors that it is meant to have, and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
from scribe_suite.sandbox.inside import descriptors
wanted = {int(number): int(descriptor) for number, descriptor in json.loads(sys.argv[1]).items()}
out = os.dup(1)
descriptors.keep_only({**wanted, 20: out})
names = {number: os.readlink(f'/proc/self/fd/{number}') for number in map(int, os.listdir('/proc/self/fd'))
         if number != 20 and os.path.exists(f'/proc/self/fd/{number}')}
os.write(20, json.dumps(names).encode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("swapped", [False, True])
def test_each_is_at_its_number_even_when_they_change_places(swapped, tmp_path):
    files = [os.open(tmp_path / name, os.O_CREAT | os.O_RDWR) for name in ("a", "b", "c", "d")]
    first, second, *others = files
    wanted = {first: second, second: first} if swapped else {3: first, 9: second}
    command = [sys.executable, "-c", CODE, json.dumps(wanted)]
    printed = subprocess.run(command, pass_fds=files, stdout=subprocess.PIPE, check=True).stdout
    for file in files:
        os.close(file)
    found = {int(number): name for number, name in json.loads(printed).items()}
    names = {first: str(tmp_path / "a"), second: str(tmp_path / "b")}
    for number, descriptor in wanted.items():
        assert found.pop(number) == names[descriptor]
    assert {number: found.pop(number) for number in range(3)} == dict.fromkeys(range(3), "/dev/null")
    assert not {name for name in found.values() if str(tmp_path) in name}, found
    assert others
