import os
import shutil

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.report.folders import MARKER, replaced_folder, require_replaceable
from scribe_suite.report.raw_files import copy_raw_files
from scribe_suite.untrusted_files import UntrustedFolder


def written(output, text):
    with replaced_folder(output) as folder:
        (folder / MARKER).write_text("{}")
        (folder / "index.html").write_text(text)


def test_a_report_appears_whole_and_takes_the_place_of_an_older_one(tmp_path):
    output = tmp_path / "some" / "report"
    written(output, "old")
    (output / "left.html").write_text("x")
    with replaced_folder(output) as folder:
        (folder / MARKER).write_text("{}")
        (folder / "index.html").write_text("new")
        assert (output / "index.html").read_text() == "old"
    assert sorted(path.name for path in output.iterdir()) == ["index.html", MARKER]
    assert (output / "index.html").read_text() == "new"
    assert [path.name for path in output.parent.iterdir()] == ["report"]


def test_an_error_changes_nothing_and_leaves_nothing(tmp_path):
    written(tmp_path / "report", "old")
    with pytest.raises(FileExistsError), replaced_folder(tmp_path / "report") as folder:
        shutil.copytree(tmp_path / "report", folder)
    assert (tmp_path / "report" / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_is_no_report_is_refused_before_and_after_writing(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigurationError, match="not a report"):
        require_replaceable(tmp_path / "mine")
    with pytest.raises(ConfigurationError, match="not a report"), replaced_folder(tmp_path / "late"):
        shutil.copytree(tmp_path / "mine", tmp_path / "late")
    assert (tmp_path / "late" / "thesis.txt").read_text() == (tmp_path / "mine" / "thesis.txt").read_text() == "x"


def test_a_file_is_refused_and_an_empty_folder_taken(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="is a file"):
        require_replaceable(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    written(tmp_path / "empty", "new")


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="can't be written"):
        written(tmp_path / "file" / "report", "new")


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    written(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "index.html").read_text() == "new"


def test_others_may_read_a_report_as_they_may_read_other_new_folders(tmp_path):
    (tmp_path / "other").mkdir()
    written(tmp_path / "report", "new")
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("name", "content", "copied"),
    [
        ("a.json", "<html>", "a.json"),
        ("a.txt", "<html>", "a.txt"),
        ("a.PNG", "<html>", "a.PNG"),
        ("a.ipynb", ' {"cells": []}', "a.ipynb"),
        ("a.ipynb", "<html>", "a.ipynb.txt"),
        ("a.jsonl", "\n<script>", "a.jsonl.txt"),
        ("a.html", "{}", "a.html.txt"),
        ("a.xhtml", "{}", "a.xhtml.txt"),
        ("a.svg", "{}", "a.svg.txt"),
        ("a.md", "# x", "a.md.txt"),
        ("a", "<html>", "a.txt"),
    ],
)
def test_copies_have_names_that_no_browser_runs(tmp_path, name, content, copied):
    (tmp_path / "from" / "outputs").mkdir(parents=True)
    (tmp_path / "from" / "outputs" / name).write_text(content)
    (file,) = copy_raw_files(UntrustedFolder(tmp_path / "from"), tmp_path / "report", "raw/x")
    assert file.name == f"outputs/{name}"
    assert file.href == f"raw/x/outputs/{copied}"
    assert (tmp_path / "report" / file.href).read_text() == content


def test_links_hidden_files_and_pipes_are_not_copied(tmp_path, monkeypatch):
    folder = tmp_path / "from"
    folder.mkdir()
    (folder / "link.txt").symlink_to("/etc/hostname")
    (folder / "folder").symlink_to("/etc")
    (folder / ".hidden.txt").write_text("x")
    os.mkfifo(folder / "pipe.txt")
    assert copy_raw_files(UntrustedFolder(folder), tmp_path / "report", "raw") == []
    (folder / "large.txt").write_text("xx")
    monkeypatch.setattr("scribe_suite.report.raw_files.MAX_BYTES", 1)
    (file,) = copy_raw_files(UntrustedFolder(folder), tmp_path / "report", "raw")
    assert (file.name, file.href, file.size) == ("large.txt", None, 2)


def test_names_in_links_are_quoted(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a b#c?.txt").write_text("x")
    (file,) = copy_raw_files(UntrustedFolder(tmp_path / "from"), tmp_path / "report", "raw")
    assert file.href == "raw/a%20b%23c%3F.txt"
