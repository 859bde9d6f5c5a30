"""What the README and docs/ refer to is there: links, anchors, and files and folders that they name."""

import re
import subprocess
from collections.abc import Iterator
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


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> Iterator[str]:
    for target in LINK.findall(document.read_text()):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        to = (document.parent / file).resolve() if file else document
        if not to.exists() or (anchor and anchor not in anchors(to)):
            yield target


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
