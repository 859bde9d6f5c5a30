from __future__ import annotations

import time

import pytest

from scribe_suite.notebook.html_text import MAX_HTML, html_text

# as pandas 3 writes it
STYLER = """<style type="text/css">
#T_1 td { color: red; }
</style>
<table id="T_1">
  <caption>Scores</caption>
  <thead>
    <tr><th class="blank level0" >&nbsp;</th><th id="T_1_level0_col0" class="col_heading" >layer</th>
      <th class="col_heading" >score</th></tr>
  </thead>
  <tbody>
    <tr><th id="T_1_level0_row0" >a</th><td id="T_1_row0_col0" class="data" >10</td><td>0.50</td></tr>
    <tr><th>b</th><td>1</td><td>-0.33</td></tr>
  </tbody>
</table>
"""
SPANS = (
    "<table><tr><th></th><th colspan='2'>A</th><th>B</th></tr><tr><th rowspan=2>x</th><td>1</td><td>2</td><td>3</td>"
)
SPANS += "</tr><tr><td>4</td><td>5</td><td>6</td></tr></table>"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (STYLER, "Scores\n   layer  score\na  10     0.50\nb  1      -0.33"),
        (SPANS, "   A     B\nx  1  2  3\n   4  5  6"),
        ("<h1>Title</h1><p>one <b>two</b>&amp;\n three<br>four</p>", "Title\none two& three\nfour"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<pre>x  y\n\n  z</pre>after", "x  y\n\n  z\nafter"),
        ("a<script>if (1 < 2) { '<p>' }</script>b<!-- <p>c</p> -->d<style>p {}</style>", "abd"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ('<a title="x > y" href=z>link</a> <img alt="a figure" src="data:,A">', "link [image: a figure]"),
        ("<table><tr><td>in<table><tr><td>q</table></td><td>r</table>", "in q  r"),
        ("<table><tr><td>never closed", "never closed"),
        ("<audio src='x'></audio>", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_html_is_what_a_person_would_read(source, text):
    assert html_text(source) == text


@pytest.mark.parametrize(
    "unit", ["<a ", "<", "<!--", "<a b='", "</", "<td>", "<td colspan=9999>", "<table>", "<a '>>", "&#x"]
)
def test_anything_is_read_in_time_that_grows_with_its_length(unit):
    """The standard library's parser takes minutes for 20,000 characters of the first of these."""
    begin = time.process_time()
    html_text(unit * (MAX_HTML // len(unit)))
    assert time.process_time() - begin < 20


def test_what_is_beyond_the_limit_is_counted():
    assert html_text("x" * (MAX_HTML + 5)).endswith("[... 5 characters of HTML left out ...]")
