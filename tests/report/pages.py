"""Reading the pages of a report as a browser would: with a parser of its own that reports every error."""

import re
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

# the only HTML parser in the environment that follows the standard to the letter; nbconvert brings it along
from bleach._vendor import html5lib

from scribe_suite.report.sanitise import TAGS

DOCUMENT_TAGS = frozenset({
    "html", "head", "meta", "title", "style", "body", "a", "header", "nav", "main", "footer", "section", "figure",
    "figcaption",
})  # fmt: skip
SVG_TAGS = frozenset({"svg", "title", "desc", "g", "path", "defs", "use", "text", "clipPath", "rect"})
LOADING_ATTRIBUTES = frozenset({
    "src", "srcset", "href", "data", "action", "formaction", "poster", "background", "cite", "longdesc", "manifest",
    "ping", "xlink:href", "codebase",
})  # fmt: skip
IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=]+")


@dataclass
class Page:
    """A parsed page."""

    path: Path
    elements: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def parsed(path, text=None):
    page = Page(path)
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"))
    document = parser.parse(path.read_text(encoding="utf-8") if text is None else text)
    page.errors = [code for _, code, _ in parser.errors]
    for element in document.iter():
        if isinstance(element.tag, str):
            name = re.sub(r"^\{[^}]*\}", "", element.tag)
            attributes = {re.sub(r"^\{[^}]*\}", "", key): value for key, value in element.attrib.items()}
            page.elements.append((name, attributes))
    return page


def dangers(page):
    """Everything on a page that could run, load, send or lead elsewhere."""
    found = []
    for tag, attributes in page.elements:
        if tag not in TAGS | DOCUMENT_TAGS | SVG_TAGS:
            found.append(f"element {tag}")
        for name, value in attributes.items():
            if name.startswith("on") or name in ("srcdoc", "srcset", "http-equiv-refresh", "ping"):
                found.append(f"{tag} {name}")
            if name in LOADING_ATTRIBUTES and not _leads_nowhere_else(tag, name, value):
                found.append(f"{tag} {name}={value[:60]}")
            if "style" in name and re.search(
                r"url\(\s*['\"]?(?!#)|expression|@import|javascript", value, re.IGNORECASE
            ):
                found.append(f"{tag} style={value[:60]}")
        if tag == "meta" and attributes.get("http-equiv", "Content-Security-Policy") != "Content-Security-Policy":
            found.append(f"meta {attributes}")
    return found


def _leads_nowhere_else(tag, name, value):
    if tag == "img" and name == "src":
        return IMAGE.fullmatch(value) is not None
    url = urlsplit(unescape(value))
    return tag in ("a", "use") and name == "href" and not url.scheme and not url.netloc


def broken_links(page):
    """Links of a page that lead to no file, or to no place on the page."""
    ids = set(page.ids())
    broken = []
    for attributes in page.named("a") + page.named("use"):
        href = attributes["href"]
        path, _, fragment = href.partition("#")
        if path and not (page.path.parent / unquote(path)).is_file():
            broken.append(href)
        if not path and fragment not in ids:
            broken.append(href)
    return broken
