"""The pictures of the README are small, load nothing, and show what the code prints."""

import re
import subprocess

import pytest

from tools.pictures import report_page
from tools.pictures.__main__ import RECORD, REPORT, TABLE, drawn_table
from tools.pictures.table import table_svg

FOLDER = TABLE.parent
PICTURES = sorted(FOLDER.iterdir())


def test_the_picture_of_the_table_is_what_the_code_prints():
    assert TABLE.read_text() == drawn_table(), "run python -m tools.pictures"


def test_a_changed_record_changes_the_picture(tmp_path):
    changed = tmp_path / "run.jsonl"
    changed.write_text(RECORD.read_text().replace('"f1":1.0', '"f1":0.5'))
    assert table_svg(changed, "run", ("circuits",)) != table_svg(RECORD, "run", ("circuits",))


def test_the_tables_that_are_drawn_are_there():
    text = re.sub(r"<[^>]+>|&#160;", " ", drawn_table())
    assert "Circuits" in text
    assert "Providers" in text
    assert "scored" in text


def test_the_pictures_are_small():
    assert {TABLE, REPORT} <= set(PICTURES)
    assert sum(path.stat().st_size for path in PICTURES) < 150_000


@pytest.mark.parametrize("picture", [path for path in PICTURES if path.suffix == ".svg"], ids=lambda path: path.name)
def test_a_picture_loads_nothing(picture):
    text = picture.read_text().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?:|@import|@font-face|href|<script", text) == []


def test_the_record_names_no_place_on_a_machine():
    assert re.findall(r'"/[a-z]+/', RECORD.read_text()) == []


def test_the_report_is_drawn_by_the_browser_that_is_found(tmp_path, monkeypatch):
    # stands in for a browser: writes its arguments where the screenshot is to be
    command = tmp_path / "chromium"
    command.write_text(
        '#!/bin/sh\nfor a; do case "$a" in --screenshot=*) echo "$@" > "${a#--screenshot=}";; esac; done\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert report_page.browser() == "chromium"
    picture = tmp_path / "report.png"
    report_page.write_report_picture(RECORD, picture, "chromium")
    assert picture.read_text().strip().endswith("/report/index.html")


def test_a_browser_that_fails_is_noticed(tmp_path, monkeypatch):
    command = tmp_path / "chromium"
    command.write_text("#!/bin/sh\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(report_page, "write_report", lambda *_, **__: tmp_path / "index.html")
    with pytest.raises(subprocess.CalledProcessError):
        report_page.write_report_picture(RECORD, tmp_path / "report.png", "chromium")
