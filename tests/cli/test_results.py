"""The commands as they are typed: output, exit codes, and one sentence for what can't be done."""

import csv
import io
import json

import jsonschema
import pytest
from rich.console import Console

from scribe_suite.cli import main
from scribe_suite.ledger.ledger import LedgerWriter, read_ledger
from tests.ledger.factories import attempt, failed, header, write_ledger, write_report

RECORDS = [attempt(f"circuits/t{n}", provider, 0, n / 7) for n in range(8) for provider in ("a", "b")]


@pytest.fixture
def ledger(tmp_path):
    return write_ledger(tmp_path / "r.jsonl", RECORDS)


def said(capsys, *arguments):
    """The exit code and what was printed."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_compare_prints_the_tables(ledger, capsys):
    code, output, errors = said(capsys, "compare", ledger)
    assert (code, errors) == (0, "")
    assert "Circuits Tasks" in output
    assert "a - b" in output


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("markdown", lambda text: text.startswith("### Circuits Tasks\n\n| Task |")),
        ("csv", lambda text: next(csv.reader(io.StringIO(text))) == ["table", "row", "side", "column", "value"]),
        ("json", lambda text: json.loads(text)["pairs"][0]["difference"] == 0),
        ("html", lambda text: text.startswith("<!DOCTYPE html>")),
    ],
)
def test_compare_writes_every_format(name, check, ledger, capsys):
    code, output, _ = said(capsys, "compare", ledger, "--format", name)
    assert code == 0
    assert check(output)


def test_compare_takes_a_ledger_and_a_report_together(tmp_path, ledger, capsys):
    report = write_report(tmp_path / "x.report.json", RECORDS, run="x")
    code, output, _ = said(capsys, "compare", ledger, report)
    assert code == 0
    assert "paired by task and trial" in output


def test_a_run_is_named_by_its_id_everywhere(tmp_path, ledger, capsys):
    where = ("--results-dir", tmp_path)
    assert said(capsys, "show", "r", *where) == said(capsys, "show", ledger)
    assert said(capsys, "compare", "r", *where) == said(capsys, "compare", ledger)
    assert said(capsys, "diff", "r", "r", *where) == said(capsys, "diff", ledger, ledger)
    assert said(capsys, "merge", "r", *where, "-o", tmp_path / "all.jsonl")[0] == 0
    assert said(capsys, "report", "r", *where, "-o", tmp_path / "site")[0] == 0
    assert (tmp_path / "site" / "index.html").is_file()


def test_diff_exits_with_what_it_found(tmp_path, ledger, capsys):
    worse = write_ledger(tmp_path / "worse.jsonl", [r.model_copy(update={"skill": -1.0}) for r in RECORDS])
    broken = write_ledger(tmp_path / "broken.jsonl", [failed(task=r.task, provider=r.provider) for r in RECORDS])
    assert said(capsys, "diff", ledger, ledger)[0] == 0
    assert said(capsys, "diff", ledger, worse)[0] == 1
    assert said(capsys, "diff", ledger, worse, "--tolerance", "2")[0] == 0
    assert said(capsys, "diff", worse, ledger)[0] == 0
    assert said(capsys, "diff", ledger, broken)[0] == 3
    code, output, _ = said(capsys, "diff", ledger, worse, "--format", "markdown")
    assert code == 1
    assert output.startswith("### Scribe Task Suite: regressions beyond 0.05: 16")


def test_diff_is_folded_between_words_in_a_terminal(tmp_path, ledger, monkeypatch, capsys):
    worse = write_ledger(tmp_path / "worse.jsonl", [r.model_copy(update={"skill": -1.0}) for r in RECORDS])
    whole = said(capsys, "diff", ledger, worse)[1]
    monkeypatch.setattr("scribe_suite.cli.consoles.console_for_lists", lambda: Console(width=70))
    folded = said(capsys, "diff", ledger, worse)[1]
    assert folded.split() == whole.split()
    assert max(map(len, folded.splitlines())) <= 70 < max(map(len, whole.splitlines()))


def test_merge_writes_a_ledger_and_says_so(tmp_path, capsys):
    parts = [write_ledger(tmp_path / f"{n}.jsonl", RECORDS[n::2]) for n in range(2)]
    code, output, _ = said(capsys, "merge", *parts, "-o", tmp_path / "all.jsonl")
    assert (code, output) == (0, f"{tmp_path / 'all.jsonl'}: 16 attempts of 16 planned\n")
    assert said(capsys, "show", tmp_path / "all.jsonl")[0] == 0
    assert said(capsys, "compare", tmp_path / "all.jsonl")[0] == 0
    assert len(read_ledger(tmp_path / "all.jsonl").attempts) == 16


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("compare", "none.jsonl"), "There is no run 'none.jsonl', and no run at all in runs"),
        (("show", "none", "--results-dir", "."), "no run 'none' in . (the newest there: other, empty, v2)"),
        (("report", "othr", "--results-dir", "."), "no run 'othr' in . (similar there: other)"),
        (("compare", "r.jsonl", "text"), "text is neither a ledger nor a report"),
        (("compare", "r.jsonl", "v2.jsonl"), "different versions of circuits/t0"),
        (("compare", "empty.jsonl"), "no attempt yet"),
        (("diff", "r.jsonl", "text"), "text is neither a ledger nor a report"),
        (("diff", "none.jsonl", "r.jsonl"), "There is no run 'none.jsonl'"),
        (("diff", "r.jsonl", "none"), "There is no run 'none'"),
        (("merge", "none", "-o", "all.jsonl"), "There is no run 'none'"),
        (("merge", "r.jsonl", "r.jsonl", "-o", "all.jsonl"), "in more than one ledger"),
        (("merge", "r.jsonl", "other.jsonl", "-o", "all.jsonl"), "run_seed (r.jsonl: 5, other.jsonl: 6)"),
        (("merge", "r.jsonl", "-o", "r.jsonl"), "r.jsonl exists"),
        (("merge", "text", "-o", "all.jsonl"), "Line 1 of text is not a line of a ledger"),
    ],
)
def test_what_can_not_be_done_is_one_sentence_and_exit_code_2(
    arguments, sentence, tmp_path, ledger, monkeypatch, capsys
):
    (tmp_path / "text").write_text("hello\n")
    write_ledger(tmp_path / "v2.jsonl", [RECORDS[0].model_copy(update={"task_version": 2})])
    write_ledger(tmp_path / "empty.jsonl", [])
    write_ledger(tmp_path / "other.jsonl", [attempt("probes/y")], run_seed=6)
    monkeypatch.chdir(tmp_path)
    code, output, errors = said(capsys, *arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("scribe-suite: ")
    assert sentence in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("diff", "a", "b", "--tolerance", "x"), "'x' is not a tolerance: give a number from 0 on"),
        (("diff", "a", "b", "--tolerance", "-1"), "'-1' is not a tolerance"),
        (("diff", "a", "b", "--tolerance", "nan"), "'nan' is not a tolerance"),
        (("compare",), "required: RUN"),
        (("compare", "a", "--format", "pdf"), "invalid choice: 'pdf'"),
        (("merge", "a"), "-o/--output"),
    ],
)
def test_bad_options_are_usage_errors(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_every_line_of_a_ledger_obeys_the_schema(tmp_path, ledger, capsys):
    code, output, _ = said(capsys, "schema")
    assert code == 0
    schema = json.loads(output)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    lines.append(failed(times={"agent_s": 1.5}, interval=(0.0, 1.0), tokens={"input": 3}).model_dump(mode="json"))
    for line in lines:
        validator.validate(line)
    assert {line["line"] for line in lines} == {"header", "attempt", "end"}


@pytest.mark.parametrize(
    "changes", [{"line": "other"}, {"trial": "x"}, {"unknown": 1}, {"metrics": {"f1": "good"}}, {"task": None}]
)
def test_the_schema_refuses_what_a_reader_refuses(changes, tmp_path, capsys):
    validator = jsonschema.Draft202012Validator(json.loads(said(capsys, "schema")[1]))
    line = attempt().model_dump(mode="json") | changes
    assert not validator.is_valid(line)
    path = tmp_path / "r.jsonl"
    LedgerWriter(path, header())
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert said(capsys, "show", path)[0] == 2
