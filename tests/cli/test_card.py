"""``scribe-suite card`` as it is typed."""

import pytest

from scribe_suite.cli import main
from tests.ledger.factories import attempt, write_ledger


@pytest.fixture
def ledger(tmp_path):
    return write_ledger(tmp_path / "r.jsonl", [attempt("circuits/ioi", "a", trial) for trial in range(2)])


def test_it_writes_both_files_and_names_them(ledger, tmp_path, capsys):
    (tmp_path / "flaws.txt").write_text("First\nparagraph.\n\n\nSecond.\n")
    arguments = ["card", "r", "--results-dir", tmp_path, "-o", tmp_path / "a/b", "--remarks", tmp_path / "flaws.txt"]
    assert main([*map(str, arguments), "--title", "November", "--by", "Lab"]) == 0
    written = [tmp_path / "a/b" / name for name in ("card.md", "card.html")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    text = written[0].read_text()
    assert text.startswith("# November\n\nRuns by Lab.\n\nFirst paragraph.\n\nSecond.\n\n## What was run")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nosuch"], "nosuch"),
        (["r", "--remarks", "nosuch.txt"], "The remarks in nosuch.txt can't be read"),
        (["r", "-o", "r.jsonl"], "The card can't be written to r.jsonl"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(arguments, sentence, ledger, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["card", *arguments, "--results-dir", "."]) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert len(errors.splitlines()) <= 3
