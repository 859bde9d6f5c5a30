from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scribe_suite.laboratory.client import place
from scribe_suite.laboratory.client.assembly import client_file, joined
from scribe_suite.laboratory.prices import GRADIENTS, PATCHED, RUN, SITES, SITES_INCLUDED, SITES_PER_STEP
from scribe_suite.laboratory.sites import FORMS


@pytest.mark.slow
def test_the_client_is_one_file_that_needs_nothing_of_the_package(tmp_path: Path):
    name, source = client_file()
    assert name == "lab.py"
    (tmp_path / name).write_bytes(source)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import lab\n"
        "assert not any(name.startswith('scribe_suite') for name in sys.modules), sys.modules\n"
        "print(lab.__doc__.splitlines()[0], lab.DESCRIPTOR)\n"
        "try:\n    lab.budget\nexcept lab.LabError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    first, refused = ran.stdout.strip().splitlines()
    assert (
        first
        == f"The laboratory: it runs a model for you, at a price, and you choose the experiments. {place.DESCRIPTOR}"
    )
    assert refused.startswith("There is no laboratory here")


def test_the_harness_can_make_it_without_torch():
    code = (
        "import sys; from scribe_suite.laboratory.client.assembly import client_file; client_file()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_it_teaches_is_what_is_charged_and_what_sites_there_are():
    teaching = " ".join(client_file()[1].decode().split('"""')[1].split())
    assert (
        f"language models) {RUN.amount}; {PATCHED.amount} more with patches; {GRADIENTS.amount} more with gradients; "
        f"{SITES.amount} more for each started {SITES_PER_STEP} sites beyond the first {SITES_INCLUDED}." in teaching
    )
    for form in FORMS.values():
        assert form.form in teaching.replace("L2.N15", "LL.NN"), form.form


FIRST = '''"""First."""

from __future__ import annotations

import os

#: One.
A = os.sep
'''
SECOND = '''"""Second:

    more."""

from __future__ import annotations

import os
from typing import (
    Any,
    Literal,
)

from scribe_suite.first import A


def f(x: Any) -> str:
    """Not left out."""
    return A
'''
BOTH = '''"""Second:

    more."""

from __future__ import annotations

import os
from typing import Any, Literal


#: One.
A = os.sep


def f(x: Any) -> str:
    """Not left out."""
    return A
'''


def test_parts_are_joined_without_their_imports_of_each_other():
    assert joined([FIRST, SECOND]) == BOTH


@pytest.mark.parametrize("again", ["A = 2\n", "A: int = 2\n", "def A():\n    pass\n", "class A:\n    pass\n"])
def test_two_parts_can_not_define_the_same_name(again):
    with pytest.raises(ValueError, match="define A"):
        joined(["A = 1\n", again])
