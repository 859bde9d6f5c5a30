import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scribe_suite.report.sanitise import (
    MAX_HTML,
    TAGS,
    UnsafeError,
    clean_html,
    clean_markdown,
    has_active_parts,
    image,
    require_inert,
    svg_image,
)
from tests.report.pages import dangers, parsed
from tests.report.synthetic import CANARY, HOSTILE_HTML, HOSTILE_MARKDOWN, HOSTILE_SVG, PIXEL


def page_with(fragment):
    """A page with a piece of HTML in it, read by a parser that follows the standard."""
    return parsed(None, f"<!DOCTYPE html><html><head><title>t</title></head><body><div>{fragment}</div></body></html>")


def require_harmless(fragment):
    page = page_with(fragment)
    assert dangers(page) == []
    assert page.errors == []
    assert {tag for tag, _ in page.elements} <= TAGS | {"html", "head", "title", "body"}
    assert require_inert(fragment) == fragment


def test_the_parser_of_these_tests_sees_what_is_wrong():
    assert page_with("<p>x</b></p></section>").errors
    assert len(dangers(page_with("<script>x</script><p onclick=x><a href='//x'><img src=x><svg onload=x>"))) == 5


@pytest.mark.parametrize("text", HOSTILE_HTML)
def test_hostile_html_leaves_nothing_that_runs_or_loads(text):
    require_harmless(clean_html(text))


@pytest.mark.parametrize("text", [*HOSTILE_MARKDOWN, *HOSTILE_HTML])
def test_hostile_markdown_leaves_nothing_that_runs_or_loads(text):
    require_harmless(clean_markdown(text))


_PIECES = st.sampled_from(
    [
        *HOSTILE_HTML,
        *(f"<{tag}>" for tag in sorted(TAGS)),
        *(f"</{tag}>" for tag in sorted(TAGS)),
        "<",
        ">",
        "</",
        "<!--",
        "-->",
        "<![CDATA[",
        '"',
        "'",
        "`",
        "=",
        "&lt;",
        "&#60;script&#62;",
        "&#0;",
        "\x00",
        "/",
        "<svg>",
        "<math>",
        "<select>",
        "<plaintext>",
        "<frameset>",
        "<body onload=x>",
        "<img src=",
        "onerror=alert(1) ",
    ]
)
_MARKS = st.sampled_from(["\n\n", "# ", "- ", "|", "`", "![x](", "[x]("])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=8)), max_size=25).map("".join))
def test_whatever_comes_in_what_goes_out_is_harmless_and_valid(text):
    require_harmless(clean_html(text))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=8), _MARKS), max_size=25).map("".join))
def test_whatever_markdown_comes_in_what_goes_out_is_harmless_and_valid(text):
    require_harmless(clean_markdown(text))


@settings(max_examples=60, deadline=None)
@given(st.lists(_PIECES, max_size=25).map("".join))
def test_cleaning_what_is_clean_changes_nothing(text):
    cleaned = clean_html(text, heading_shift=0)
    assert clean_html(cleaned, heading_shift=0) == cleaned


def test_a_table_of_pandas_stays_a_table():
    table = (
        "<div><style scoped>td {color: red}</style><table border='1' class='dataframe'><thead>"
        "<tr style='text-align: right;'><th></th><th colspan='2'>a &lt; b</th></tr></thead><tbody>"
        "<tr><th>0</th><td>1.5</td><td>x &amp; y</td></tr></tbody></table></div>"
    )
    assert clean_html(table) == (
        '<div><table><thead><tr><th></th><th colspan="2">a &lt; b</th></tr></thead><tbody>'
        "<tr><th>0</th><td>1.5</td><td>x &amp; y</td></tr></tbody></table></div>"
    )


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<p>one<p>two", "<p>one</p><p>two</p>"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>"),
        ("<b>bold<i>both</b>plain", "<b>bold<i>both</i></b>plain"),
        ("<td>lost</td><li>too", "losttoo"),
        ("</div></div>after", "after"),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
        ("<h1>Big</h1><h6>small</h6>", "<h3>Big</h3><h6>small</h6>"),
        ("<a href='https://example.org'>link</a>", "link"),
        ("<BR/><HR>", "<br><hr>"),
    ],
)
def test_html_is_balanced_and_its_meaning_kept(text, cleaned):
    assert clean_html(text) == cleaned


def test_markdown_has_tables_code_and_headings_below_those_of_the_page():
    cleaned = clean_markdown("# T\n\n| a | b |\n|--|--|\n| 1 | `x<y` |\n\n```python\nif a < b: pass\n```\n")
    assert "<h3>T</h3>" in cleaned
    assert "<td><code>x&lt;y</code></td>" in cleaned
    assert "<pre><code>if a &lt; b: pass" in cleaned


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["<div>", "<div></x>", "<b><p>", "<li>", "<ul><li>", "<table><tr><td>", "<p><h1>", "<!--", "<script>", '<img "',
     "<a ", "&", "<", " onx ", "<b class=x>", "</b>", "<svg ", "[", "![", "*a ", "`", "$a", "\\begin{a}", "> "],
)  # fmt: skip
def test_cleaning_takes_time_in_proportion_to_the_text(piece):
    text = piece * (100_000 // len(piece))
    for clean in (clean_html, clean_markdown):
        begin = time.process_time()
        require_inert(clean(text))
        assert time.process_time() - begin < 10  # quadratic ones took minutes


def test_too_much_html_is_left_out_and_told():
    assert "left out" in clean_html("x" * (MAX_HTML + 1))
    assert len(clean_markdown("x" * (MAX_HTML + 1))) < MAX_HTML + 100


def test_images_are_embedded_when_they_are_base64():
    assert image("image/png", PIXEL, "a<b") == f'<img src="data:image/png;base64,{PIXEL}" alt="a&lt;b">'
    assert image("image/png", '" onerror="x', "") == image("image/png", "", "") == ""
    assert image("text/html", PIXEL, "") == ""


def test_an_svg_is_an_image_and_nothing_else():
    shown = svg_image(HOSTILE_SVG, "plot")
    require_harmless(shown)
    assert CANARY not in shown


@pytest.mark.parametrize(
    "text",
    ["<script>", "<a href='x'>", "<p onclick=x>", "<p style='x'>", "<img src='https://example.org/x.png'>", "<!-- -->",
     "<!DOCTYPE html>", "<?php ?>", "<iframe>", "<p id=main>", "<img src='data:text/html;base64,AA=='>"],
)  # fmt: skip
def test_the_last_inspection_refuses_what_should_have_been_cleaned(text):
    with pytest.raises(UnsafeError):
        require_inert(text)


def test_active_parts_are_noticed():
    assert has_active_parts("<script>x</script>")
    assert has_active_parts("<p onclick='x'>")
    assert not has_active_parts("<p>only on=text</p>")
