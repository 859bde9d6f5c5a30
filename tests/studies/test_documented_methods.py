from types import SimpleNamespace

import pytest

from studies.documented_methods import BY_DEFINITION, REFERENCE, best_documented, documented_skills

WIDE = """\
Words.

| skill | `cities` | `ioi` |
|---|--:|--:|
| reference recipe | 0.90 | - |
| a scan | 0.95 | 0.20 |
| key and near misses | 1.00 | 1.00 |

| reference | `ioi` |
|---|--:|
| primary | 0.99 |
| skill | 0.85 |
"""
LONG = """\
| task | instances | mean skill | lowest |
|---|--:|--:|--:|
| `cities_real` | 7 | 0.97 | 0.76 |

| skill (seconds of the attempt) | position |
|---|--:|
| reference, seed 11 | 0.90 (154) |
| reference, seed 12 | 1.00 (191) |
| random | -1.00 |
"""


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "docs" / "truth").mkdir(parents=True)
    (tmp_path / "docs" / "truth" / "probes.md").write_text(WIDE)
    (tmp_path / "docs" / "truth" / "real-neurons.md").write_text(LONG)
    return tmp_path


def task(family, name, source="planted"):
    return SimpleNamespace(family=family, name=name, source=source)


def test_all_kinds_of_tables_are_read_and_keys_are_no_methods(checkout):
    wide = documented_skills(checkout / "docs" / "truth" / "probes.md")
    assert wide["cities"] == {"reference recipe": 0.9, "a scan": 0.95}
    assert wide["ioi"] == {"a scan": 0.2, REFERENCE: 0.85}
    long = documented_skills(checkout / "docs" / "truth" / "real-neurons.md")
    assert long["cities_real"] == {REFERENCE: 0.97}
    assert long["position_real"] == {REFERENCE: pytest.approx(0.95), "random": -1.0}


def test_the_best_method_may_be_better_than_the_reference(checkout):
    best = best_documented(task("probes", "cities"), checkout)
    assert (best.method, best.skill, best.source) == ("a scan", 0.95, "docs/truth/probes.md")
    assert best_documented(task("neurons", "position_real", "real"), checkout).skill == pytest.approx(0.95)


def test_where_no_table_has_the_reference_the_scale_is_its_definition(checkout):
    assert best_documented(task("probes", "grammar"), checkout) == BY_DEFINITION
    assert best_documented(task("music", "fugue"), checkout) == BY_DEFINITION
