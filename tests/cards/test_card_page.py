"""A results card in a real browser."""

from scribe_suite.cards.documents import card_html
from tests.report.browser import IN_CHROMIUM, PHONE, widths

from .test_documents import card_of

pytestmark = IN_CHROMIUM


def test_the_page_is_not_wider_than_a_phone(tmp_path):
    page = tmp_path / "card.html"
    page.write_text(card_html(card_of(tmp_path)))
    needed, given = widths(tmp_path, page)
    assert needed <= given <= PHONE
