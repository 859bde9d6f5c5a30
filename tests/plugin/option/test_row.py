"""An option is one row: what the parser, the documentation and a resumed run make of it."""

import argparse

import pytest

from scribe_suite.plugin.option.options import OPTIONS, as_markdown
from scribe_suite.plugin.option.row import Kept, Option
from tests.ledger.factories import header


def test_a_row_says_all_that_the_parser_needs():
    option = Option("--max-turns", "turns of one attempt", default_text="no limit", parse=int, metavar="N")
    assert option.name == "max_turns"
    parser = argparse.ArgumentParser()
    parser.add_argument(option.flag, **option.parser_arguments())
    assert parser.parse_args([]).max_turns is None
    assert parser.parse_args(["--max-turns", "7"]).max_turns == 7
    assert "--max-turns N  turns of one attempt (default: no limit)" in parser.format_help()


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        (Option("--x", "", default=1800.0), "1800"),
        (Option("--x", "", default=0.05), "0.05"),
        (Option("--x", "", default=["reference", "null"]), "reference,null"),
        (Option("--x", "", default="auto"), "auto"),
        (Option("--x", "", default=False, default_text="off"), "off"),
    ],
)
def test_a_default_is_shown_as_it_would_be_given(option, shown):
    assert option.shown_default == shown


def test_a_row_of_the_documentation_is_markdown():
    option = Option(
        "--kind",
        "'real' or `make x`: see --other RUN and runs/ for package:smollm2",
        default="planted",
        choices=("planted", "real"),
        kept=Kept(lambda _: None),
    )
    assert option.table_row() == (
        "| `--kind planted\\|real` | `planted` | yes | "
        "`real` or `make x`: see `--other RUN` and `runs/` for `package:smollm2` |"
    )


def test_the_table_has_a_row_for_each_option():
    lines = as_markdown().splitlines()[2:]
    assert [line.split("`")[1].split()[0] for line in lines] == [option.flag for option in OPTIONS]
    assert all(line.replace("\\|", "").count("|") == 5 for line in lines)


def test_no_help_text_has_what_argparse_would_fill_in():
    assert not [option.flag for option in OPTIONS if "%" in option.help + option.default_text]


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "not given"), (False, "not given"), (["a", "b"], "a,b"), (3, "3"), (0.0, "0.0")]
)
def test_the_value_of_a_run_is_shown_for_a_person(value, shown):
    assert Kept(lambda _: value).shown_value(header()) == shown
    assert Kept(lambda _: "else", shown=lambda _: value).shown_value(header()) == shown


def test_a_given_value_contradicts_a_run_unless_it_means_the_same():
    plain = Kept(lambda run: run.trials)
    assert plain.contradicted(2, header(trials=3))
    assert not plain.contradicted(3, header(trials=3))
    loose = Kept(lambda run: run.trials, same=lambda given, run: given <= run.trials)
    assert not loose.contradicted(2, header(trials=3))
    assert loose.contradicted(4, header(trials=3))
