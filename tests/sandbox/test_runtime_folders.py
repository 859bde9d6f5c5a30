from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scribe_suite.sandbox import runtime_folders
from scribe_suite.sandbox.runtime_folders import RuntimeFolder, remove_tree


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runtime_folders, "short_temporary_folder", lambda: tmp_path)
    runtime_folders._sweep.cache_clear()
    return tmp_path


def test_a_folder_is_private_and_goes_with_its_contents(place):
    folder = RuntimeFolder()
    assert folder.path.parent == place
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "x").mkdir()
    folder.remove()
    folder.remove()
    assert list(place.iterdir()) == []


def test_others_can_pass_through_one_that_says_so(place):
    folder = RuntimeFolder(passable=True)
    assert folder.path.stat().st_mode & 0o777 == 0o711
    folder.remove()


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_lives_is_kept(place):
    living = RuntimeFolder()
    code = f"""

from pathlib import Path
from scribe_suite.sandbox import runtime_folders
runtime_folders.short_temporary_folder = lambda: Path({str(place)!r})
folder = runtime_folders.RuntimeFolder()
(folder.path / "sub").mkdir()
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    (place / "scribe-without-a-lock").mkdir()
    (place / "scribe-link").symlink_to(place)
    assert len(list(place.glob("scribe-*/sub"))) == 1
    runtime_folders._sweep.cache_clear()
    second = RuntimeFolder()
    assert list(place.glob("scribe-*/sub")) == []
    assert living.path.exists()
    assert (place / "scribe-without-a-lock").exists()
    living.remove()
    second.remove()


def test_a_tree_that_was_made_hard_to_remove_is_removed(tmp_path):
    deep = tmp_path / "tree" / "closed"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    deep.chmod(0)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_sockets_get_a_short_path(monkeypatch):
    monkeypatch.setattr(runtime_folders.tempfile, "gettempdir", lambda: "/tmp/" + "x" * 60)
    assert str(runtime_folders.short_temporary_folder()) == "/tmp"
    monkeypatch.setattr(runtime_folders.tempfile, "gettempdir", lambda: "/var/tmp")
    assert runtime_folders.short_temporary_folder() == Path("/var/tmp")
