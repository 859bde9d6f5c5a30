"""The site is built without a network, loads nothing from one, and draws formulas; `make docs` runs these tests."""

import html
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("zensical", reason="make docs installs the generator of the site")

from markdown import markdown

from tests.test_documents import pages

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / "tools").mkdir()
    for name in ("zensical.toml", "tools/site_math.py"):
        shutil.copyfile(ROOT / name, folder / name)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, check=True, timeout=120)
    return folder / "site"


def test_every_page_of_the_navigation_is_there(site):
    listed = pages(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    assert [page for page in listed if not (site / page).with_suffix(".html").is_file()] == []


def test_no_page_loads_anything_from_the_network(site):
    # what a browser loads by itself: links that a reader may follow are free
    loading = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(https?:[^\"\s>]+)|<link\b[^>]*\bhref=\"?(https?:[^\"\s>]+)"
    )
    found = {(path.name, *hit) for path in site.rglob("*.html") for hit in loading.findall(path.read_text())}
    assert found == set()
    assert (site / "search.js").is_file()


def test_no_formula_is_left_as_it_was_written(site):
    text = html.unescape(
        re.sub(
            r"<pre.*?</pre>|<code.*?</code>|<script.*?</script>",
            "",
            (site / "reference" / "statistics.html").read_text(),
            flags=re.DOTALL,
        )
    )
    assert text.count("<math") > 40
    assert "$" not in text


def drawn(text):
    return markdown(text, extensions=["tools.site_math"])


def test_a_formula_is_drawn_between_words_and_on_its_own():
    assert 'display="inline"' in drawn(r"the mean $\bar x_g$ of a task")
    assert 'display="block"' in drawn("so that\n\n$$\\frac 1 G\n\\sum_g x_g$$\n")


@pytest.mark.parametrize("text", ["it costs $5 and $ 6", "`$HOME` and `$PATH`", "$SCRIBE_MCP_COMMAND alone"])
def test_other_dollars_are_no_formulas(text):
    assert "<math" not in drawn(text)
