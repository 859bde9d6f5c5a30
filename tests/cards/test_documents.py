"""A results card as Markdown and HTML: everything is on it, and nothing in it runs or notifies."""

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.cards.documents import DOCUMENTS, Card
from scribe_suite.cards.facts import card_facts
from scribe_suite.ledger.ledger import read_ledger
from tests.ledger.factories import attempt, write_ledger
from tests.report.synthetic import HOSTILE_HTML


def card_of(folder, **changes):
    records = [attempt("circuits/toy", provider, trial) for provider in ("a", "b") for trial in range(3)]
    path = write_ledger(folder / "r.jsonl", records, providers=("a", "b"))
    facts = card_facts([read_ledger(path)], {})
    return Card(**{"title": "A card", "author": "Lab", "facts": facts, "comparison": compare_runs([path]), **changes})


@pytest.mark.parametrize("ending", DOCUMENTS)
def test_every_part_is_on_it(tmp_path, ending):
    text = DOCUMENTS[ending](card_of(tmp_path, remarks=("We know of a flaw.",)))
    for part in ("A card", "Runs by Lab.", "We know of a flaw.", "What was run", "Circuits Tasks", "Known flaws",
                 "3 attempts of a are few", "The numbers again", "scribe-suite compare r"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("ending", DOCUMENTS)
def test_what_others_wrote_is_text(tmp_path, ending):
    text = DOCUMENTS[ending](
        card_of(tmp_path, title=HOSTILE_HTML[0], author=HOSTILE_HTML[1], remarks=(*HOSTILE_HTML, "@you"))
    )
    assert "<script" not in text
    assert "<img" not in text
    assert ending != "md" or "\n@you" not in text


def test_a_card_without_flaws_says_who_looked(tmp_path):
    card = card_of(tmp_path)
    clean = Card("t", "", card.facts.__class__(**{**vars(card.facts), "flaws": ()}), card.comparison)
    assert clean.lists["Known flaws"] == ("None that a program can see in the ledgers.",)
    assert "Runs by" not in DOCUMENTS["md"](clean)
