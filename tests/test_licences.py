"""What others have made is named with its licence, and the package says which licences it is under."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

from scribe_suite import __version__

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "third-party.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHIPPED = ("src", "ground_truth", "prompts", "fixtures", "benchmarks")
DATA = {".json", ".tsv", ".csv", ".txt", ".npz", ".npy", ".safetensors", ".bin"}
#: Made from the suite itself: a record of measurements, and a setting of a template.
OWN = {"ground_truth/controls.json", "src/scribe_suite/report/templates/notebook/conf.json"}


def rows():
    """File or folder -> licence here; a row that begins with "the same" is about the file above."""
    table = PAGE.partition("## In the suite")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:3] == "| `"]
    return {row[0].strip("`"): row[-1] for row in cells}


def test_every_file_of_data_has_a_source_and_a_licence():
    listed = subprocess.run(["git", "ls-files", *SHIPPED], cwd=ROOT, capture_output=True, text=True, check=True)
    data = [path for path in listed.stdout.splitlines() if Path(path).suffix in DATA and path not in OWN]
    assert len(data) > 100
    assert [path for path in data if not path.startswith(tuple(rows()))] == []


def test_every_row_is_about_something_that_is_there():
    assert [path for path in rows() if not (ROOT / path).exists()] == []
    named = re.findall(r"^(?:src|ground_truth)/\S+[\w/]", (ROOT / "NOTICE").read_text(), re.MULTILINE)
    assert len(named) >= 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_package_is_under_the_licences_of_its_parts():
    licences = {re.split(r"[,;]", text)[0].replace("CC BY", "CC-BY").replace(" ", "-") for text in rows().values()}
    assert {*PROJECT["license"].split(" AND ")} == licences - {"the-same"}


def test_what_is_shared_alike_or_attributed_is_in_the_notice():
    notice = (ROOT / "NOTICE").read_text()
    attributed = [path for path, licence in rows().items() if licence.startswith("CC BY")]
    assert [path for path in attributed if path.rpartition("/")[2] not in notice] == []


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] == __version__
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
