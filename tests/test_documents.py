"""What the README and docs/ refer to is there: links, anchors, and files and folders that they name."""

import itertools
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.test_imports import ALLOWED, BASE

ROOT = Path(__file__).parents[1]
IN_DOCS = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = [*(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")), *IN_DOCS]

#: First folders of a path in this repository. ``runs/`` and ``.venv/`` are made later and are no part of it.
FOLDERS = (
    ".ci", ".github", "benchmarks", "docs", "examples", "fixtures", "ground_truth", "perf", "prompts", "src", "studies",
    "tests", "tools",
)  # fmt: skip
#: A path in backticks or in a command: a folder of the repository, then names; ``<name>`` and ``*`` stand for any name.
#: What MCP calls listing and calling tools is none.
PATH = re.compile(rf"(?<![\w/.<])(?!tools/(?:list|call)\b)(?:{'|'.join(map(re.escape, FOLDERS))})(?:/[\w.<>*-]+)+/?")
#: What a page tells its reader to make.
MADE = re.compile(r"/toys\b")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: Python modules of the package, in backticks; the last part may be a name within one.
MODULE = re.compile(r"`((?:scribe_suite|ground_truth|tools|studies)(?:\.\w+)+)")


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


@cache
def tracked() -> frozenset[str]:
    """Files of the repository and the folders that hold them; only what is tracked reaches a reader."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [Path(line) for line in listed.stdout.splitlines()]
    return frozenset(str(path) for file in files for path in (file, *file.parents))


def is_there(path: str) -> bool:
    """Whether a path, with ``<name>`` or ``*`` for any name, is that of a tracked file or folder."""
    pattern = re.compile(re.sub(r"<\w+>|\\\*", r"[^/]+", re.escape(path.rstrip("/."))))
    return any(pattern.fullmatch(known) for known in tracked())


@cache
def prose(document: Path) -> str:
    """A document's text without its blocks of code, which have no headings and no links."""
    return re.sub(r"^(```|~~~).*?^\1$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(document: Path) -> frozenset[str]:
    """The anchors that GitHub, and the site, give to a document's headings."""
    # equal headings get numbers, which GitHub and the site write in different ways: nothing may link to those
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE):
        text = LINK.sub(lambda link: link[0][1:].partition("]")[0], heading)
        found.add(re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-"))
    return frozenset(found)


def links(document: Path) -> Iterator[tuple[str, Path, str]]:
    """Each relative link as it stands, where it leads, and its anchor, which may be empty."""
    for target in LINK.findall(prose(document)):
        if not re.match(r"https?://|mailto:", target):
            file, _, anchor = target.partition("#")
            yield target, (document.parent / file).resolve() if file else document, anchor


def broken_links(document: Path) -> Iterator[str]:
    for target, to, anchor in links(document):
        there = to.is_relative_to(ROOT) and is_there(str(to.relative_to(ROOT)))
        if not there or (anchor and anchor not in anchors(to)):
            yield target


def pages(navigation: object) -> Iterator[str]:
    """The pages that the site's navigation names, at any depth."""
    match navigation:
        case str():
            yield navigation
        case Mapping():
            for part in navigation.values():
                yield from pages(part)
        case list():
            for part in navigation:
                yield from pages(part)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_relative_link_leads_somewhere(document):
    assert list(broken_links(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_path_that_is_named_is_there(document):
    named = [path for path in PATH.findall(document.read_text()) if not MADE.search(path)]
    assert [path for path in named if not is_there(path)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_module_that_is_named_is_there(document):
    def found(module: str) -> bool:
        base = ("src/" if module.startswith("scribe_suite") else "") + module.replace(".", "/")
        return any(is_there(path) for part in (base, base.rpartition("/")[0]) for path in (part, f"{part}.py"))

    assert [module for module in MODULE.findall(document.read_text()) if not found(module)] == []


def test_a_broken_link_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_documents.ROOT", tmp_path)
    monkeypatch.setattr("tests.test_documents.is_there", lambda path: (tmp_path / path).exists())
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# Some `code` and [a link](page.md)\n```\n# no heading\n```\n")
    page.write_text(
        "[ok](other.md#some-code-and-a-link) [no](other.md#no-heading) ![no](none.svg) [no](../out.md) [ok](https://a.b)\n"
        "```\n[code](none.md)\n```\n"
    )
    assert list(broken_links(page)) == ["other.md#no-heading", "none.svg", "../out.md"]


@pytest.mark.parametrize("document", IN_DOCS, ids=name)
def test_links_of_a_page_stay_on_the_site(document):
    docs = ROOT / "docs"
    assert [target for target, to, _ in links(document) if not to.is_relative_to(docs) or to.is_dir()] == []


@pytest.mark.parametrize("document", IN_DOCS, ids=name)
def test_lists_and_tables_begin_after_an_empty_line(document):
    # the site, unlike GitHub, takes them for a part of the paragraph before
    lines = prose(document).splitlines()
    begins = re.compile(r"(?:[-*]|\d+\.) |\|")
    assert [
        line
        for before, line in itertools.pairwise(lines)
        if begins.match(line) and before and not begins.match(before) and not before.startswith(" ")
    ] == []


def test_every_document_is_in_the_navigation_of_the_site():
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    listed = list(pages(site["nav"]))
    assert sorted(listed) == [str(document.relative_to(ROOT / "docs")) for document in IN_DOCS]


def test_the_site_loads_nothing_from_the_network():
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    assert site["theme"]["font"] is False
    local = [*site["extra_css"], *site["extra"]["polyfills"]]
    assert [path for path in local if not is_there(f"docs/{path}")] == []
    # without this name among them, the generator adds one that is loaded from the network
    assert any("iframe-worker" in path for path in site["extra"]["polyfills"])
    # the generator would load what draws these
    assert [name(document) for document in IN_DOCS if "```mermaid" in document.read_text()] == []


def test_the_generator_of_the_site_is_pinned():
    docs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["docs"]
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert [one for one in docs if re.match(r"[\w-]+", one)[0] not in pinned] == []


def test_every_document_is_reached_from_the_index():
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())}
    assert [name(document) for document in IN_DOCS if document != index and document not in linked] == []


def test_every_document_that_code_names_is_there():
    code = [path for path in tracked() if path.endswith((".py", ".sh", ".toml", ".yml", "Makefile"))]
    named = {(path, found) for path in code for found in re.findall(r"docs/[\w/-]+\.md", (ROOT / path).read_text())}
    assert len(named) > 10
    assert sorted(f"{path}: {document}" for path, document in named if not is_there(document)) == []


def test_the_architecture_page_draws_the_directions_of_imports():
    rows = re.findall(
        r"^\| ([^|]+) \| [^|]+ \|([^|]*)\|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE
    )
    (base, _), *rooms = [row for row in rows if "`errors`" in row[0] or row[0].strip("`") in ALLOWED]
    assert set(re.findall(r"`(\w+)`", base)) == BASE
    assert {name.strip("`"): frozenset(re.findall(r"`(\w+)`", known)) for name, known in rooms} == ALLOWED


def test_a_missing_file_is_noticed():
    assert not is_there("src/scribe_suite/no_such_room")
    assert is_there("ground_truth/<family>/<name>.py")
    assert is_there("src/scribe_suite/sandbox/escape_table.py")


def test_the_readme_fits_on_a_few_screens():
    assert len((ROOT / "README.md").read_text().split()) <= 900
