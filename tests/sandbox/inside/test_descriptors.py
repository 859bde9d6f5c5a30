"""A process has the descriptors that it is meant to have, and no others."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
from scribe_suite.sandbox.inside import descriptors
folder, swapped = sys.argv[1], sys.argv[2] == 'True'
first, second, *others = [os.open(f'{folder}/{name}', os.O_CREAT | os.O_RDWR) for name in 'abcd']
wanted = {first: second, second: first} if swapped else {3: first, 9: second}
expected = {number: 'ab'[descriptor == second] for number, descriptor in wanted.items()}
descriptors.keep_only({**wanted, 60: 1})
numbers = [number for number in range(1024) if os.path.exists(f'/proc/self/fd/{number}')]
names = {number: os.readlink(f'/proc/self/fd/{number}') for number in numbers if number != 60}
os.write(60, json.dumps([expected, names]).encode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("swapped", [False, True])
def test_each_is_at_its_number_even_when_they_change_places(swapped, tmp_path):
    command = [sys.executable, "-c", CODE, str(tmp_path), str(swapped)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    expected, names = json.loads(printed)
    nothing = {str(number): "/dev/null" for number in range(3)}
    assert names == nothing | {number: str(tmp_path / name) for number, name in expected.items()}
