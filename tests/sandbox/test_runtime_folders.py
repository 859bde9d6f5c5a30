from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scribe_suite.sandbox import runtime_folders
from scribe_suite.sandbox.runtime_folders import RuntimeFolder, remove_tree, temporary_folder


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


def test_links_in_a_tree_and_in_its_place_are_not_followed(tmp_path):
    kept = tmp_path / "kept"
    (kept / "folder").mkdir(parents=True)
    (kept / "file").write_text("x")
    kept.chmod(0o500)
    deep = tree = tmp_path / "tree"
    for _ in range(3):
        deep = deep / "d"
    deep.mkdir(parents=True)
    for number, place in enumerate([tree, deep]):
        (place / f"folder{number}").symlink_to(kept)
        (place / "file").symlink_to(kept / "file")
    (tmp_path / "link").symlink_to(kept)
    remove_tree(tree)
    remove_tree(tmp_path / "link")
    assert not tree.exists()
    assert (kept / "folder").is_dir()
    assert (kept / "file").read_text() == "x"
    assert kept.stat().st_mode & 0o777 == 0o500


def test_a_tree_of_any_depth_and_width_goes_and_its_links_lead_nowhere(tmp_path):
    (tmp_path / "kept").mkdir(mode=0o500)
    top = tmp_path / "tree"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(1500):  # more than Python can recurse
        for name in ("deeper", "beside"):
            os.mkdir(name, dir_fd=here)
        os.symlink(tmp_path / "kept", "link", dir_fd=here)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    remove_tree(top)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o500


def test_what_others_put_in_the_place_of_a_lock_holds_nothing_up(place, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "lock").write_text("")
    plants = {
        "pipe": os.mkfifo,
        "link": lambda path: path.symlink_to(outside / "lock"),
        "second": lambda path: path.hardlink_to(outside / "lock"),
        "folder": lambda path: path.mkdir(),
    }
    for name, plant in plants.items():
        (place / f"scribe-{name}").mkdir()
        plant(place / f"scribe-{name}" / ".lock")
    (place / "scribe-file").write_text("")
    RuntimeFolder().remove()
    assert len(list(place.iterdir())) == 5


def test_a_temporary_folder_goes_with_its_contents():
    with temporary_folder("scribe-x-") as folder:
        (folder / "closed").mkdir(mode=0)
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_sockets_get_a_short_path(monkeypatch):
    monkeypatch.setattr(runtime_folders.tempfile, "gettempdir", lambda: "/tmp/" + "x" * 60)
    assert str(runtime_folders.short_temporary_folder()) == "/tmp"
    monkeypatch.setattr(runtime_folders.tempfile, "gettempdir", lambda: "/var/tmp")
    assert runtime_folders.short_temporary_folder() == Path("/var/tmp")
