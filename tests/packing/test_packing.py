"""Packs: what is packed is installed elsewhere, and what was changed on the way is not."""

import os
import shlex
import subprocess
import sys
import zipfile

import pytest

from scribe_suite.cli import main
from scribe_suite.errors import ConfigurationError
from scribe_suite.packing.archive import Contents, make_pack
from scribe_suite.packing.installing import install

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


def write_wheel(folder, name="toy"):
    """A wheel with one module."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "print('it works')\n")
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", METADATA.format(name=name))
        wheel.writestr(
            f"{name}-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def contents(tmp_path):
    write_wheel(tmp_path / "wheels")
    models = tmp_path / "models"
    (models / "tiny").mkdir(parents=True)
    (models / "tiny" / "config.json").write_text("{}")
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\necho agent\n")
    return Contents(tmp_path / "wheels", "toy", models, {"claude": program})


@pytest.mark.slow
def test_a_pack_installs_itself_once(tmp_path, contents):
    pack = tmp_path / "pack.pyz"
    digest = make_pack(contents, pack)
    folder = tmp_path / "a machine's disk"
    command = [sys.executable, "-I", str(pack), str(folder), "--sha256", digest]
    subprocess.run(command, check=True)
    used = 'python -m toy && "$SCRIBE_CLAUDE_BIN" && cat "$SCRIBE_SUITE_CACHE/tiny/config.json"'
    script = f". {shlex.quote(str(folder / 'env.sh'))} && {used}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["it works", "agent", "{}"]
    (place,) = (path for path in folder.iterdir() if path.is_dir())
    before = (place / "venv").stat().st_mtime_ns
    subprocess.run(command, check=True)
    assert (place / "venv").stat().st_mtime_ns == before


def test_another_archive_than_the_expected_one_is_refused(tmp_path, contents):
    pack = tmp_path / "pack.pyz"
    make_pack(contents, pack)
    with pytest.raises(ValueError, match="it is damaged, or another one"):
        install(pack, tmp_path / "there", "0" * 64)
    assert not (tmp_path / "there").exists()


def rewritten(pack, changes):
    """The archive with other files."""
    with zipfile.ZipFile(pack) as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(pack, "w") as new:
        for name, content in {**files, **changes}.items():
            new.writestr(name, content)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"programs/claude": b"#!/bin/sh\nevil\n"}, "programs/claude in .* is not what its manifest says"),
        ({"programs/more": b"x"}, "files that its manifest does not name: programs/more"),
    ],
)
def test_a_file_that_was_changed_or_added_is_refused(tmp_path, contents, changes, sentence):
    pack = tmp_path / "pack.pyz"
    make_pack(contents, pack)
    rewritten(pack, changes)
    with pytest.raises(ValueError, match=sentence):
        install(pack, tmp_path / "there", None)
    assert not list((tmp_path / "there").glob("*/.complete"))


def test_a_pack_for_another_python_is_refused(tmp_path, contents, monkeypatch):
    pack = tmp_path / "pack.pyz"
    make_pack(contents, pack)
    monkeypatch.setattr("platform.python_version_tuple", lambda: ("3", "99", "0"))
    with pytest.raises(ValueError, match=r"is for python 3\.\d+, and this is python 3\.99"):
        install(pack, tmp_path / "there", None)


def test_what_is_missing_is_named(tmp_path, contents, capsys):
    with pytest.raises(ConfigurationError, match="has no wheel of scribe-suite: make it with `pip wheel"):
        make_pack(Contents(contents.wheels), tmp_path / "pack.pyz")
    with pytest.raises(ConfigurationError, match="There is no program"):
        make_pack(Contents(contents.wheels, "toy", programs={"claude": tmp_path / "none"}), tmp_path / "pack.pyz")
    assert not list(tmp_path.glob("*pack*"))
    arguments = ["pack", "--wheels", str(contents.wheels), "-o", str(tmp_path / "p"), "--program", "x"]
    assert main(arguments) == 2
    assert "is not of the form CLI=FILE" in capsys.readouterr().err
